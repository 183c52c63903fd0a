"""What launches of a case come to: each one's figure, and the fields of a record that sum them up. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from pytest_benchmark.stats import Stats

from upbench.records.statistics import launch_interval


@dataclass(frozen=True)
class GpuClocks:
    """What a GPU said of itself during a launch.

    Attributes:
        slowed_share: part of the samples in which it was held below the clock that it would have had.
        slowed_by: why, each reason once.
        sm_clock_mhz: median clock of its multiprocessors; None where it is not told.
    """

    slowed_share: float
    slowed_by: tuple[str, ...]
    sm_clock_mhz: float | None


@dataclass(frozen=True)
class Launch:
    """One fresh process of a case, timed beside its rivals.

    Attributes:
        id: of the launch, which its rivals share.
        level: log of how many times as long as the control a call took.
        rounds_s: seconds per call of its blocks.
        iterations: calls in each block.
        busy_share: part of the time in which the machine was busy with something else.
        page_faults_per_call: how often the allocator asked the kernel for memory.
        groups: into which the rivals were parted, as their memory did not suffice for all at once; 1 if it did.
        gpu: how its GPU was clocked meanwhile; None on the CPU, and where nobody tells.
    """

    id: str
    level: float
    rounds_s: tuple[float, ...]
    iterations: int
    busy_share: float = 0.0
    page_faults_per_call: float = 0.0
    groups: int = 1
    gpu: GpuClocks | None = None

    @property
    def median_s(self) -> float:
        """The launch's one absolute figure."""
        return float(stats_of(self.rounds_s).median)


def summarise_launches(launches: Sequence[Launch]) -> dict[str, Any]:
    """Return the latency fields of a record from its launches.

    ``latency_s`` is the geometric mean of the launches' medians, ``latency_ci_s`` its interval over launches: of the
    machine as busy as it was, which ``disturbed_share`` says.
    """
    if not launches:
        return {"launch_medians_s": []}
    medians = [launch.median_s for launch in launches]
    interval = launch_interval(medians)
    return {
        "latency_s": interval.estimate if interval else medians[0],
        "latency_ci_s": [interval.low, interval.high] if interval else None,
        "launch_medians_s": medians,
        "launch_ids": [launch.id for launch in launches],
        "launch_levels": [launch.level for launch in launches],
        "rounds_per_launch": [len(launch.rounds_s) for launch in launches],
        "launches": len(launches),
        "groups": max(launch.groups for launch in launches),
        "disturbed_share": mean(launch.busy_share for launch in launches),
        "page_faults_per_call": median(launch.page_faults_per_call for launch in launches),
        **_clocks([launch.gpu for launch in launches if launch.gpu is not None]),
    }


def _clocks(told: Sequence[GpuClocks]) -> dict[str, Any]:
    """The fields of a record whose GPU was watched."""
    if not told:
        return {}
    clocks = [each.sm_clock_mhz for each in told if each.sm_clock_mhz is not None]
    return {
        "slowed_share": mean(each.slowed_share for each in told),
        "slowed_by": sorted({reason for each in told for reason in each.slowed_by}),
        "sm_clock_mhz": median(clocks) if clocks else None,
    }


def stats_of(rounds_s: Iterable[float]) -> Stats:
    """pytest-benchmark's statistics of seconds per call."""
    stats = Stats()
    for seconds in rounds_s:
        stats.update(seconds)
    return stats
