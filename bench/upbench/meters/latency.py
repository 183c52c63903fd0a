"""Latency of one forward pass within one launch: warm up, then time rounds until enough of them were undisturbed.

A launch is one fresh process. Its rounds agree with each other far better than launches do, so that how sure the
figure is follows from the medians of several launches (:mod:`upbench.records.statistics`), never from the rounds of
one.
"""

from __future__ import annotations

import gc
import math
import resource
import time
from typing import Any

from upbench.meters.meter import Meter
from upbench.processes.control import Control
from upbench.processes.disturbance import DISTURBED
from upbench.processes.stopwatch import Stopwatch, stopwatch_for
from upbench.runtimes.workload import Workload

WARM_UP_S = 0.03
ROUND_S = 0.001
"""The control looks between rounds, so that they are short against the disturbances that it must see."""

CALLS_AT_ONCE = 10
QUIET_S = 0.05
LEAST_ROUNDS = 3
LAUNCH_S = 0.5
"""A launch ends with this much undisturbed time in at least so many rounds, or gives up waiting for them."""


class Latency(Meter):
    """The rounds of one launch.

    ``rounds_s``: seconds per call of the rounds that count; ``iterations``: calls in each; ``disturbed_share``: part
    of the time that the control found disturbed and whose rounds were discarded; ``quiet``: False when too little was
    left and all rounds count after all; ``page_faults_per_call``, which pinning the allocator keeps near 0.
    """

    name = "latency"
    stage = "launch"

    def measure(self, workload: Workload) -> dict[str, Any]:
        stopwatch = stopwatch_for(workload.input.device)
        call_s = warm_up(workload, stopwatch)
        if workload.input.device.type == "cpu":
            # The control looks between rounds.
            quiet_s, iterations, rounds_at_once = workload.quiet_control_s, max(1, round(ROUND_S / call_s)), 1
        else:
            # Each call starts with a flushed cache, and calls are queued together so that the device never waits.
            quiet_s, iterations, rounds_at_once = None, 1, CALLS_AT_ONCE
        rounds = Rounds(quiet_s)
        gc.disable()
        faults = _page_faults()
        while not rounds.enough():
            rounds.add(stopwatch.rounds(workload.call, rounds_at_once, iterations), iterations)
        faults = _page_faults() - faults
        gc.enable()
        return {
            "rounds_s": rounds.counting,
            "iterations": iterations,
            "quiet": rounds.quiet,
            "disturbed_share": rounds.disturbed_share,
            "control_s": rounds.controls,
            "page_faults_per_call": faults / (iterations * len(rounds)),
        }


class Rounds:
    """Sorts rounds into undisturbed and disturbed ones by the control's time before and after each.

    Args:
        quiet_control_s: the control's time on the quiet machine; None where it cannot tell, as on another device.
    """

    def __init__(self, quiet_control_s: float | None) -> None:
        self._limit_s = math.inf if quiet_control_s is None else DISTURBED * quiet_control_s
        self._control = None if quiet_control_s is None else Control()
        self._undisturbed: list[float] = []
        self._disturbed: list[float] = []
        self._undisturbed_s = self._disturbed_s = 0.0
        self.controls: list[float] = []
        if self._control is not None:
            self._control.sample()
        self._sample_control()

    def __len__(self) -> int:
        return len(self._undisturbed) + len(self._disturbed)

    def add(self, rounds_s: list[float], iterations: int) -> None:
        """Take in rounds that have just been timed between two looks at the control."""
        before = self.controls[-1] if self.controls else 0.0
        after = self._sample_control()
        seconds = sum(rounds_s) * iterations
        if max(before, after) <= self._limit_s:
            self._undisturbed += rounds_s
            self._undisturbed_s += seconds
        else:
            self._disturbed += rounds_s
            self._disturbed_s += seconds

    def enough(self) -> bool:
        """Whether the launch has what it needs, or has waited long enough for it."""
        waited = self._undisturbed_s + self._disturbed_s >= LAUNCH_S and len(self) >= LEAST_ROUNDS
        return waited or (self._undisturbed_s >= QUIET_S and self.quiet)

    @property
    def quiet(self) -> bool:
        """Whether enough rounds were undisturbed to stand for the launch."""
        return len(self._undisturbed) >= LEAST_ROUNDS

    @property
    def counting(self) -> list[float]:
        """The undisturbed rounds, or all of them when those are too few."""
        return self._undisturbed if self.quiet else self._undisturbed + self._disturbed

    @property
    def disturbed_share(self) -> float:
        """Part of the time that was disturbed."""
        return self._disturbed_s / (self._undisturbed_s + self._disturbed_s)

    def _sample_control(self) -> float:
        if self._control is None:
            return 0.0
        self.controls.append(self._control.sample())
        return self.controls[-1]


def warm_up(workload: Workload, stopwatch: Stopwatch) -> float:
    """Call until caches are warm and return the last call's seconds; the first call, which compiles, is not it."""
    start = time.perf_counter()
    stopwatch.rounds(workload.call, rounds=1, iterations=1)
    while True:
        call_s = stopwatch.rounds(workload.call, rounds=1, iterations=1)[0]
        if time.perf_counter() - start >= WARM_UP_S:
            return call_s


def _page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
