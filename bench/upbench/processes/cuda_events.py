"""How calls are timed on a CUDA device: by events, which the device itself passes in the order of its work.

What has run on hardware and what has not is said in docs/cuda.md; tests check the logic on a device that is made up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import mean
from typing import Any

import torch

from upbench.processes.stopwatch import Call, CoreClock, Stopwatch, WallClock

DEFAULT_L2_BYTES = 128 << 20
"""Cleared between samples where the device does not tell the size of its L2 cache."""

HELD_CYCLES = 20_000_000
"""For which the device is kept from a queue: about 10 ms, in which a host queues a thousand kernels."""

TRIES = 5
"""Of what another process may disturb: the least of so many counts."""


class CudaEvents(Stopwatch):
    """Events on the stream around each round, queued without waiting; the host synchronises once at the end.

    A call is timed from when the device has done what came before it until it has done the call. Where the host takes
    longer to queue a call than the device to work it off, the device waits, and that is part of the figure: it is
    what such a call takes. :meth:`device_s` tells the device's own part, and the runtime ``cudagraph`` leaves the rest
    out.

    Args:
        cuda: the part of ``torch.cuda`` that is used, replaceable in tests.
        clear: queues a write over at least the L2 cache before each timed call, untimed, as nvbench does; None to leave
            the caches as the call before has left them.
        clock: the host's, in seconds.
    """

    def __init__(self, cuda: Any, clear: Call | None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._cuda, self._clear, self._clock = cuda, clear, clock

    def rounds(self, call: Call, rounds: int, iterations: int) -> list[float]:
        pairs = []
        for _ in range(rounds):
            start, end = self._events()
            if self._clear is not None:
                self._clear()
            start.record()
            for _ in range(iterations):
                call()
            end.record()
            pairs.append((start, end))
        self._cuda.synchronize()
        return [start.elapsed_time(end) / 1000 / iterations for start, end in pairs]

    def block(self, call: Call, calls: int) -> float:
        """As for any device; with the cache cleared, each call is timed by itself.

        The device has finished when this returns, so that the blocks of two processes never overlap.
        """
        call()
        if self._clear is None:
            return self.rounds(call, 1, calls)[0]
        return mean(self.rounds(call, calls, 1))

    def device_s(self, call: Call, calls: int) -> float:
        """Seconds that a call takes the device alone, its queue filled before it begins.

        The device spins meanwhile, as it does in nvbench while a measurement is queued. Caches are warm. Where the host
        is not done queueing by then, some of its time is in the figure.
        """
        call()
        found = []
        for _ in range(TRIES):
            start, end = self._events()
            self._cuda.synchronize()
            self._cuda._sleep(HELD_CYCLES)
            start.record()
            for _ in range(calls):
                call()
            end.record()
            self._cuda.synchronize()
            found.append(float(start.elapsed_time(end)) / 1000 / calls)
        return min(found)

    def queueing_s(self, call: Call, calls: int) -> float:
        """Seconds that the host takes to queue a call, whatever the device does meanwhile."""
        call()
        found = []
        for _ in range(TRIES):
            self._cuda.synchronize()
            begun = self._clock()
            for _ in range(calls):
                call()
            found.append((self._clock() - begun) / calls)
        self._cuda.synchronize()
        return min(found)

    def unjoined_s(self, call: Call, calls: int) -> float:
        """Seconds for which the device goes on when it has passed the event after the last call.

        Work that a call has put on a stream of its own, and does not let the current stream wait for, is timed by no
        event, and its output is used before it is there. The least of some tries, as another process may delay the
        host; some ten microseconds where nothing is left.
        """
        call()
        found = []
        for _ in range(TRIES):
            self._cuda.synchronize()
            for _ in range(calls):
                call()
            _, end = self._events()
            end.record()
            end.synchronize()
            passed = self._clock()
            self._cuda.synchronize()
            found.append(self._clock() - passed)
        return min(found)

    def _events(self) -> tuple[Any, Any]:
        return self._cuda.Event(enable_timing=True), self._cuda.Event(enable_timing=True)


def l2_bytes(properties: Any) -> int:
    """The size of a device's L2 cache, from torch's properties of it."""
    return int(getattr(properties, "L2_cache_size", 0) or DEFAULT_L2_BYTES)


def cuda_events(device: torch.device, cache: str = "cold") -> CudaEvents:
    """The stopwatch of a CUDA device, whose cache is ``cold`` or ``warm`` when a timed call begins."""
    if cache == "warm":
        return CudaEvents(torch.cuda, None)
    buffer = torch.empty(2 * l2_bytes(torch.cuda.get_device_properties(device)), dtype=torch.uint8, device=device)
    return CudaEvents(torch.cuda, buffer.zero_)


def stopwatch_for(device: torch.device, threads: int, cache: str = "cold") -> Stopwatch:
    """Return the stopwatch for a device, for a CPU's operators of so many threads, and for a GPU's cache."""
    if device.type == "cuda":
        return cuda_events(device, cache)
    return CoreClock() if threads == 1 and CoreClock.exists() else WallClock()
