"""Whether one upsampler is surely better than another, and by how much.

Where both were measured they are compared within what they share: the launches in which they ran side by side, or the
seeds with which they were trained, at 5 % divided between the rivals (Bonferroni). Else their intervals must not meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

from upbench.cases.case import Case, Cell
from upbench.recommend.estimate import Estimate
from upbench.recommend.measurements import Measurements
from upbench.recommend.quality_figures import QualityFigures
from upbench.recommend.quantities import Objective, cost
from upbench.records.statistics import CONFIDENCE, compare_levels


@dataclass(frozen=True)
class Lead:
    """Of a better upsampler over a worse.

    Attributes:
        size: how many times as much the worse takes, or by how many dB it is below; None where that has no meaning.
        certain: whether it is one for sure.
    """

    size: float | None
    certain: bool


@dataclass(frozen=True)
class Leads:
    """What leads are told from.

    Attributes:
        measured: the records.
        quality: the PSNRs, if any.
        cell: in which the upsamplers are compared.
    """

    measured: Measurements
    quality: QualityFigures | None
    cell: Cell

    def lead(self, objective: Objective, better: tuple[str, Estimate], worse: tuple[str, Estimate]) -> Lead:
        """The lead of ``better`` over ``worse``, each a name and its estimate."""
        shared = self.shared(objective, better[0], worse[0])
        if shared is not None:
            return shared
        costs = [cost(objective, each.interval) for _, each in (better, worse)]
        certain = costs[0].high < costs[1].low
        if objective == "psnr":
            return Lead(costs[1].estimate - costs[0].estimate, certain)
        return Lead(costs[1].estimate / costs[0].estimate if costs[0].estimate else None, certain)

    def shared(self, objective: Objective, better: str, worse: str) -> Lead | None:
        """The lead by what both share; None if that is nothing."""
        own, other = self._levels(objective, better), self._levels(objective, worse)
        # Levels are logarithms of times, so the more the worse; of PSNR the ratio is the exponential of a difference.
        comparison = compare_levels(own, other) if objective == "psnr" else compare_levels(other, own)
        if comparison is None:
            return None
        level = (1 - CONFIDENCE) / max(1, self._rivals(objective))
        certain = comparison.ratio.low > 1 and comparison.p_value < level
        size = comparison.ratio.estimate
        return Lead(log(size) if objective == "psnr" else size, certain)

    def _levels(self, objective: Objective, name: str) -> Mapping[str, float]:
        """What is compared, by what it is shared by."""
        if objective == "psnr":
            usual = self.measured.usual.get(name, name)
            psnr = self.quality and self.quality.psnr(name, usual, self.cell.scale)
            return psnr.by_seed if psnr else {}
        record = self.measured.records.get(Case(name, self.cell))
        return record.levels if objective == "latency" and record is not None and record.outcome == "ok" else {}

    def _rivals(self, objective: Objective) -> int:
        if objective == "psnr":
            return self.quality.rivals(self.cell.scale) if self.quality else 0
        return sum(case.cell == self.cell and bool(each.levels) for case, each in self.measured.records.items()) - 1
