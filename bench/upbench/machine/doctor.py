"""What on this machine makes timings untrustworthy, and what to do about it.

Each check reads one fact and says in one line what it found; one that fails advises. Nothing is changed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import psutil
import torch

from upbench.machine.gpu_check import Rating, look_at, told
from upbench.processes import allocator, container, cores
from upbench.processes.control import Control
from upbench.processes.disturbance import CONTROL_TOLERANCE, busy_share, quiet_time
from upbench.processes.stopwatch import WallClock

CPU = Path("/sys/devices/system/cpu")
BUSY_SHARE = 0.2
"""Share of the cores in use by others above which timings suffer."""

CONTENTION_S = 3.0
"""On each core."""

MOST_CORES, CORES_NAMED = 8, 2
"""Cores to look at, evenly among all of them, and those to name."""

CONTROL_CALLS = 10
CONTENDED_SHARE = 0.1
"""Share of the time in which a core may be slow before it counts."""


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
    count, quota = len(cores.usable()), container.cpu_quota()
    if quota < count:
        advice = "Use no more threads than that: whoever spends a container's time is stopped until the next period."
        return Finding("cores", "caution", f"{count} usable cores, {quota:g} cores' time for this container", advice)
    if count < 2:
        advice = "Expect wide intervals: the operating system shares the core that is measured."
        return Finding("cores", "caution", "1 usable core", advice)
    return Finding("cores", "good", f"{count} usable cores")


def check_load() -> Finding:
    """Other work on the machine steals cache, bandwidth and time."""
    share = psutil.cpu_percent(interval=0.5) / 100
    seen = f"{share:.0%} of all cores busy, load average {os.getloadavg()[0]:.2f}"
    if share > BUSY_SHARE:
        return Finding("load", "caution", seen, "Stop other work if latencies are to be those of the quiet machine.")
    return Finding("load", "good", seen)


def check_contention() -> Finding:
    """What the load does not tell: neighbours on the host, and the cores' other half, slow a core that looks idle."""
    every = cores.usable()
    chosen = every[:: -(-len(every) // MOST_CORES)]
    seen = contention({core: sample_core(core) for core in chosen})
    ordered = sorted(seen.items(), key=lambda each: -each[1].busy_share)
    text = "; ".join(f"core {core} slow for {each.text}" for core, each in ordered[:CORES_NAMED])
    if len(ordered) > CORES_NAMED:
        text += f"; {len(ordered) - CORES_NAMED} more for less"
    worst = max(seen.values(), key=lambda each: each.busy_share * (each.slowdown - 1))
    if worst.busy_share <= CONTENDED_SHARE:
        return Finding("contention", "good", text)
    high = worst.busy_share * (worst.slowdown - 1)
    advice = (
        f"Latencies will read about {high:.0%} high on such a core, and are comparable with those of another time only "
        "as far. Ratios within a run, and who wins, are not touched: rivals are timed side by side."
    )
    return Finding("contention", "caution", text, advice)


@dataclass(frozen=True)
class Contention:
    """How busy one core was: the share of the time in which it was slow, and how slow it was then."""

    busy_share: float
    slowdown: float

    @property
    def text(self) -> str:
        """Such as ``12% of the time, then 1.40 times``."""
        return f"{self.busy_share:.0%} of the time" + (f", then {self.slowdown:.2f} times" if self.busy_share else "")


def sample_core(core: int) -> list[float]:
    """Times of the control operator on one core, one after another for a few seconds."""
    before, threads = os.sched_getaffinity(0), torch.get_num_threads()
    stopwatch, control = WallClock(), Control()
    try:
        torch.set_num_threads(1)
        os.sched_setaffinity(0, {core})
        samples = []
        end = time.monotonic() + CONTENTION_S
        while time.monotonic() < end:
            samples.append(stopwatch.block(control, CONTROL_CALLS))
    finally:
        os.sched_setaffinity(0, before)
        torch.set_num_threads(threads)
    return samples


def contention(samples: Mapping[int, Sequence[float]]) -> dict[int, Contention]:
    """Hold each core against the fastest times that any of them had."""
    quiet_s = quiet_time([each for own in samples.values() for each in own])
    found = {}
    for core, own in samples.items():
        slow = [each / quiet_s for each in own if each > (1 + CONTROL_TOLERANCE) * quiet_s]
        found[core] = Contention(busy_share(own, quiet_s), mean(slow) if slow else 1.0)
    return found


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
    available, swap = container.available_memory(), psutil.swap_memory()
    limit = container.memory_limit()
    within = f" of the container's {limit / 2**30:.1f} GiB" if limit < psutil.virtual_memory().total else ""
    seen = f"{available / 2**30:.1f} GiB available{within}, {swap.used / 2**30:.1f} GiB in swap"
    if available < 2 * 2**30:
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


def check_gpus() -> Finding:
    """A GPU sets its clock by itself, and others may work on it."""
    if not torch.cuda.device_count():
        return Finding("GPUs", "good", "torch sees none")
    try:
        looks = [look_at(index) for index in range(torch.cuda.device_count())]
    except RuntimeError as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        return Finding("GPUs", "caution", f"cannot be used: {first}", "See whether nvidia-smi lists them.")
    verdict, seen, advice = told(looks)
    return Finding("GPUs", verdict, seen, advice)


CHECKS: tuple[Callable[[], Finding], ...] = (
    check_cores,
    check_load,
    check_contention,
    check_governor,
    check_turbo,
    check_throttling,
    check_allocator,
    check_memory,
    check_virtualisation,
    check_gpus,
)
