"""Intervals and tests on launches. Free of torch; every method names its source.

The unit of inference is the launch, a fresh process: repetition belongs at the level with the most variance (Kalibera &
Jones, ISMM 2013), and rounds within one process agree far better than processes do. Latencies are compared as
logarithms, so that intervals are ratios and cannot reach below zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

# Its submodules load when they are first used: processes that only need a constant from here save a second. A report
# has tens of thousands of pairs, for which scipy.special takes a hundredth of what scipy.stats takes to say the same.
import scipy

CONFIDENCE = 0.95

POWER_RUNS = 4000
MOST_REACH = 20.0
"""Standard deviations; at that distance any number of values that can see a shift does."""


@dataclass(frozen=True)
class Interval:
    """A point estimate and its confidence limits."""

    low: float
    estimate: float
    high: float

    @property
    def relative_half_width(self) -> float:
        """Half the interval's width as a share of the estimate, on the logarithmic scale: 0.02 is ±2 %."""
        return float(np.sqrt(self.high / self.low) - 1) if self.low else math.inf


@dataclass(frozen=True)
class Comparison:
    """How many times longer A takes than B, as an interval, and the two-sided p-value of "equally long"."""

    ratio: Interval
    p_value: float


@dataclass(frozen=True)
class Rate:
    """A share of successes with its 95 % interval (Wilson, JASA 1927)."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """Successes per trial."""
        return self.count / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share."""
        interval = scipy.stats.binomtest(self.count, self.of).proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)

    @property
    def text(self) -> str:
        """Such as ``98.0% (93.0% to 99.4%), 98 of 100``."""
        if not self.of:
            return "–"
        low, high = self.interval
        return f"{self.share:.1%} ({low:.1%} to {high:.1%}), {self.count} of {self.of}"


def launch_interval(launch_medians: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Student's t interval of the mean log latency over launches of one run; None for fewer than two launches.

    Args:
        launch_medians: one median latency for each launch, any unit, all above zero.
        confidence: coverage of the interval.
    """
    if len(launch_medians) < 2:
        return None
    logs = np.log(launch_medians)
    return _Estimate(float(logs.mean()), _standard_error(logs), len(logs) - 1, 0.0).interval(confidence)


def compare_levels(a: Mapping[str, float], b: Mapping[str, float], confidence: float = CONFIDENCE) -> Comparison | None:
    """Student's t of the differences of A's and B's levels, over the launches in which both were rivals.

    Whatever slows a launch as a whole is in both levels and drops out.

    Args:
        a: the log of A's time, relative to anything that is the same for all rivals, by launch.
        b: the same of B.
        confidence: coverage of the interval of the ratio.

    Returns:
        None below two shared launches.
    """
    differences = [a[launch] - b[launch] for launch in sorted(a.keys() & b.keys())]
    if len(differences) < 2:
        return None
    estimate = _Estimate(float(np.mean(differences)), _standard_error(differences), len(differences) - 1, 0.0)
    return Comparison(estimate.interval(confidence), estimate.p_value())


def compare_latencies(
    a: Sequence[float], b: Sequence[float], tolerance: float = 0.0, confidence: float = CONFIDENCE
) -> Comparison | None:
    """Welch's t-test of the log latencies of A's and B's launches (Welch, Biometrika 1947).

    Args:
        a: one median latency for each launch of A.
        b: one median latency for each launch of B.
        tolerance: by how much, as a share, a disturbance may have slowed all launches of either side alike, by
            anything from nothing to that: a rectangular distribution with the standard uncertainty tolerance/√12 (JCGM
            100:2008 "GUM", 4.3.7), whose part is added in quadrature for each side.
        confidence: coverage of the interval of the ratio.

    Returns:
        None below two launches on either side.
    """
    if min(len(a), len(b)) < 2:
        return None
    log_a, log_b = np.log(a), np.log(b)
    squares = _standard_error(log_a) ** 2, _standard_error(log_b) ** 2
    error = float(np.sqrt(sum(squares)))
    freedom = error**4 / (squares[0] ** 2 / (len(a) - 1) + squares[1] ** 2 / (len(b) - 1)) if error else np.inf
    estimate = _Estimate(float(log_a.mean() - log_b.mean()), error, float(freedom), tolerance * np.sqrt(2 / 12))
    return Comparison(estimate.interval(confidence), estimate.p_value())


def signed_rank_p(values: Sequence[float], centre: float) -> float:
    """One-sided p-value of "the values are symmetric about a point no higher than ``centre``".

    The signed-rank test (Wilcoxon, Biometrics Bulletin 1945) assumes no distribution, and one wild launch is one rank.
    It is exact where reference and candidate could change places, as they can for identical code.
    """
    differences = np.asarray(values) - centre
    if not differences.any():
        return 1.0
    return float(scipy.stats.wilcoxon(differences, alternative="greater", method="exact").pvalue)


def signed_rank_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """The centre of the values and its limits, by inverting :func:`signed_rank_p` on both sides.

    The estimate is the median of the Walsh averages (Hodges & Lehmann, Ann. Math. Stat. 1963), the limits are two of
    them (Bauer, JASA 1972).

    Returns:
        None where so few values cannot give the confidence: below six for 95 %.
    """
    tail = (1 - confidence) / 2
    if not values or 2.0 ** -len(values) > tail:
        return None
    array = np.asarray(values)
    first, second = np.triu_indices(len(array))
    averages = np.sort((array[first] + array[second]) / 2)
    outside = int(np.searchsorted(_signed_rank_distribution(len(array)), tail, side="right"))
    return Interval(float(averages[outside - 1]), float(np.median(averages)), float(averages[-outside]))


@cache
def _signed_rank_distribution(count: int) -> npt.NDArray[np.float64]:
    """Probability that the ranks of one sign add up to at most 0, 1, 2, …: each rank counts or does not."""
    ways = np.ones(1)
    for rank in range(1, count + 1):
        ways = np.convolve(ways, [1, *[0] * (rank - 1), 1])
    return np.asarray(np.cumsum(ways) / 2.0**count)


@cache
def signed_rank_reach(count: int, level: float, fresh: int, fresh_level: float, power: float = 0.8) -> float:
    """How far, in standard deviations, normal values must be shifted for the signed-rank test to see it.

    The test must be passed by all ``count`` values at ``level`` and by the last ``fresh`` of them at ``fresh_level``.
    Found by simulation with a fixed seed, as the discrete test's power has no closed form.

    Returns:
        The shift that is seen with probability ``power``; infinity where so few values can never reach the level.
    """
    if max(2.0**-count / level, 2.0**-fresh / fresh_level) > 1:
        return float("inf")
    values = np.random.default_rng(0).normal(size=(POWER_RUNS, count))

    def seen(shift: float) -> float:
        shifted = values + shift
        both = _signed_rank_passes(shifted, level) & _signed_rank_passes(shifted[:, -fresh:], fresh_level)
        return float(both.mean()) - power

    return float(scipy.optimize.bisect(seen, 0.0, MOST_REACH, xtol=1e-3))


def _signed_rank_passes(rows: npt.NDArray[np.float64], level: float) -> npt.NDArray[np.bool_]:
    """Whether each row's one-sided p-value of being centred at 0 is no higher than ``level``."""
    ranks = scipy.stats.rankdata(np.abs(rows), axis=1)
    against = np.where(rows < 0, ranks, 0).sum(axis=1).astype(int)
    return np.asarray(_signed_rank_distribution(rows.shape[1])[against] <= level)


def geometric_mean(values: Sequence[float]) -> float:
    """The mean that fits ratios."""
    return float(scipy.stats.gmean(values))


@dataclass(frozen=True)
class _Estimate:
    """A logarithm, its standard error with the degrees of freedom, and a known uncertainty that adds in quadrature."""

    value: float
    error: float
    freedom: float
    systematic: float

    def interval(self, confidence: float) -> Interval:
        """Limits of the value, back from logarithms."""
        tail = (1 + confidence) / 2
        from_launches = _t_quantile(tail, self.freedom) * self.error
        half = math.hypot(from_launches, float(scipy.special.ndtri(tail)) * self.systematic)
        # Two values may lie so far apart that nothing is known.
        with np.errstate(over="ignore", under="ignore"):
            low, estimate, high = np.exp([self.value - half, self.value, self.value + half])
        return Interval(float(low), float(estimate), float(high))

    def p_value(self) -> float:
        """Two-sided, of a logarithm of 0, a ratio of 1."""
        error = math.hypot(self.error, self.systematic)
        if error == 0:
            return 1.0 if self.value == 0 else 0.0
        distance = -abs(self.value) / error
        known = self.freedom < np.inf
        return 2 * float(scipy.special.stdtr(self.freedom, distance) if known else scipy.special.ndtr(distance))


def _standard_error(values: Sequence[float] | npt.NDArray[np.float64]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


@cache
def _t_quantile(tail: float, freedom: float) -> float:
    return float(scipy.special.stdtrit(freedom, tail) if freedom < np.inf else scipy.special.ndtri(tail))
