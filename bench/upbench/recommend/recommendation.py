"""The answer to a question: the best upsampler, who follows, how sure that is, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upbench.recommend.estimate import Estimate, estimates
from upbench.recommend.lead import Lead, Leads
from upbench.recommend.measurements import Measurements, competitors, measurements
from upbench.recommend.quality_figures import QualityFigures, quality_figures
from upbench.recommend.question import Question
from upbench.recommend.ranking import Candidate, Change, changes, in_order, perhaps_better
from upbench.records.quality_run import QualityRun
from upbench.records.record import Run


@dataclass(frozen=True)
class Recommendation:
    """What the records say to a question.

    Attributes:
        question: that was asked.
        measured: the records that bear on it.
        quality: PSNRs, if any.
        candidates: in the order in which they were measured.
        ranked: those that keep the limits, the best first; those that may, if none does for sure.
        leads: of the best one over the others of these, in their order.
        changes: what would change the answer.
        perhaps_better: those that may keep the limits and would then be better.
        unknown: those of which the records do not say enough, without those that are known not to do it at all.
    """

    question: Question
    measured: Measurements
    quality: QualityFigures | None
    candidates: tuple[Candidate, ...]
    ranked: tuple[Candidate, ...]
    leads: tuple[Lead, ...]
    changes: tuple[Change, ...]
    perhaps_better: tuple[Candidate, ...]
    unknown: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate | None:
        """The answer, if there is one."""
        return self.ranked[0] if self.ranked else None

    @property
    def sure(self) -> bool:
        """Whether it keeps the limits for sure."""
        return self.best is not None and self.best.verdict(self.question.objective, self.question.limits) == "fits"

    @property
    def alike(self) -> tuple[Candidate, ...]:
        """Those that the best one does not surely lead."""
        return tuple(each for each, lead in zip(self.ranked[1:], self.leads, strict=True) if not lead.certain)

    @property
    def answered(self) -> bool:
        """Whether the question is settled: by an upsampler, or as all are known and none keeps the limits."""
        return self.best is not None or not self.unknown

    @property
    def quality_is_missing(self) -> bool:
        """Whether PSNR was asked for, and no candidate has one."""
        asked = (self.question.objective, *self.question.limits)
        return "psnr" in asked and not any(each.estimate("psnr") for each in self.candidates)


def recommend(runs: Sequence[Run], quality: QualityRun | None, question: Question) -> Recommendation:
    """Answer a question from records.

    Args:
        runs: of one machine; see :func:`upbench.recommend.reading.read`.
        quality: records of quality, if any.
        question: what is asked.
    """
    measured = measurements(runs, question.surroundings)
    figures = quality_figures(quality) if quality else None
    objective, limits = question.objective, question.limits
    candidates = tuple(
        Candidate(name, estimates(measured, figures, name, question.cell))
        for name in measured.names or competitors(runs)
    )
    ranked = in_order(candidates, objective, limits)
    best = ranked[0] if ranked else None
    leads = Leads(measured, figures, question.cell)
    unknown = [each for each in candidates if each.verdict(objective, limits) == "unknown"]
    return Recommendation(
        question=question,
        measured=measured,
        quality=figures,
        candidates=candidates,
        ranked=tuple(ranked),
        leads=tuple(
            leads.lead(objective, *(_named(each, question) for each in (ranked[0], each))) for each in ranked[1:]
        ),
        changes=tuple(changes(candidates, best, objective, limits)) if best else (),
        perhaps_better=tuple(perhaps_better(candidates, best, objective, limits)) if best else (),
        unknown=tuple(each for each in unknown if each.lacks(objective, limits) != "unsupported"),
    )


def _named(candidate: Candidate, question: Question) -> tuple[str, Estimate]:
    found = candidate.estimate(question.objective)
    assert found is not None
    return candidate.name, found
