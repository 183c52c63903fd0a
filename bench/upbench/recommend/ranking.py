"""Who keeps the limits, who is best, and what would change that. The report's page decides in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from upbench.recommend.estimate import Estimate, Estimates, Reason
from upbench.recommend.quantities import HIGHER_IS_BETTER, OBJECTIVES, Objective, cost
from upbench.records.statistics import Interval

Verdict = Literal["fits", "may fit", "does not fit", "unknown"]
Limits = Mapping[Objective, float]

LIMITED: tuple[Objective, ...] = ("latency", "memory", "psnr")
"""What a limit can be given of."""


@dataclass(frozen=True)
class Candidate:
    """One upsampler in the case that is asked about."""

    name: str
    estimates: Estimates

    def estimate(self, objective: Objective) -> Estimate | None:
        """What can be stated of it, if anything."""
        found = self.estimates[objective]
        return found if isinstance(found, Estimate) else None

    def costs(self, objective: Objective) -> Interval:
        """Of a quantity that is known: an interval of which the lower is the better."""
        found = self.estimate(objective)
        assert found is not None, objective
        return cost(objective, found.interval)

    def verdict(self, objective: Objective, limits: Limits) -> Verdict:
        """Whether it keeps the limits, and is known by what decides."""
        known = {quantity for quantity in (objective, *limits) if self.estimate(quantity) is not None}
        most = {quantity: limit_cost(quantity, limit) for quantity, limit in limits.items() if quantity in known}
        if any(self.costs(quantity).low > limit for quantity, limit in most.items()):
            return "does not fit"
        if not known.issuperset((objective, *limits)):
            return "unknown"
        kept = all(self.costs(quantity).high <= limit for quantity, limit in most.items())
        return "fits" if kept else "may fit"

    def lacks(self, objective: Objective, limits: Limits) -> Reason | None:
        """Why it is unknown, by the first of what decides that is."""
        found = (self.estimates[quantity] for quantity in (objective, *limits))
        return next((each for each in found if not isinstance(each, Estimate)), None)


@dataclass(frozen=True)
class Change:
    """What would make another upsampler the answer, or this one certain.

    Attributes:
        kind: a limit that rules the best one out, one that it keeps for sure, one that lets a better one in, or another
            objective.
        of: which quantity.
        bound: the limit; None for an objective.
        name: of the other upsampler.
    """

    kind: Literal["tighter", "sure", "looser", "objective"]
    of: Objective
    bound: float | None
    name: str


def limit_cost(objective: Objective, limit: float) -> float:
    """A limit as what a cost may be at most."""
    return -limit if objective in HIGHER_IS_BETTER else limit


def in_order(candidates: Sequence[Candidate], objective: Objective, limits: Limits) -> list[Candidate]:
    """Those that surely keep the limits from the best on, or, if there are none, those that may."""
    for wanted in ("fits", "may fit"):
        if found := [each for each in candidates if each.verdict(objective, limits) == wanted]:
            return sorted(found, key=lambda each: each.costs(objective).estimate)
    return []


def perhaps_better(
    candidates: Sequence[Candidate], best: Candidate, objective: Objective, limits: Limits
) -> list[Candidate]:
    """Those that may keep the limits and would be better than the best one, which surely does."""
    if best.verdict(objective, limits) != "fits":
        return []
    unsure = [each for each in candidates if each.verdict(objective, limits) == "may fit"]
    return [each for each in unsure if each.costs(objective).estimate < best.costs(objective).estimate]


def changes(candidates: Sequence[Candidate], best: Candidate, objective: Objective, limits: Limits) -> list[Change]:
    """What would change the answer: a tighter limit, a looser one, another objective; the others stay as they are.

    Where the best one keeps the limits for sure, so does who would follow it.
    """
    sure = best.verdict(objective, limits) == "fits"

    def first(among: Sequence[Candidate], by: Objective, kept: Limits) -> Candidate | None:
        found = in_order(among, by, kept)
        return found[0] if found and (not sure or found[0].verdict(by, kept) == "fits") else None

    found = []
    for quantity in LIMITED:
        if quantity != objective and best.estimate(quantity) is not None:
            bound = best.costs(quantity).high
            below = [each for each in candidates if each.estimate(quantity) and each.costs(quantity).high < bound]
            if following := first(below, objective, limits):
                found.append(Change("tighter", quantity, abs(bound), following.name))
    for quantity, limit in limits.items():
        if best.costs(quantity).high > limit_cost(quantity, limit):
            found.append(Change("sure", quantity, abs(best.costs(quantity).high), best.name))
        others = {each: other for each, other in limits.items() if each != quantity}
        freed = first([each for each in candidates if each.estimate(quantity)], objective, others)
        if freed and freed.costs(objective).estimate < best.costs(objective).estimate:
            found.append(Change("looser", quantity, abs(freed.costs(quantity).high), freed.name))
    for other in OBJECTIVES:
        instead = first(candidates, other, limits) if other != objective else None
        if instead and not _as_good(best, instead, other):
            found.append(Change("objective", other, None, instead.name))
    return found


def _as_good(best: Candidate, other: Candidate, objective: Objective) -> bool:
    """Whether the best one by one objective is by another too, alone or with others."""
    own = best.estimate(objective)
    return own is not None and best.costs(objective).estimate <= other.costs(objective).estimate
