"""How far off interpolation is: every measured case that lies between others is left out and predicted from them.

The stated error is the conformal quantile of these misses: of ``n`` of them the ``⌈(n + 1) · 95 %⌉``-th smallest, as
the jackknife has it (Barber, Candès, Ramdas & Tibshirani, Annals of Statistics 2021, whose jackknife+ differs where
leaving out one case changes the prediction of another). Without a case its neighbours are twice as far apart as they
are for a question between them, so the error is rather too large than too small. :func:`coverage` says how often it
holds.

Of an upsampler with misses enough the quantile is its own, else that of all upsamplers in the same surroundings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from statistics import median

from upbench.recommend.measurements import Measurements, Point, Surface, all_surroundings, measurements
from upbench.recommend.plane import Between, Place, between
from upbench.recommend.quantities import Quantity
from upbench.records.record import Run
from upbench.records.statistics import CONFIDENCE, Rate

ORDER = 2
"""With which power of the gap the error of linear interpolation grows (Davis, "Interpolation and Approximation", 1963,
theorem 3.1.1), where a gap is wider than those that were tried. In narrower ones it is not taken to be smaller, as
neither noise nor a change of kernel shrinks with them."""


@dataclass(frozen=True)
class Miss:
    """By how much, in logarithms, and in how wide a gap a left-out case was missed."""

    case_id: str
    size: float
    gap: float


@dataclass(frozen=True)
class StatedError:
    """What 95 of 100 misses stay below.

    Attributes:
        half_width: in logarithms.
        cases: left out to find it.
        own: whether all of them are of the one upsampler.
        tried_gap: between the neighbours of a left-out case, the median.
    """

    half_width: float
    cases: int
    own: bool
    tried_gap: float

    def within(self, gap: float) -> float:
        """The half-width in logarithms for a prediction in a gap."""
        return self.half_width * _widening(gap, self.tried_gap)


Points = Mapping[Surface, tuple[Point, ...]]


def predict(points: tuple[Point, ...], at: Place) -> tuple[float, Between] | None:
    """The height of a surface at a place, and what lies around it; None outside the measured places.

    Points at one place, such as images of other sides and as many pixels, count by their mean.
    """
    heights: dict[Place, list[float]] = {}
    for point in points:
        heights.setdefault(point.place, []).append(point.height)
    around = between(frozenset(heights), at)
    if around is None:
        return None
    return sum(share * sum(heights[each]) / len(heights[each]) for each, share in around.shares.items()), around


def stated_error(points: Points, quantity: Quantity, upsampler: str) -> StatedError | None:
    """The error of interpolating a quantity of an upsampler; None with too few misses to state one."""
    by_upsampler: dict[str, list[Miss]] = {}
    for surface, own in points.items():
        if surface.quantity == quantity:
            by_upsampler.setdefault(surface.upsampler, []).extend(_misses(own))
    own_misses = by_upsampler.get(upsampler, [])
    if _rank(len(own_misses)) is not None:
        return _quantile(own_misses, own=True)
    return _quantile([miss for misses in by_upsampler.values() for miss in misses], own=False)


def coverage(runs: Sequence[Run], quantity: Quantity = "latency") -> Rate:
    """How often a left-out case lies within the error that is stated without it, over all left-out cases of some runs.

    Cases are counted that lie between the others, where an error can be stated.
    """
    held = [
        abs(height - point.height) <= error.within(around.gap)
        for surroundings in all_surroundings(runs)
        for height, around, point, error in _left_out(measurements(runs, surroundings), quantity)
    ]
    return Rate(sum(held), len(held))


def _left_out(measured: Measurements, quantity: Quantity) -> list[tuple[float, Between, Point, StatedError]]:
    found = []
    for surface, points in measured.points.items():
        if surface.quantity != quantity:
            continue
        for point in points:
            others = tuple(each for each in points if each is not point)
            predicted = predict(others, point.place)
            error = predicted and stated_error({**measured.points, surface: others}, quantity, surface.upsampler)
            if predicted and error:
                found.append((*predicted, point, error))
    return found


@lru_cache(maxsize=4096)
def _misses(points: tuple[Point, ...]) -> tuple[Miss, ...]:
    misses = []
    for point in points:
        predicted = predict(tuple(each for each in points if each is not point), point.place)
        if predicted is not None:
            height, around = predicted
            misses.append(Miss(point.case.id, abs(height - point.height), around.gap))
    return tuple(misses)


def _quantile(misses: Sequence[Miss], own: bool) -> StatedError | None:
    rank = _rank(len(misses))
    if rank is None:
        return None
    tried_gap = median(miss.gap for miss in misses)
    ordered = sorted(miss.size / _widening(miss.gap, tried_gap) for miss in misses)
    return StatedError(ordered[rank - 1], len(misses), own, tried_gap)


def _rank(count: int) -> int | None:
    """Which of so many ordered misses is the quantile; None where there are too few for any to be."""
    rank = ceil((count + 1) * CONFIDENCE - 1e-9)
    return rank if count and rank <= count else None


def _widening(gap: float, tried_gap: float) -> float:
    return max(1.0, gap / tried_gap) ** ORDER if tried_gap else 1.0
