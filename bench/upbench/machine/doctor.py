"""What on this machine makes timings untrustworthy, and what to do about it.

Each check reads one fact and says in one line what it found; one that fails advises. Nothing is changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from upbench.machine.fingerprint import usable_cores
from upbench.processes import allocator

Rating = Literal["good", "caution", "unknown"]

CPU = Path("/sys/devices/system/cpu")
BUSY_SHARE = 0.2
"""Share of the cores in use by others above which timings suffer."""


@dataclass(frozen=True)
class Finding:
    """One fact about the machine: a verdict, what was seen, and what to do unless it is good."""

    subject: str
    verdict: Rating
    seen: str
    advice: str = ""


def examine() -> list[Finding]:
    """Run every check."""
    return [check() for check in CHECKS]


def check_cores() -> Finding:
    """A second core takes the operating system's own work off the measured one."""
    cores = usable_cores()
    if cores < 2:
        advice = "Expect wide intervals: the operating system shares the core that is measured."
        return Finding("cores", "caution", "1 usable core", advice)
    return Finding("cores", "good", f"{cores} usable cores")


def check_load() -> Finding:
    """Other work on the machine steals cache, bandwidth and time."""
    share = psutil.cpu_percent(interval=0.5) / 100
    seen = f"{share:.0%} of all cores busy, load average {os.getloadavg()[0]:.2f}"
    if share > BUSY_SHARE:
        return Finding("load", "caution", seen, "Stop other work, or raise --budget so that more launches are made.")
    return Finding("load", "good", seen)


def check_governor() -> Finding:
    """A governor that saves power changes the clock while one measures."""
    path = CPU / "cpu0/cpufreq/scaling_governor"
    if not path.exists():
        advice = "Nothing to do here if this is a virtual machine: its host decides the clock."
        return Finding("frequency governor", "unknown", "the system does not tell", advice)
    governor = path.read_text().strip()
    if governor == "performance":
        return Finding("frequency governor", "good", governor)
    advice = "Set it with: sudo cpupower frequency-set -g performance"
    return Finding("frequency governor", "caution", governor, advice)


def check_turbo() -> Finding:
    """Turbo clocks depend on temperature and on what the other cores do."""
    switches = ((CPU / "intel_pstate/no_turbo", "0"), (CPU / "cpufreq/boost", "1"))
    for path, turbo_value in switches:
        if path.exists():
            if path.read_text().strip() == turbo_value:
                advice = f"For the narrowest intervals switch it off while measuring: see {path}"
                return Finding("turbo", "caution", "on", advice)
            return Finding("turbo", "good", "off")
    advice = "Nothing to do here if this is a virtual machine: its host decides the clock."
    return Finding("turbo", "unknown", "the system does not tell", advice)


def check_throttling() -> Finding:
    """A core that got too hot ran slower than it says."""
    paths = list(CPU.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))
    if not paths:
        return Finding("throttling", "unknown", "the system does not tell")
    times = sum(int(path.read_text()) for path in paths)
    if times:
        advice = "Improve the cooling, or let the machine rest before a run."
        return Finding("throttling", "caution", f"cores were throttled {times} times since the start", advice)
    return Finding("throttling", "good", "never since the start")


def check_allocator() -> Finding:
    """Workers pin glibc's allocator; another C library cannot be pinned."""
    if allocator.is_glibc():
        return Finding(
            "allocator", "good", "glibc: workers pin it, 'upbench run --allocator default' times as deployed"
        )
    advice = "Expect differences between processes of identical code on large outputs."
    return Finding("allocator", "caution", "not glibc: it cannot be pinned", advice)


def check_memory() -> Finding:
    """A machine that swaps measures its disk."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    seen = f"{memory.available / 2**30:.1f} GiB available, {swap.used / 2**30:.1f} GiB in swap"
    if memory.available < 2 * 2**30:
        return Finding("memory", "caution", seen, "Free some: large cases end as out_of_memory.")
    return Finding("memory", "good", seen)


def check_virtualisation() -> Finding:
    """Neighbours on the same host are invisible from inside and slow the machine in bursts."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return Finding("virtual machine", "unknown", "the system does not tell")
    if "hypervisor" in cpuinfo.read_text():
        advice = "Trust intervals, not single figures; compare only what was measured in one run."
        return Finding("virtual machine", "caution", "yes: neighbours may share its cores", advice)
    return Finding("virtual machine", "good", "no")


CHECKS: tuple[Callable[[], Finding], ...] = (
    check_cores,
    check_load,
    check_governor,
    check_turbo,
    check_throttling,
    check_allocator,
    check_memory,
    check_virtualisation,
)
