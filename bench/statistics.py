"""Intervals and tests on launches. Free of torch; every method names its source.

The unit of inference is the launch, a fresh process: repetition belongs at the level with the most variance (Kalibera &
Jones, ISMM 2013), and rounds within one process agree far better than processes do. Latencies are compared as
logarithms, so that intervals are ratios and cannot reach below zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A point estimate and its confidence limits."""

    low: float
    estimate: float
    high: float

    @property
    def relative_half_width(self) -> float:
        """Half the interval's width as a share of the estimate, on the logarithmic scale: 0.02 is ±2 %."""
        return float(np.sqrt(self.high / self.low) - 1)


@dataclass(frozen=True)
class Comparison:
    """How many times longer A takes than B, as an interval, and the two-sided p-value of "equally long"."""

    ratio: Interval
    p_value: float


def latency_interval(launch_medians: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Student's t interval of the mean log latency over launches; None for fewer than two launches.

    Args:
        launch_medians: one median latency for each launch, any unit, all above zero.
        confidence: coverage of the interval.
    """
    if len(launch_medians) < 2:
        return None
    return _t_interval(np.log(launch_medians), confidence)


def compare_latencies(a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE) -> Comparison | None:
    """Welch's t-test of the log latencies of A's and B's launches (Welch, Biometrika 1947).

    None below two launches on either side.
    """
    if min(len(a), len(b)) < 2:
        return None
    log_a, log_b = np.log(a), np.log(b)
    difference = float(log_a.mean() - log_b.mean())
    if np.ptp(log_a) == 0 and np.ptp(log_b) == 0:
        ratio = float(np.exp(difference))
        return Comparison(Interval(ratio, ratio, ratio), 1.0 if difference == 0 else 0.0)
    test = stats.ttest_ind(log_a, log_b, equal_var=False)
    low, high = test.confidence_interval(confidence)
    return Comparison(Interval(float(np.exp(low)), float(np.exp(difference)), float(np.exp(high))), float(test.pvalue))


def geometric_mean(values: Sequence[float]) -> float:
    """The mean that fits ratios."""
    return float(stats.gmean(values))


def _t_interval(logs: np.ndarray[tuple[int], np.dtype[np.float64]], confidence: float) -> Interval:
    mean = float(logs.mean())
    error = float(stats.sem(logs))
    half = float(stats.t.ppf((1 + confidence) / 2, len(logs) - 1)) * error
    return Interval(float(np.exp(mean - half)), float(np.exp(mean)), float(np.exp(mean + half)))
