"""How the gate decides: from what was measured of a benchmark on both sides to one verdict. No processes, no torch.

An error, a difference or an exact quantity that grew condemns by itself; latency by its series
(:mod:`upbench.gate.series`), resident memory by more than its own repeatability.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Rational, Real
from typing import Any, Literal, TypeGuard

import numpy as np

from upbench.gate.observed import Closed, Observed, family_size, pooled, pools
from upbench.gate.series import Rule, Series
from upbench.records.statistics import Interval

Kind = Literal["error", "regression", "undecided", "improvement", "same", "new", "skipped"]
Outcome = Literal["pass", "regression", "error", "inconclusive"]

EXIT_CODES: dict[Outcome, int] = {"pass": 0, "regression": 1, "error": 1, "inconclusive": 3}

BLIND = 0.10
"""A gate that could not have seen a slowdown of this size in some benchmark does not call it the same."""


@dataclass(frozen=True)
class Verdict:
    """The gate's word on one benchmark or one pool.

    Attributes:
        name: node id, or what the pool has in common.
        kind: from worst to best as in :data:`Kind`.
        reasons: a clause for each kind of evidence that says something.
        ratio: the candidate's time to the reference's.
        detectable: the smallest slowdown that would have been found.
        launches: pairs of processes behind the ratio.
        call_s: median seconds of reference and candidate.
        pool: whether it is a pool.
        fails_without_latency: whether an error, an exact quantity or memory alone condemns it.
        unknown: whether something besides its latency could not be found out.
        broken: whether it fails on both sides, so that nothing is said about the difference between them.
    """

    name: str
    kind: Kind
    reasons: tuple[str, ...] = ()
    ratio: Interval | None = None
    detectable: float | None = None
    launches: int = 0
    call_s: tuple[float, float] | None = None
    pool: bool = False
    fails_without_latency: bool = False
    unknown: bool = False
    broken: bool = False


@dataclass(frozen=True)
class Decision:
    """The gate's word on all of it, in one sentence and in detail."""

    outcome: Outcome
    sentence: str
    verdicts: tuple[Verdict, ...]
    controls: tuple[Verdict, ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.outcome]

    @property
    def detectable(self) -> float | None:
        """The median over the benchmarks of the smallest slowdown that would have been found."""
        each = [verdict.detectable for verdict in self.verdicts if verdict.detectable is not None and not verdict.pool]
        return float(np.median(each)) if each else None


def decide(
    evidence: Sequence[Observed],
    controls: Mapping[str, Series],
    rule: Rule,
    judge_latency: bool = True,
    nothing_ran: str = "",
) -> Decision:
    """Judge every benchmark, every pool, and the whole.

    Args:
        evidence: of each benchmark that either side has.
        controls: series of the controls, in which nothing differs but the machine.
        rule: what counts as slower.
        judge_latency: whether latency decides, or is only reported.
        nothing_ran: a sentence on the code under test if none of it was run, which is then no pass.
    """
    family = family_size(evidence)
    verdicts = [_of_case(each, rule, family) for each in evidence]
    verdicts += [
        _of_latency(name, pooled(members), rule, family, pool=True) for name, members in pools(evidence).items()
    ]
    of_controls = tuple(replace(_of_latency(name, series, rule, 1), kind="same") for name, series in controls.items())
    contaminated = [name for name, series in controls.items() if series.differs(rule, 1) or series.differs(rule, -1)]
    outcome, sentence = _outcome(verdicts, contaminated, rule, judge_latency)
    if nothing_ran and outcome == "pass":
        outcome, sentence = "inconclusive", nothing_ran
    return Decision(outcome, sentence, tuple(verdicts), of_controls)


def _of_case(evidence: Observed, rule: Rule, family: int) -> Verdict:
    name = evidence.nodeid
    wrong = _errors(evidence)
    if wrong:
        reference_alone = evidence.endings[1].outcome == "passed" and evidence.endings[0].outcome != "passed"
        new = reference_alone and rule.allow_new
        broken = all(closed.outcome == "failed" for closed in evidence.endings)
        return Verdict(name, "new" if new else "error", wrong, fails_without_latency=not (new or broken), broken=broken)
    if excuses := tuple(closed.reason for closed in evidence.endings if closed.outcome == "unknown"):
        return Verdict(name, "undecided", excuses, unknown=True)
    if not evidence.runs:
        return Verdict(name, "skipped", (evidence.endings[1].reason,))
    verdict = _of_latency(name, evidence.latency, rule, family)
    worse, better = _other_changes(evidence, rule)
    unknown = tuple(_not_compared(evidence, rule.exact))
    kind = verdict.kind
    if worse:
        kind = "regression"
    elif unknown and kind != "regression":
        kind = "undecided"
    elif better and kind == "same":
        kind = "improvement"
    call_s = tuple(float(np.median(side)) for side in zip(*evidence.call_s, strict=True)) if evidence.call_s else None
    return replace(
        verdict,
        kind=kind,
        reasons=(*verdict.reasons, *worse, *unknown, *better),
        call_s=None if call_s is None else (call_s[0], call_s[1]),
        fails_without_latency=bool(worse),
        unknown=bool(unknown),
    )


def _errors(evidence: Observed) -> tuple[str, ...]:
    """What makes the benchmark fail whatever its time: an error, or that one side does not have it."""
    reference, candidate = evidence.endings
    if reference.outcome == candidate.outcome == "skipped":
        return ()
    if reference.outcome == candidate.outcome == "failed" and reference.in_short == candidate.in_short:
        return (f"failed on both sides: {reference.in_short}",)
    wrong = []
    for side, closed in (("reference", reference), ("candidate", candidate)):
        if closed.outcome == "failed":
            wrong.append(f"failed on the {side} side: {closed.in_short}")
        elif closed.outcome == "skipped":
            wrong.append(f"skipped on the {side} side alone: {closed.reason}")
        elif closed.outcome == "missing":
            wrong.append(f"missing on the {side} side")
    return (*wrong, *_different_results(evidence))


def _different_results(evidence: Observed) -> tuple[str, ...]:
    """Whether the benchmarked function returns something else, where the suite says how far it may."""
    if evidence.examined is None or not evidence.runs:
        return ()
    reference, candidate = evidence.examined
    rtol = candidate.extra_info.get("result_rtol")
    if not _is_number(rtol) or reference.result is candidate.result is None:
        return ()
    if reference.result is None or candidate.result is None:
        return ("the output is too large to compare on one side alone",)
    if reference.result.shape != candidate.result.shape:
        return (f"the output has shape {candidate.result.shape}, the reference's {reference.result.shape}",)
    scale = float(np.abs(reference.result).max(initial=0.0, where=np.isfinite(reference.result))) or 1.0
    # What is not a number on both sides does not differ, nor does the same infinity.
    same = np.isclose(reference.result, candidate.result, rtol=0, atol=0, equal_nan=True)
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(candidate.result - reference.result))
    difference = float(apart.max(initial=0.0)) / scale
    if not difference <= float(rtol):
        return (f"the output differs by {difference:.1e} of its largest value, allowed {float(rtol):.0e}",)
    return ()


def _of_latency(name: str, series: Series, rule: Rule, family: int, pool: bool = False) -> Verdict:
    standing = series.standing(rule, family)
    ratio, detectable = series.ratio, series.detectable(rule, family)
    kind: Kind = "same"
    reasons: tuple[str, ...] = ()
    if ratio is None:
        return Verdict(name, "undecided", ("too few launches",), launches=len(series.values), pool=pool)
    if standing == "slower":
        kind, reasons = "regression", (f"slower: {ratio.estimate:.3f} times the reference's time",)
    elif standing == "open" and series.is_suspect(rule):
        kind, reasons = "undecided", ("looks slower, not certain within the budget",)
    elif standing == "open" and detectable is not None and detectable > BLIND:
        kind, reasons = "undecided", (f"too noisy: a slowdown below {detectable:.0%} would not have been seen",)
    elif series.differs(rule, -1):
        kind, reasons = "improvement", (f"faster: {ratio.estimate:.3f} times the reference's time",)
    return Verdict(name, kind, reasons, ratio, detectable, len(series.values), pool=pool)


def _other_changes(evidence: Observed, rule: Rule) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Clauses on exact quantities and on resident memory: what got worse, and what got better."""
    worse: list[str] = []
    better: list[str] = []
    reference, candidate = evidence.examined or (Closed("passed"), Closed("passed"))
    for key, change, is_worse in exact_changes(reference.extra_info, candidate.extra_info, rule.exact):
        (worse if is_worse else better).append(f"{key}: {change}")
    growth = evidence.memory_growth
    if growth:
        change = f"resident peak: {max(evidence.peaks[0]) / 2**20:.1f} → {max(evidence.peaks[1]) / 2**20:.1f} MiB"
        (worse if growth > 0 else better).append(change)
    return tuple(worse), tuple(better)


def _not_compared(evidence: Observed, keys: Sequence[str]) -> Iterator[str]:
    """Clauses on exact quantities that are no numbers and no texts, or no finite ones."""
    if evidence.examined is None:
        return
    candidate = evidence.examined[1]
    rtol = {**candidate.not_compared, **candidate.extra_info}.get("result_rtol")
    if rtol is not None:
        if not _is_number(rtol):
            yield f"the output cannot be compared: result_rtol is no number but {rtol!r}"
        elif all(closed.result is None for closed in evidence.examined):
            yield "the output cannot be compared: it is no array, or a very large one"
    for key in keys:
        for closed in evidence.examined:
            value = closed.extra_info.get(key)
            what = closed.not_compared.get(key) or (None if value is None or _is_finite(value) else value)
            if what is not None:
                yield f"{key} cannot be compared: it is {what}"
                break


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, Real) and _is_finite(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, str | Rational) or bool(np.isfinite(float(value)))


def exact_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], keys: Sequence[str]
) -> Iterator[tuple[str, str, bool]]:
    """The exact quantities that differ: key, change in words, and whether it is for the worse.

    For the worse is a number that grew, what is no longer stated, and a number that is none any more, which could hide
    anything. A text that differs is news.
    """
    for key in keys:
        old: Any = before.get(key)
        new: Any = after.get(key)
        if old == new or (old != old and new != new):
            continue
        if _is_number(old) and _is_number(new):
            yield key, f"{_number(old)} → {_number(new)}", new > old
        else:
            yield key, f"{old} → {new}", _is_number(old) or (old is not None and new is None)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _outcome(
    verdicts: Sequence[Verdict], contaminated: Sequence[str], rule: Rule, judge_latency: bool
) -> tuple[Outcome, str]:
    def named(kind: Kind) -> list[Verdict]:
        return [verdict for verdict in verdicts if verdict.kind == kind]

    condemned = [verdict for verdict in verdicts if verdict.fails_without_latency]
    if errors := [verdict for verdict in named("error") if not verdict.broken]:
        return "regression", _sentence(errors, "failed or differ")
    if condemned:
        return "regression", _sentence(condemned, "got worse")
    outcome, sentence = _of_all_latencies(named("regression"), named("undecided"), contaminated, rule)
    broken = [verdict for verdict in verdicts if verdict.broken]
    if broken and not (judge_latency and outcome == "regression"):
        return "error", _sentence(broken, "could not be run")
    if judge_latency:
        return outcome, sentence
    if unknown := [verdict for verdict in verdicts if verdict.unknown]:
        return "inconclusive", _sentence(unknown, "could not be decided")
    return "pass", f"No error, no exact quantity and no memory got worse. Latency, not judged: {sentence}"


def _of_all_latencies(
    slower: Sequence[Verdict], undecided: Sequence[Verdict], contaminated: Sequence[str], rule: Rule
) -> tuple[Outcome, str]:
    if contaminated:
        names = " and ".join(contaminated)
        return (
            "inconclusive",
            f"The machine is contaminated: {names} differs between the sides, which run the same code there.",
        )
    if slower:
        return "regression", _sentence(slower, "got worse")
    if undecided:
        return "inconclusive", _sentence(undecided, "could not be decided")
    return "pass", f"No regression: nothing is slower by more than {rule.tolerance:.0%} for certain."


def _sentence(verdicts: Sequence[Verdict], what: str) -> str:
    first = verdicts[0]
    more = f" ({len(verdicts)} in all)" if len(verdicts) > 1 else ""
    return f"{first.name}{more} {what}: {'; '.join(first.reasons)}."
