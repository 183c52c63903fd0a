"""Latency of one forward pass within one launch: warm up, then time rounds for a fixed while.

A launch is one fresh process. Its rounds agree with each other far better than launches do, so that how sure the
figure is follows from the medians of several launches (:mod:`bench.statistics`), never from the rounds of one.
"""

from __future__ import annotations

import gc
import math
import resource
import time
from typing import Any

from bench.meters.interface import Meter
from bench.stopwatch import Stopwatch, stopwatch_for
from bench.workload import Workload

WARM_UP_S = 0.05
LAUNCH_S = 0.2
LEAST_ROUNDS = 3
MOST_ROUNDS = 40


class Latency(Meter):
    """``rounds_s``, seconds per call of each round, and ``page_faults_per_call``, which pinning keeps near 0."""

    name = "latency"
    stage = "launch"

    def measure(self, workload: Workload) -> dict[str, Any]:
        stopwatch = stopwatch_for(workload.input.device)
        call_s = warm_up(workload, stopwatch)
        rounds, iterations = plan_rounds(call_s)
        gc.disable()
        faults = _page_faults()
        rounds_s = stopwatch.rounds(workload.call, rounds, iterations)
        faults = _page_faults() - faults
        gc.enable()
        return {
            "rounds_s": rounds_s,
            "iterations": iterations,
            "page_faults_per_call": faults / (rounds * iterations),
        }


def warm_up(workload: Workload, stopwatch: Stopwatch) -> float:
    """Call until caches are warm and return the last call's seconds; the first call, which compiles, is not it."""
    start = time.perf_counter()
    stopwatch.rounds(workload.call, rounds=1, iterations=1)
    while True:
        call_s = stopwatch.rounds(workload.call, rounds=1, iterations=1)[0]
        if time.perf_counter() - start >= WARM_UP_S:
            return call_s


def plan_rounds(call_s: float) -> tuple[int, int]:
    """Return how many rounds of how many calls fill ``LAUNCH_S``, with a few rounds even where calls are slow."""
    calls = max(LEAST_ROUNDS, math.ceil(LAUNCH_S / call_s))
    iterations = math.ceil(calls / MOST_ROUNDS)
    return math.ceil(calls / iterations), iterations


def _page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
