"""Where a noisy series changes its level: places proposed by a library, confirmed by a test that outliers do not sway.

Proposed are the splits of a regression tree over the runs (Breiman et al. 1984), as scikit-learn grows it: binary
segmentation. Each is then moved to the most likely place between two versions, and stays if the rank-sum test (Mann &
Whitney, Ann. Math. Stat. 1947) of the runs before and after it says so at a level that is shared between all places of
all series, and if the shift is large enough to be named. Only runs nearby are compared, so that a slow drift makes no
step. ``docs/history.md`` has what else was tried, and how often each is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, comb, floor, log, sqrt

import numpy as np
import numpy.typing as npt
import scipy
from sklearn.tree import DecisionTreeRegressor

from upbench.records.statistics import CONFIDENCE, Interval

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Proposing = Callable[[Floats, float], Sequence[int]]
"""From a series of logarithms and its noise to the runs at which it may change."""

NEARBY = 40
"""Runs on each side that are compared."""

NEAREST = 10
"""Runs on each side among which a step is as large as among all of them, and a slope is not."""

LEFT_OF_A_STEP = 0.65
"""Share of a shift that is left among the nearest runs; of a slope, a quarter is."""

GAIN = 2.0
"""Of a split that is proposed: times the logarithm of the number of runs, in squared standard deviations."""

LEAST_PART = 2
"""Runs between two proposals."""

AROUND = 9
"""Runs whose median says how far off an outlier is: half of them may be off before it follows."""

NORMAL_MAD = 1.4826
"""Standard deviations in a median absolute deviation of normal values."""

LEAST_NOISE = 1e-4
"""In logarithms: less is the rounding of what was written down."""

CLIPPED = 3.0
"""Standard deviations from which on an outlier tells no more about the place of a change (Fearnhead & Rigaill, JASA
2019)."""

EXACT_RANKS = 12
"""Runs on the smaller side up to which the distribution of the ranks is counted out."""

MOST_MOVES = 5


@dataclass(frozen=True)
class ChangePoint:
    """One change of a series.

    Attributes:
        run: the first after the most likely place; the first of its version.
        earliest, latest: the same of the first and the last place of those that hold 95 % of the likelihood.
        shift: how many times as large as before the values are, with its 95 % interval.
        p_value: of "nothing changed here", before it is shared between places.
    """

    run: int
    earliest: int
    latest: int
    shift: Interval
    p_value: float


def tree_proposals(values: Floats, noise: float) -> Sequence[int]:
    """The splits of a regression tree; with squares, as medians do not move where a change is soon taken back."""
    around = scipy.ndimage.median_filter(values, AROUND, mode="nearest")
    clipped = around + np.clip(values - around, -CLIPPED * noise, CLIPPED * noise)
    count = len(values)
    least_gain = GAIN * log(count) * noise**2 / count
    tree = DecisionTreeRegressor(min_samples_leaf=LEAST_PART, min_impurity_decrease=least_gain)
    found = tree.fit(np.arange(count)[:, None], clipped).tree_
    return sorted(ceil(each) for each in found.threshold[found.feature >= 0])


def change_points(
    values: Floats,
    versions: Places,
    level: float,
    least: float,
    propose: Proposing = tree_proposals,
) -> list[ChangePoint]:
    """Find where a series changes.

    Args:
        values: logarithms, a run each, in the order of their versions.
        versions: of each run; the same number for the same version, ascending.
        level: greatest p-value of a change; what is to be shared between places and series is shared already.
        least: smallest shift that is named, as a share: 0.03 is 3 % more, or the same less.
        propose: what proposes places.

    Returns:
        In order; none in fewer than two versions.
    """
    starts = np.flatnonzero(np.diff(versions)) + 1
    if len(starts) == 0 or len(values) < 2 * LEAST_PART:
        return []
    series = _Series(values, starts, noise_of(values))
    kept = sorted({_nearest(starts, run) for run in propose(values, series.noise)})
    while kept:
        kept = _moved(series, kept)
        found = [series.judged(*sides) for sides in _sides(kept, len(values))]
        failing = [
            point
            for point, (low, _, high) in zip(found, _sides(kept, len(values)), strict=True)
            if point.p_value > level or _size(point) < log(1 + least) or not series.is_step(point, low, high)
        ]
        if not failing:
            return found
        # One at a time: what is left has more runs on its side.
        kept.remove(max(failing, key=lambda point: (point.p_value > level, point.p_value, -_size(point))).run)
    return []


def fewest_runs(level: float) -> int:
    """Runs of a series from which on a change can have a p-value of ``level``: all before it below all after it."""
    count = 2 * LEAST_PART
    while 2 / comb(count, count // 2) > level:
        count += 1
    return count


def noise_of(values: Floats) -> float:
    """The standard deviation from run to run, as neither outliers nor steps nor drift show in it."""
    apart = np.abs(np.diff(values))
    return max(NORMAL_MAD * float(np.median(apart)) / sqrt(2), LEAST_NOISE)


def _size(point: ChangePoint) -> float:
    return abs(log(point.shift.estimate))


def _nearest(starts: Places, run: int) -> int:
    return int(starts[np.argmin(np.abs(starts - run))])


def _sides(kept: Sequence[int], count: int) -> list[tuple[int, int, int]]:
    """The first run on the left of each place, the place, and the run that ends its right."""
    ends = [0, *kept, count]
    return [
        (max(ends[at - 1], place - NEARBY), place, min(ends[at + 1], place + NEARBY))
        for at, place in enumerate(kept, start=1)
    ]


def _moved(series: _Series, kept: list[int]) -> list[int]:
    """Every place where it is most likely between its neighbours."""
    for _ in range(MOST_MOVES):
        before = kept
        kept = sorted({series.likely(low, high)[1] for low, _, high in _sides(kept, len(series.values))})
        if kept == before:
            break
    return kept


class _Series:
    """A series whose parts are looked at again and again, as proposals between them fall; none is computed twice."""

    def __init__(self, values: Floats, starts: Places, noise: float) -> None:
        self.values, self.starts, self.noise = values, starts, noise
        self._likely: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._judged: dict[tuple[int, int, int], ChangePoint] = {}

    def likely(self, low: int, high: int) -> tuple[int, int, int]:
        """The earliest, the most likely and the latest place of one change among runs: 95 % of the likelihood."""
        if (low, high) not in self._likely:
            self._likely[low, high] = self._find(low, high)
        return self._likely[low, high]

    def judged(self, low: int, place: int, high: int) -> ChangePoint:
        """A change at a place, from the runs between two others."""
        if (low, place, high) not in self._judged:
            self._judged[low, place, high] = self._judge(low, place, high)
        return self._judged[low, place, high]

    def is_step(self, point: ChangePoint, low: int, high: int) -> bool:
        """Whether the shift is there at once, and does not come with a slope."""
        before = self.values[max(low, point.run - NEAREST) : point.run]
        after = self.values[point.run : min(high, point.run + NEAREST)]
        near = log(shift_between(before, after).estimate)
        return near / log(point.shift.estimate) >= LEFT_OF_A_STEP

    def _find(self, low: int, high: int) -> tuple[int, int, int]:
        first, last = np.searchsorted(self.starts, [low, high], side="left")
        possible = self.starts[first:last][self.starts[first:last] > low]
        own = self.values[low:high]
        losses = np.array([self._loss(own[: start - low]) + self._loss(own[start - low :]) for start in possible])
        likelihood = np.exp((losses.min() - losses) / 2)
        order = np.argsort(-likelihood, kind="stable")
        enough = int(np.searchsorted(np.cumsum(likelihood[order]), CONFIDENCE * likelihood.sum())) + 1
        within = possible[order[:enough]]
        return int(within.min()), int(within[0]), int(within.max())

    def _loss(self, values: Floats) -> float:
        apart = (values - np.median(values)) / self.noise
        return float(np.minimum(apart**2, CLIPPED**2).sum())

    def _judge(self, low: int, place: int, high: int) -> ChangePoint:
        before, after = self.values[low:place], self.values[place:high]
        method = "exact" if min(len(before), len(after)) <= EXACT_RANKS else "asymptotic"
        p_value = float(scipy.stats.mannwhitneyu(before, after, method=method).pvalue)
        earliest, _, latest = self.likely(low, high)
        return ChangePoint(place, min(earliest, place), max(latest, place), shift_between(before, after), p_value)


def shift_between(before: Floats, after: Floats) -> Interval:
    """How many times as large the values after are (Hodges & Lehmann, Ann. Math. Stat. 1963), from logarithms.

    The limits are those shifts that the rank-sum test does not refuse at 5 %, by its normal approximation.
    """
    differences = np.sort((after[:, None] - before[None, :]).ravel())
    count = len(differences)
    deviation = sqrt(count * (len(before) + len(after) + 1) / 12)
    outside = max(0, floor(count / 2 - float(scipy.special.ndtri((1 + CONFIDENCE) / 2)) * deviation))
    low, estimate, high = np.exp([differences[outside], np.median(differences), differences[count - 1 - outside]])
    return Interval(float(low), float(estimate), float(high))
