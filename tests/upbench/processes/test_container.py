"""What a container leaves: control groups of both versions, as the kernel shows them, in a folder of the test's."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from upbench.machine import doctor
from upbench.processes import container, cores

GIB = 1 << 30

Group = Callable[..., None]


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Group:
    """Control groups: what ``/proc/self/cgroup`` says, and files by their path."""
    monkeypatch.setattr(container, "ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(container, "OWN", tmp_path / "own")

    def make(own: str, **files: str) -> None:
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return make


def test_without_control_groups_nothing_is_limited(groups: Group) -> None:
    assert container.cpu_quota() == math.inf
    assert container.memory_limit() == psutil.virtual_memory().total
    assert container.available_memory() <= psutil.virtual_memory().total
    assert cores.at_once() == len(cores.usable())


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000"}, math.inf),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000", "cpu.max": "200000 100000"}, 0.5),
        ("0::/gone/elsewhere\n", {"cpu.max": "200000 100000"}, 2.0),
        ("4:memory:/m\n1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1.0),
        (
            "1:cpu,cpuacct:/d\n",
            {"cpu,cpuacct/d/cpu.cfs_quota_us": "-1", "cpu,cpuacct/d/cpu.cfs_period_us": "1"},
            math.inf,
        ),
        ("1:cpu,cpuacct:/d\n", {"cpu/cpu.cfs_quota_us": "300", "cpu/cpu.cfs_period_us": "100"}, 3.0),
        ("1:cpuset:/d\n", {"cpu/cpu.cfs_quota_us": "300", "cpu/cpu.cfs_period_us": "100"}, math.inf),
    ],
)
def test_the_narrowest_quota_counts(groups: Group, own: str, files: dict[str, str], quota: float) -> None:
    groups(own, **files)
    assert container.cpu_quota() == quota
    assert cores.at_once() == max(1, min(len(cores.usable()), int(min(quota, 99))))


@pytest.mark.parametrize(
    ("own", "files"),
    [
        (
            "0::/a\n",
            {
                "a/memory.max": str(GIB),
                "a/memory.current": str(GIB // 2),
                "a/memory.stat": f"anon 7\ninactive_file {GIB // 4}",
            },
        ),
        (
            "4:memory:/a\n0::/\n",
            {
                "memory/a/memory.limit_in_bytes": str(GIB),
                "memory/a/memory.usage_in_bytes": str(GIB // 2),
                "memory/a/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 4}",
                "memory/memory.limit_in_bytes": "9223372036854771712",
                "memory/memory.usage_in_bytes": "0",
            },
        ),
    ],
)
def test_what_is_left_of_the_narrowest_limit_is_available_with_what_the_kernel_gives_up(
    groups: Group, own: str, files: dict[str, str]
) -> None:
    groups(own, **files)
    assert container.memory_limit() == GIB
    assert container.available_memory() == 3 * GIB // 4
    assert doctor.check_memory().verdict == "caution"
    assert "0.8 GiB available of the container's 1.0 GiB" in doctor.check_memory().seen


def test_the_doctor_says_that_a_container_has_less_time_than_cores(groups: Group) -> None:
    groups("0::/\n", **{"cpu.max": "50000 100000"})
    finding = doctor.check_cores()
    assert finding.verdict == "caution"
    assert "0.5 cores' time" in finding.seen
