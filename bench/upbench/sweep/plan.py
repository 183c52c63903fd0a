"""From axes to the cases that a sweep measures here, and a rough guess at how long it takes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

import upsample
from upbench import runtimes
from upbench.cases.case import Case
from upbench.cases.grid import Axes, GridError, expand
from upbench.meters.latency import LAUNCH_S, LEAST_ROUNDS
from upbench.runtimes.workload import create_module
from upbench.sweep.schedule import ONCE, SweepSettings

WORKER_OVERHEAD_S = 0.15
"""Of forking a worker, building its case and answering."""

WARM_CALLS = 3

NOMINAL_FLOPS_PER_S = 30e9
NOMINAL_BYTES_PER_S = 5e9
"""A modest core, for the estimate of time only."""


def planned(axes: Axes) -> list[Case]:
    """Return the cases of a grid, whose runtimes are all to be had here.

    Raises:
        GridError: there is no such runtime, or it is not installed.
    """
    for name in axes.runtimes:
        if name not in runtimes.names():
            raise GridError(f"runtime must be one of {', '.join(runtimes.names())}; got {name!r}.")
        if (missing := runtimes.get(name).missing) is not None:
            raise GridError(missing)
    return expand(axes)


def estimated_minutes(cases: Sequence[Case], settings: SweepSettings) -> float:
    """A rough guess at how long a sweep of the cases takes on a modest core."""
    workers = len(ONCE) + settings.least_launches
    seconds = 0.0
    for case in cases:
        call_s = estimated_call_s(case)
        if call_s:
            seconds += workers * (WORKER_OVERHEAD_S + (WARM_CALLS + LEAST_ROUNDS) * call_s)
            seconds += settings.least_launches * LAUNCH_S
    return seconds / 60


def estimated_call_s(case: Case) -> float:
    """A rough guess at one forward pass from the closed form, for planning; 0 for what is unsupported or unknown."""
    cell = case.cell
    if not upsample.class_of(case.upsampler).stated:
        return 0.0
    if upsample.refusal(case.upsampler, cell.in_channels, cell.out_channels, cell.scale) is not None:
        return 0.0
    with torch.device("meta"):
        module = create_module(case)
    cost = upsample.cost(module, (cell.batch, cell.in_channels, cell.height, cell.width))
    return cost.flops / NOMINAL_FLOPS_PER_S / cell.threads + cost.min_bytes / NOMINAL_BYTES_PER_S
