"""A recommendation in words: the answer first, then what it rests on, what would change it, and what to measure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from upbench.recommend import sentences
from upbench.recommend.estimate import Estimate, Reason
from upbench.recommend.figures import digits, text, with_interval
from upbench.recommend.lead import Lead
from upbench.recommend.quantities import OBJECTIVES, QUANTITIES, Objective
from upbench.recommend.question import command_to_measure
from upbench.recommend.ranking import Candidate, Change
from upbench.recommend.recommendation import Recommendation
from upbench.wording import Message

TO_MEASURE: tuple[Reason, ...] = ("outside", "no error", "not measured", "unstable")
"""What measuring the case itself would mend."""

QUALITY_COMMAND = "upbench quality --train --output quality.json"


@dataclass(frozen=True)
class Advice:
    """What is said.

    Attributes:
        answer: sentences, the most important first.
        changes: what would change the answer, each a sentence.
        commands: what could be measured, each with what it would tell.
        notes: how sure the figures are and what they are of.
    """

    answer: tuple[Message, ...]
    changes: tuple[Message, ...]
    commands: tuple[tuple[Message, str], ...]
    notes: tuple[Message, ...]


def advise(found: Recommendation) -> Advice:
    """Put a recommendation into words."""
    return Advice(
        answer=tuple(_answer(found)),
        changes=tuple(_changes(found)),
        commands=tuple(_commands(found)),
        notes=tuple(_notes(found)),
    )


def table(found: Recommendation) -> tuple[list[Message], list[list[Message | str]]]:
    """Headings, and a row for each upsampler of which anything is known, the best first."""
    objective, limits = found.question.objective, found.question.limits
    headings = [sentences.upsampler(), *map(sentences.quantity, OBJECTIVES)]
    ranked = {each.name: rank for rank, each in enumerate(found.ranked)}
    known = [each for each in found.candidates if any(each.estimate(quantity) for quantity in OBJECTIVES)]
    rows: list[list[Message | str]] = []
    for each in sorted(known, key=lambda each: ranked.get(each.name, len(ranked))):
        figures = (each.estimate(quantity) for quantity in OBJECTIVES)
        told = (with_interval(q, own.interval) if own else "–" for q, own in zip(OBJECTIVES, figures, strict=True))
        rows.append([_name(found, each.name), *told])
        if limits:
            rows[-1].append(sentences.fits(each.verdict(objective, limits)))
    return [*headings, sentences.keeps_the_limits()] if limits else headings, rows


def _answer(found: Recommendation) -> Iterable[Message]:
    objective, limits, best = found.question.objective, found.question.limits, found.best
    if best is None:
        if found.unknown:
            some_known = any(each.verdict(objective, limits) == "does not fit" for each in found.candidates)
            yield sentences.none_known_fits() if some_known else sentences.cannot_answer()
        else:
            yield sentences.none_fits()
        return
    estimate = _estimate(best, objective)
    how = sentences.measured() if estimate.measured else sentences.interpolated()
    said = sentences.answer_within_limits if found.sure else sentences.answer_maybe_within_limits
    said = said if limits else sentences.answer
    yield said(_name(found, best.name), sentences.best_by(objective), with_interval(objective, estimate.interval), how)
    if len(found.ranked) == 1:
        yield sentences.no_runner_up()
        return
    yield _runner_up(found, found.ranked[1], found.leads[0])
    if found.alike:
        yield sentences.alike(_names(found, found.alike))


def _runner_up(found: Recommendation, second: Candidate, lead: Lead) -> Message:
    objective = found.question.objective
    name, figure = _name(found, second.name), with_interval(objective, _estimate(second, objective).interval)
    if lead.size is None or second.costs(objective) == found.ranked[0].costs(objective):
        return sentences.equal(name, figure)
    said = sentences.runner_up_surely if lead.certain else sentences.runner_up_maybe
    return said(name, figure, size_of(objective, lead.size))


def size_of(objective: Objective, size: float) -> Message:
    """A lead's size."""
    if objective == "psnr":
        return sentences.decibels_less(digits("latency", size))
    return sentences.times_as_much(digits("latency", size))


def _changes(found: Recommendation) -> Iterable[Message]:
    if found.best is None:
        return
    objective = found.question.objective
    for each in found.perhaps_better:
        figure = with_interval(objective, _estimate(each, objective).interval)
        yield sentences.might_be_better(_name(found, each.name), figure)
    for change in found.changes:
        yield _change(found, found.best, change)
    if not found.changes and not found.perhaps_better:
        yield sentences.nothing_changes()


def _change(found: Recommendation, best: Candidate, change: Change) -> Message:
    quantity, other = sentences.quantity(change.of), _name(found, change.name)
    if change.bound is None:
        candidate = next(each for each in found.candidates if each.name == change.name)
        figure = with_interval(change.of, _estimate(candidate, change.of).interval)
        return sentences.other_objective(quantity, other, figure)
    bound = text(change.of, change.bound)
    if change.kind in ("looser", "sure"):
        return (sentences.looser_limit if change.kind == "looser" else sentences.sure_limit)(quantity, bound, other)
    said = sentences.higher_limit if change.of == "psnr" else sentences.tighter_limit
    return said(quantity, bound, _name(found, best.name), other)


def _commands(found: Recommendation) -> Iterable[tuple[Message, str]]:
    question = found.question
    if found.quality_is_missing:
        yield sentences.quality_needed(), QUALITY_COMMAND
    lacking = _lacking(found)
    to_measure = [each.name for reason, own in lacking.items() if reason in TO_MEASURE for each in own]
    if to_measure:
        yield sentences.to_measure(), command_to_measure(to_measure, question.cell)
    contested = [] if found.best is None else [found.best, *found.alike]
    unsettled = [each for each in contested if not _estimate(each, question.objective).measured]
    if found.alike and unsettled and question.objective in QUANTITIES:
        names = [each.name for each in contested]
        yield sentences.measuring_would_settle_it(), command_to_measure(names, question.cell)


def _notes(found: Recommendation) -> Iterable[Message]:
    for reason, own in _lacking(found).items():
        yield sentences.names_and_why(_names(found, own), sentences.why(reason))
    interpolated = False
    for quantity in QUANTITIES:
        estimate = found.best and found.best.estimate(quantity)
        if estimate and estimate.error:
            interpolated = True
            factor, cases = f"{estimate.factor:.3f}", str(estimate.error.cases)
            yield sentences.error_of(sentences.quantity(quantity), factor, cases)
    if interpolated:
        yield sentences.only_pixels()
    if found.measured.points:
        yield sentences.quiet_latency() if found.measured.side_by_side else sentences.busy_latency()
    if found.measured.not_side_by_side:
        yield sentences.not_side_by_side(str(found.measured.not_side_by_side))
    if found.quality is not None and any(each.estimate("psnr") for each in found.candidates):
        yield sentences.about_quality(str(found.quality.photographs), str(found.quality.seeds))


def _lacking(found: Recommendation) -> dict[Reason, list[Candidate]]:
    """The upsamplers of which something that decides is not known, by why."""
    objective, limits = found.question.objective, found.question.limits
    lacking: dict[Reason, list[Candidate]] = {}
    for each in found.candidates:
        reason = each.lacks(objective, limits)
        if reason is not None and each.verdict(objective, limits) == "unknown":
            lacking.setdefault(reason, []).append(each)
    return lacking


def _estimate(candidate: Candidate, objective: Objective) -> Estimate:
    found = candidate.estimate(objective)
    assert found is not None, objective
    return found


def _name(found: Recommendation, name: str) -> Message | str:
    usual = found.measured.usual.get(name, name)
    return name if usual == name else sentences.form_of(name, usual)


def _names(found: Recommendation, candidates: Sequence[Candidate]) -> str:
    return ", ".join(each.name for each in candidates)
