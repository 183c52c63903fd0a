"""Which cores there are, and keeping processes to some of them.

Left to the scheduler, two processes of identical code differ by several per cent, as the cores of a shared machine do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import psutil

from upbench.processes import container


def usable() -> list[int]:
    """The cores that this process may run on; as many numbers as there are cores where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(psutil.cpu_count() or 1))


def at_once() -> int:
    """How many of them this process and its children may keep busy at the same time, one at least.

    A container's quota counts time, whichever cores it is spent on: who uses more is stopped for the rest of a period.
    """
    return max(1, int(min(len(usable()), container.cpu_quota())))


def of_launch(number: int, count: int) -> list[int]:
    """The ``count`` cores of a launch, which change from one launch to the next; all where there are no more."""
    cores = usable()
    first = number * count % len(cores)
    return sorted((cores * 2)[first : first + min(count, len(cores))])


def pin(pid: int, cores: Iterable[int]) -> None:
    """Restrict a process with all the threads that it has to these cores, as far as the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return
    wanted = set(cores)
    try:
        for thread in psutil.Process(pid).threads():
            os.sched_setaffinity(thread.id, wanted)
    except (ProcessLookupError, psutil.NoSuchProcess):
        # It has just ended, which whoever asks it next will find out.
        return
