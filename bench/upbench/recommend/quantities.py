"""What can be asked for and limited: which field of a record it is, how sure it is, and how it is interpolated.

A latency is of the quiet machine: how many times as long as the control the rivals of a launch took, which no
neighbour's load reaches, times what the control takes when nobody disturbs. Runs without a control have but the latency
of the machine as busy as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, expm1, log, log1p
from typing import Literal, get_args

from upbench.cases.case import Cell
from upbench.records.record import Record, Run, peak_memory
from upbench.records.statistics import Interval, launch_interval

Quantity = Literal["latency", "memory", "flops", "params"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
"""Those that records hold and that are interpolated."""

Objective = Literal[Quantity, "psnr"]
OBJECTIVES: tuple[Objective, ...] = (*QUANTITIES, "psnr")
"""PSNR is of photographs and of a scale, whatever the size and the channels."""

HIGHER_IS_BETTER: tuple[Objective, ...] = ("psnr",)


@dataclass(frozen=True)
class Figure:
    """One quantity of one record.

    Attributes:
        interval: of the quantity, in its unit; without width where it is exact.
        side_by_side: whether it was told from the control, beside which all rivals ran, or needs no control.
    """

    interval: Interval
    side_by_side: bool = True


def figure(record: Record, run: Run, quantity: Quantity) -> Figure | None:
    """What a record says; None where it says nothing that can be trusted, as of a latency that is unstable."""
    if quantity == "latency":
        return _latency(record, quiet_control_s(run, record.case.cell))
    values: Mapping[str, Callable[[], int | None]] = {
        "memory": lambda: peak_memory(record),
        "flops": lambda: record.quantities["flops"],
        "params": lambda: record.quantities["params"],
    }
    value = values[quantity]()
    return None if value is None else Figure(Interval(value, value, value))


def quiet_control_s(run: Run, cell: Cell) -> float | None:
    """What the control of a run takes when nobody disturbs, with a cell's threads on its device."""
    own = (cell.threads, cell.device)
    return next((each["quiet_s"] for each in run.facts["controls"] if (each["threads"], each["device"]) == own), None)


def logarithm(quantity: Quantity, value: float) -> float:
    """In which a quantity is interpolated; of counts with 1 added, as an upsampler may have no parameters at all."""
    return log(value) if quantity == "latency" else log1p(value)


def from_logarithm(quantity: Quantity, value: float) -> float:
    """The inverse of :func:`logarithm`; no count is below 0."""
    return exp(value) if quantity == "latency" else max(0.0, expm1(value))


def cost(objective: Objective, interval: Interval) -> Interval:
    """An interval of which the lower is the better, whatever is asked for."""
    if objective in HIGHER_IS_BETTER:
        return Interval(-interval.high, -interval.estimate, -interval.low)
    return interval


def _latency(record: Record, quiet_s: float | None) -> Figure | None:
    if record.outcome != "ok":
        return None
    beside = launch_interval([quiet_s * exp(level) for level in record.levels.values()]) if quiet_s else None
    if beside is not None:
        return Figure(beside)
    return None if record.latency is None else Figure(record.latency, side_by_side=False)
