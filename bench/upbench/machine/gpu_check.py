"""What the doctor looks at where there are GPUs: what slows them, who works on them, and whether events tell time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from upbench.machine.cuda_clock import ClockCheck, check_clock
from upbench.processes.gpu_watch import GpuSample, GpuWatch, UnwatchedError

Rating = Literal["good", "caution", "unknown"]


@dataclass(frozen=True)
class GpuLook:
    """What was found of one GPU.

    Attributes:
        name: by its maker.
        sample: its clock now; None where NVML does not tell, for the reason ``unwatched``.
        others: processes besides this one that have a context on it; None where NVML does not tell.
        clock: events against cycles.
    """

    name: str
    sample: GpuSample | None
    unwatched: str
    others: int | None
    clock: ClockCheck


def look_at(index: int) -> GpuLook:
    """Look at one GPU, by torch's number; spins on it for half a second."""
    device, sample, others, unwatched = f"cuda:{index}", None, None, ""
    with torch.cuda.device(index):
        clock = check_clock(device)
    try:
        watch = GpuWatch.of(device)
        watch.look(always=True)
        sample, others = next(iter(watch.samples), None), watch.other_processes()
    except UnwatchedError as error:
        unwatched = str(error)
    return GpuLook(torch.cuda.get_device_name(index), sample, unwatched, others, clock)


def told(looks: Sequence[GpuLook]) -> tuple[Rating, str, str]:
    """A verdict, what was seen, and what to do about it."""
    verdict: Rating = "good"
    seen, advice = [], []
    for look in looks:
        facts = [f"{look.clock.hz / 1e6:.0f} MHz by events and cycles"]
        if look.sample is None:
            verdict = "unknown" if verdict == "good" else verdict
            advice.append(f"Nothing tells whether it is slowed down: {look.unwatched}.")
        else:
            facts.append(f"slowed by {', '.join(look.sample.slowed_by)}" if look.sample.slowed_by else "not slowed")
        if look.clock.agrees is False:
            verdict = "caution"
            advice.append("Trust no latency on it: its events do not tell the time that its cycles and NVML tell.")
        if look.sample is not None and look.sample.slowed_by:
            verdict = "caution"
            advice.append("Let it cool down, or set a clock that it can hold: nvidia-smi --lock-gpu-clocks.")
        if look.others:
            verdict = "caution"
            facts.append(f"{look.others} other processes on it")
            advice.append("End other work on it: a GPU that is shared makes launches disagree.")
        seen.append(f"{look.name}: {', '.join(facts)}")
    return verdict, "; ".join(seen), " ".join(dict.fromkeys(advice))
