"""A figure for a case: as measured, or from between its neighbours, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from upbench.cases.case import Case, Cell
from upbench.recommend.measurements import Measurements, Surface
from upbench.recommend.plane import place
from upbench.recommend.quality_figures import QualityFigures
from upbench.recommend.quantities import QUANTITIES, Objective, Quantity, from_logarithm
from upbench.recommend.stated_error import StatedError, predict, stated_error
from upbench.records.statistics import Interval

Reason = Literal["outside", "no error", "not measured", "no quality", "unstable", "failed", "unsupported"]


@dataclass(frozen=True)
class Estimate:
    """A figure that can be stated.

    Attributes:
        interval: of 95 %.
        error: of the interpolation; None where it was measured.
        factor: the interval's, either way, where it was interpolated.
    """

    interval: Interval
    error: StatedError | None = None
    factor: float = 1.0

    @property
    def measured(self) -> bool:
        """Whether the case itself was."""
        return self.error is None


Estimates = dict[Objective, Estimate | Reason]


def estimates(measured: Measurements, quality: QualityFigures | None, name: str, cell: Cell) -> Estimates:
    """Everything that can be asked of an upsampler in a cell."""
    found: Estimates = {quantity: estimate(measured, quantity, name, cell) for quantity in QUANTITIES}
    psnr = quality and quality.psnr(name, measured.usual.get(name, name), cell.scale)
    found["psnr"] = Estimate(psnr.interval) if psnr else "no quality"
    return found


def estimate(measured: Measurements, quantity: Quantity, name: str, cell: Cell) -> Estimate | Reason:
    """One quantity of one upsampler; a case of the records is never interpolated."""
    points = measured.points.get(Surface(quantity, name, cell.scale), ())
    for point in points:
        if point.case.cell == cell:
            return Estimate(point.interval)
    if reason := _own_reason(measured, quantity, name, cell):
        return reason
    if not points:
        return "not measured"
    predicted = predict(points, place(cell))
    if predicted is None:
        return "outside"
    error = stated_error(measured.points, quantity, name)
    if error is None:
        return "no error"
    height, around = predicted
    half = error.within(around.gap)
    low, value, high = (from_logarithm(quantity, each) for each in (height - half, height, height + half))
    return Estimate(Interval(low, value, high), error, factor=from_logarithm("latency", half))


def _own_reason(measured: Measurements, quantity: Quantity, name: str, cell: Cell) -> Reason | None:
    """What became of the very case that is asked about, or of every case of its scale if all were refused."""
    own = measured.records.get(Case(name, cell))
    if own is None:
        of_scale = [r for c, r in measured.records.items() if (c.upsampler, c.cell.scale) == (name, cell.scale)]
        return "unsupported" if of_scale and all(each.outcome == "unsupported" for each in of_scale) else None
    if own.outcome == "unstable":
        return "unstable" if quantity == "latency" else None
    return None if own.outcome == "ok" else "unsupported" if own.outcome == "unsupported" else "failed"
