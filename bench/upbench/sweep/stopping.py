"""When a case has been measured enough: stop rules, asked in turn, the first that answers says why."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from upbench.records.statistics import launch_interval

Reason = Literal["precision", "budget", "time limit"]

FEWEST_LAUNCHES = 3
"""Below this an interval over launches says next to nothing, however little time there is."""


@dataclass(frozen=True)
class Progress:
    """What is known of a case.

    Attributes:
        launch_medians: median latency of each launch that counts.
        launches: how many were made, also those that do not count.
        spent_s: seconds that they took altogether.
        sweep_s: seconds since the whole sweep began.
    """

    launch_medians: Sequence[float]
    launches: int
    spent_s: float
    sweep_s: float = 0.0


class StopRule(ABC):
    """Decides on the launches so far."""

    reason: Reason

    @abstractmethod
    def satisfied(self, progress: Progress) -> bool:
        """Whether this rule ends the measurement."""


@dataclass(frozen=True)
class Precise(StopRule):
    """Enough launches, and an interval over them no wider than ±``relative_half_width``."""

    relative_half_width: float
    least_launches: int
    reason: Reason = "precision"

    def satisfied(self, progress: Progress) -> bool:
        if len(progress.launch_medians) < self.least_launches:
            return False
        interval = launch_interval(progress.launch_medians)
        return interval is not None and interval.relative_half_width <= self.relative_half_width


@dataclass(frozen=True)
class Spent(StopRule):
    """At least ``least_launches``, and either the seconds or the number of launches used up."""

    budget_s: float
    least_launches: int
    most_launches: int
    reason: Reason = "budget"

    def satisfied(self, progress: Progress) -> bool:
        spent = progress.launches >= self.least_launches and progress.spent_s >= self.budget_s
        return spent or progress.launches >= self.most_launches


@dataclass(frozen=True)
class OutOfTime(StopRule):
    """The whole sweep has used up its time, and the case has the fewest launches that give an interval."""

    time_limit_s: float
    reason: Reason = "time limit"

    def satisfied(self, progress: Progress) -> bool:
        return progress.sweep_s >= self.time_limit_s and progress.launches >= FEWEST_LAUNCHES


def first_reason(rules: Sequence[StopRule], progress: Progress) -> Reason | None:
    """Return why to stop, or None to go on."""
    return next((rule.reason for rule in rules if rule.satisfied(progress)), None)
