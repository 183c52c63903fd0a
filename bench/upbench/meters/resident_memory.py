"""Peak resident memory as the kernel saw it, in a process that gives freed memory back at once.

Writing 5 to ``clear_refs`` resets the high-water mark to the present resident size; their difference after one forward
pass is what that pass touched at its peak. Repeatable within a fraction of a MiB, where a process with the allocator's
default setting is not.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import psutil

from upbench.meters.meter import Meter
from upbench.runtimes.workload import Workload

PROC = Path("/proc/self")


class ResidentMemory(Meter):
    """``peak_rss_bytes`` of one call above what was resident before it, and ``process_bytes`` of the process alone.

    The peak is None where there is no procfs, and in a runtime that keeps its memory between calls: the second one
    takes no more.
    """

    name = "resident_memory"
    stage = "alone"
    gives_memory_back = True

    def measure(self, workload: Workload) -> dict[str, Any]:
        here = workload.input.device.type == "cpu" and workload.runtime.in_torch
        if not here or not (PROC / "clear_refs").exists():
            return {"peak_rss_bytes": None, "process_bytes": _own_bytes()}
        workload.call()
        gc.collect()
        (PROC / "clear_refs").write_text("5")
        before = _status_bytes("VmRSS")
        workload.call()
        return {"peak_rss_bytes": _status_bytes("VmHWM") - before, "process_bytes": _own_bytes()}


def _own_bytes() -> int:
    """What this process would give back if it ended: it shares torch with the server that it was forked from."""
    return int(psutil.Process().memory_full_info().uss)


def _status_bytes(field: str) -> int:
    for line in (PROC / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise LookupError(f"/proc/self/status has no field {field}")
