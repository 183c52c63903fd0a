"""What the launches of one benchmark say of its time, and when that is enough: the gate's statistics. No processes.

A launch, a fresh pair of processes, gives one log-ratio of the candidate's time to the reference's. A series of them is
*clear* once a slowdown of the target is ruled out, *slower* once it is certain, family-wise, that the ratio exceeds the
tolerance: by all launches together, and by those alone that were made after it had become a suspect. Everything else is
open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import numpy as np

from upbench.records.comparison import EXACT
from upbench.records.statistics import Interval, signed_rank_interval, signed_rank_p, signed_rank_reach

Standing = Literal["clear", "slower", "open"]

SCREENING = 6
"""Launches of every benchmark; the fewest that can rule anything out at 95 %."""

ROUND = 3
"""Fresh launches of those that are still open between one look at them and the next."""

CONFIRMING = 6
"""Fresh launches that a suspect needs at least before it is called slower; the fewest that can confirm it at 95 %."""

LEVEL = 0.05
"""Of the whole family of benchmarks for "slower", of each alone for everything else."""

ALONE = 0.02
"""Level at which a control that differs, or an improvement, is reported; six launches can reach it."""


@dataclass(frozen=True)
class Rule:
    """What counts as slower.

    Attributes:
        tolerance: a slowdown that is of no interest even where it is certain, as a share of the reference's time.
        target: a slowdown that the gate goes on measuring for until it is found or ruled out.
        exact: keys of ``extra_info`` to compare exactly.
        allow_new: whether a benchmark that fails on the reference's side alone is new rather than an error.
    """

    tolerance: float = 0.01
    target: float = 0.03
    exact: tuple[str, ...] = EXACT
    allow_new: bool = False

    @property
    def log_tolerance(self) -> float:
        """The tolerance as a log-ratio."""
        return float(np.log1p(self.tolerance))

    @property
    def log_target(self) -> float:
        """The target as a log-ratio."""
        return float(np.log1p(self.target))


@dataclass
class Series:
    """Log-ratios of the candidate's time to the reference's, by launch, of one benchmark or of a pool of them."""

    by_launch: dict[int, float] = field(default_factory=dict)

    @property
    def values(self) -> list[float]:
        """All launches, in order."""
        return [self.by_launch[launch] for launch in sorted(self.by_launch)]

    @property
    def fresh(self) -> list[float]:
        """Those made after the screening, so after it was known that there was something to look for."""
        return self.values[SCREENING:]

    def standing(self, rule: Rule, family: int) -> Standing:
        """Where the series stands.

        The k-th look at which it may be called slower has 1/(k(k+1)) of the family's level, which all looks together
        use up (Bonferroni over looks and over the ``family``).
        """
        values = self.values
        if len(values) < SCREENING:
            return "open"
        look = 1 + (len(self.fresh) - CONFIRMING) // ROUND
        confirmed = look >= 1 and signed_rank_p(self.fresh, rule.log_tolerance) <= LEVEL
        if confirmed and signed_rank_p(values, rule.log_tolerance) <= _level(look, family):
            return "slower"
        ruled_out = signed_rank_p([-value for value in values], -rule.log_target) <= LEVEL
        return "clear" if ruled_out else "open"

    def differs(self, rule: Rule, sign: int) -> bool:
        """Whether, taken alone, it is slower (sign 1) or faster (-1) than the tolerance allows."""
        return len(self.values) >= SCREENING and (
            signed_rank_p([sign * value for value in self.values], rule.log_tolerance) <= ALONE
        )

    def is_suspect(self, rule: Rule) -> bool:
        """Whether, taken alone, it looks slower."""
        return signed_rank_p(self.values, rule.log_tolerance) <= LEVEL

    @property
    def ratio(self) -> Interval | None:
        """Estimate and 95 % interval of the ratio, not corrected for the family."""
        interval = signed_rank_interval(self.values)
        return interval and Interval(*(float(np.exp(v)) for v in (interval.low, interval.estimate, interval.high)))

    def detectable(self, rule: Rule, family: int) -> float | None:
        """The smallest slowdown that would have been called slower in 8 of 10 runs, at the first look that may say so.

        It rests on how far the launches of this series differ. In a large family the first looks may say nothing, as
        no twelve launches could reach their level.
        """
        values = self.values
        if len(values) < SCREENING:
            return None
        looks = ((CONFIRMING + ROUND * (look - 1), _level(look, family)) for look in count(1))
        fresh, level = next((fresh, level) for fresh, level in looks if 2.0 ** -(SCREENING + fresh) <= level)
        reach = signed_rank_reach(SCREENING + fresh, level, fresh, LEVEL)
        return float(np.expm1(rule.log_tolerance + reach * float(np.std(values, ddof=1))))


def _level(look: int, family: int) -> float:
    """What the k-th look may use of the family's level; all looks together use it up."""
    return LEVEL / (look * (look + 1)) / family
