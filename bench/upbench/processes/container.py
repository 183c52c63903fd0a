"""What a container leaves of the machine: the CPU quota and the memory limit of its control groups, of either version.

Linux divides processes into control groups, each within another; what the narrowest of them allows counts. See the
kernel's cgroup-v2 and cgroup-v1 documentation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cpu_quota() -> float:
    """How many cores' time this process may use; infinite where nothing limits it."""
    quotas = [math.inf]
    for folder in _groups("cpu"):
        for quota, period in (_numbers(folder, "cpu.max"), _numbers(folder, "cpu.cfs_quota_us", "cpu.cfs_period_us")):
            # -1 and "max" stand for none.
            if quota > 0 and 0 < period < math.inf:
                quotas.append(quota / period)
    return min(quotas)


def available_memory() -> int:
    """Bytes that this process may still take."""
    available = [float(psutil.virtual_memory().available)]
    for folder in _groups("memory"):
        for names in (("memory.max", "memory.current", "inactive_file"), _MEMORY_V1):
            limit, used = _numbers(folder, *names[:2])
            if 0 < limit < math.inf:
                available.append(max(0.0, limit - used + _reclaimable(folder, names[2])))
    return int(min(available))


def memory_limit() -> int:
    """Bytes that this process may take altogether: the machine's, or what the container is allowed of them."""
    limits = [float(psutil.virtual_memory().total)]
    for folder in _groups("memory"):
        limits += [limit for name in ("memory.max", _MEMORY_V1[0]) if (limit := _numbers(folder, name)[0]) > 0]
    return int(min(limits))


_MEMORY_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _groups(controller: str) -> Iterator[Path]:
    """The folders of the control groups that this process is in, the innermost first."""
    with suppress(OSError):
        for line in OWN.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            for name in {controllers, controller} if controllers else {""}:
                within = Path(path.lstrip("/"))
                # Inside a container the group may bear the host's path and lie at the root.
                yield from (folder for each in (within, *within.parents) if (folder := ROOT / name / each).is_dir())


def _numbers(folder: Path, *names: str) -> tuple[float, float]:
    """Two numbers of a file, or one from each of two; not a number where there are none."""
    words: list[str] = []
    with suppress(OSError):
        for name in names:
            words += (folder / name).read_text().split()
    first, second, *_ = [math.inf if word == "max" else float(word) for word in words] + [math.nan, math.nan]
    return first, second


def _reclaimable(folder: Path, name: str) -> float:
    """Bytes of cached files that the kernel gives up before it refuses memory."""
    with suppress(OSError):
        for line in (folder / "memory.stat").read_text().splitlines():
            if line.split()[0] == name:
                return float(line.split()[1])
    return 0.0
