"""How a call is timed on the CPU, behind one small interface; :mod:`upbench.processes.cuda_events` is for GPUs."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

Call = Callable[[], object]

THREADS = Path("/proc/self/task")

LONGEST_WAIT = 0.95
"""Of a round: what several threads waited at the same time would else count twice."""


class Stopwatch(ABC):
    """Times rounds of calls; each round is ``iterations`` calls and yields seconds per call."""

    @abstractmethod
    def rounds(self, call: Call, rounds: int, iterations: int) -> list[float]:
        """Return seconds per call of each round."""

    @abstractmethod
    def block(self, call: Call, calls: int) -> float:
        """Make one untimed call and then so many timed ones; the mean seconds of those."""


class WallClock(Stopwatch):
    """The monotonic clock around calls that return when their work is done, as on the CPU."""

    def rounds(self, call: Call, rounds: int, iterations: int) -> list[float]:
        seconds = []
        for _ in range(rounds):
            start = time.perf_counter()
            for _ in range(iterations):
                call()
            seconds.append((time.perf_counter() - start) / iterations)
        return seconds

    def block(self, call: Call, calls: int) -> float:
        call()
        return self.rounds(call, 1, calls)[0]


class CoreClock(WallClock):
    """The wall clock less the time in which this process wanted a core and another one had it.

    For processes that work in one thread at a time, pinned to a core that others may use too: who shares it with a
    neighbour would else seem to take twice as long. Linux counts that time for each thread, to the nanosecond.
    """

    def __init__(self) -> None:
        # All threads of the process as it is now; its libraries have started theirs by the first call.
        self._files = [os.open(path, os.O_RDONLY) for path in THREADS.glob("*/schedstat")]
        self.waited_s = 0.0

    @staticmethod
    def exists() -> bool:
        """Whether the system tells."""
        return Path("/proc/self/schedstat").exists()

    def rounds(self, call: Call, rounds: int, iterations: int) -> list[float]:
        seconds = []
        self.waited_s = 0.0
        for _ in range(rounds):
            before = self._waited_s()
            (round_s,) = super().rounds(call, 1, iterations)
            waited_s = min((self._waited_s() - before) / iterations, LONGEST_WAIT * round_s)
            seconds.append(round_s - waited_s)
            self.waited_s += waited_s
        return seconds

    def _waited_s(self) -> float:
        """Since each thread began: the second number of its line, in nanoseconds."""
        waited_ns = 0
        for file in self._files:
            # A thread that has ended tells nothing any more.
            with suppress(ProcessLookupError):
                waited_ns += int(os.pread(file, 100, 0).split()[1])
        return waited_ns / 1e9
