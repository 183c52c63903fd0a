"""Whether a CUDA device's events tell the time: a kernel that counts cycles is held against them, and against NVML.

``torch.cuda._sleep`` spins until the multiprocessor's own counter, ``clock64``, has gone on by so many cycles. Cycles
by the events' seconds are then the clock rate, which the driver tells through NVML by other means. Two lengths take the
launch out; a third one, between them, shows that the events count evenly.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from upbench.processes.gpu_watch import GpuWatch, watch_of

CYCLES = (4_000_000, 12_000_000, 20_000_000)
"""Two, six and ten milliseconds at 2 GHz."""

WARM_CYCLES = 400_000_000
"""An idle device takes a while to raise its clock."""

ROUNDS = 5

AGREE = 0.03
"""How far the two clock rates may be apart: NVML's is a sample, in steps of 15 MHz."""


@dataclass(frozen=True)
class ClockCheck:
    """What came of it.

    Attributes:
        hz: cycles by seconds of the events.
        told_hz: the clock by NVML meanwhile; None where it does not tell.
        bend: how far the middle length is from the line through the others, as a share.
    """

    hz: float
    told_hz: float | None
    bend: float

    @property
    def apart(self) -> float | None:
        """How far the events' clock is from NVML's, as a share of it."""
        return None if self.told_hz is None else self.hz / self.told_hz - 1

    @property
    def agrees(self) -> bool | None:
        """Whether events, cycles and NVML agree; None where NVML does not tell and the events count evenly."""
        if abs(self.bend) > AGREE:
            return False
        return None if self.apart is None else abs(self.apart) <= AGREE


def check_clock(device: str) -> ClockCheck:
    """Spin on the current device, which has the name ``device``."""
    return clock_of(torch.cuda, watch_of(device))


def clock_of(cuda: Any, watch: GpuWatch | None) -> ClockCheck:
    """Time three lengths of spinning, in turns.

    Args:
        cuda: the part of ``torch.cuda`` that is used, replaceable in tests.
        watch: is asked while the device spins.
    """
    cuda._sleep(WARM_CYCLES)
    cuda.synchronize()
    taken: dict[int, list[float]] = {cycles: [] for cycles in CYCLES}
    for _ in range(ROUNDS):
        for cycles in CYCLES:
            start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
            start.record()
            cuda._sleep(cycles)
            end.record()
            if watch is not None:
                watch.look(always=True)
            cuda.synchronize()
            taken[cycles].append(start.elapsed_time(end) / 1000)
    short, middle, long = CYCLES
    short_s, middle_s, long_s = (median(taken[cycles]) for cycles in CYCLES)
    hz = (long - short) / (long_s - short_s)
    told = watch.summary() if watch is not None else None
    clock_mhz = told["sm_clock_mhz"] if told else None
    expected_s = short_s + (middle - short) / hz
    return ClockCheck(hz, None if clock_mhz is None else clock_mhz * 1e6, middle_s / expected_s - 1)
