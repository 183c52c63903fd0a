"""How the gate decides: from what was measured of a benchmark on both sides to one verdict. No processes, no torch.

Latency is decided on launches, fresh pairs of processes, each of which gives one log-ratio of the candidate's time to
the reference's. A series of them is *clear* once a slowdown of the target is ruled out, *slower* once it is certain,
family-wise, that the ratio exceeds the tolerance: by all launches together, and by those alone that were made after it
had become a suspect. Everything else is open and is measured on, as long as there is budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

import numpy as np

from upbench.gate.launch import Closed
from upbench.records.comparison import EXACT
from upbench.records.statistics import Interval, signed_rank_interval, signed_rank_p, signed_rank_reach

Standing = Literal["clear", "slower", "open"]
Kind = Literal["error", "regression", "undecided", "improvement", "same", "new", "skipped"]
Outcome = Literal["pass", "regression", "inconclusive"]

EXIT_CODES: dict[Outcome, int] = {"pass": 0, "regression": 1, "inconclusive": 3}

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

BLIND = 0.10
"""A gate that could not have seen a slowdown of this size in some benchmark does not call it the same."""

LEAST_MEMORY_BYTES = 256 << 10
LEAST_MEMORY_SHARE = 0.01
"""A resident peak that grew by less than either is no news."""


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


@dataclass
class Evidence:
    """What is known of one benchmark.

    Attributes:
        nodeid: pytest's name of it.
        latency: a log-ratio for each launch.
        call_s: median seconds of reference and candidate, by launch.
        endings: how it ended in each process, reference and candidate; the first that is not ``passed`` counts.
        examined: the same in the processes that looked at everything but time.
        peaks: resident bytes of reference and candidate, all samples.
        slowed: functions slowed on purpose that ran on the candidate's side.
    """

    nodeid: str
    latency: Series = field(default_factory=Series)
    call_s: list[tuple[float, float]] = field(default_factory=list)
    endings: tuple[Closed, Closed] = (Closed("passed"), Closed("passed"))
    examined: tuple[Closed, Closed] | None = None
    peaks: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    slowed: set[str] = field(default_factory=set)

    def note(self, closed: tuple[Closed, Closed]) -> None:
        """Take in how it ended in one pair of processes."""
        first, second = (new if old.outcome == "passed" else old for old, new in zip(self.endings, closed, strict=True))
        self.endings = first, second
        self.slowed.update(closed[1].slowed)

    @property
    def runs(self) -> bool:
        """Whether it has run to its end on both sides so far."""
        return all(closed.outcome == "passed" for closed in self.endings)

    @property
    def pool(self) -> str:
        """What it is pooled with: what the suite says, otherwise all parameters of one test."""
        extra_info = self.examined[1].extra_info if self.examined else {}
        return str(extra_info.get("pool") or self.nodeid.split("[")[0])

    @property
    def memory_growth(self) -> int | None:
        """Bytes by which the resident peak certainly grew (negative: shrank), 0 within repeatability.

        The ranges of both sides must be further apart than either is wide.
        """
        reference, candidate = self.peaks
        if not reference or not candidate:
            return None
        repeatability = max(max(side) - min(side) for side in self.peaks)
        least = max(repeatability, LEAST_MEMORY_BYTES, LEAST_MEMORY_SHARE * max(reference))
        grown, shrunk = min(candidate) - max(reference), min(reference) - max(candidate)
        return grown if grown > least else -shrunk if shrunk > least else 0


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


def pools(evidence: Iterable[Evidence]) -> dict[str, list[Evidence]]:
    """Benchmarks that are also judged together: two or more that share a pool and run on both sides."""
    found: dict[str, list[Evidence]] = {}
    for each in evidence:
        if each.runs:
            found.setdefault(each.pool, []).append(each)
    return {name: members for name, members in found.items() if len(members) > 1}


def pooled(members: Sequence[Evidence]) -> Series:
    """The mean log-ratio of all members in the launches in which all of them were measured."""
    launches = set.intersection(*(set(member.latency.by_launch) for member in members))
    return Series({launch: float(np.mean([m.latency.by_launch[launch] for m in members])) for launch in launches})


def open_cases(evidence: Sequence[Evidence], rule: Rule) -> list[Evidence]:
    """The benchmarks that need more launches: those that are open, and all of a pool that is."""
    family = family_size(evidence)
    found = {each.nodeid for each in evidence if each.runs and each.latency.standing(rule, family) == "open"}
    for members in pools(evidence).values():
        if pooled(members).standing(rule, family) == "open":
            found |= {member.nodeid for member in members}
    return [each for each in evidence if each.nodeid in found]


def family_size(evidence: Sequence[Evidence]) -> int:
    """How many series share the level: benchmarks and pools."""
    return max(1, sum(each.runs for each in evidence) + len(pools(evidence)))


def decide(
    evidence: Sequence[Evidence], controls: Mapping[str, Series], rule: Rule, judge_latency: bool = True
) -> Decision:
    """Judge every benchmark, every pool, and the whole.

    Args:
        evidence: of each benchmark that either side has.
        controls: series of the controls, in which nothing differs but the machine.
        rule: what counts as slower.
        judge_latency: whether latency decides, or is only reported.
    """
    family = family_size(evidence)
    verdicts = [_of_case(each, rule, family) for each in evidence]
    verdicts += [
        _of_latency(name, pooled(members), rule, family, pool=True) for name, members in pools(evidence).items()
    ]
    of_controls = tuple(replace(_of_latency(name, series, rule, 1), kind="same") for name, series in controls.items())
    contaminated = [name for name, series in controls.items() if series.differs(rule, 1) or series.differs(rule, -1)]
    return _whole(verdicts, of_controls, contaminated, rule, judge_latency)


def _of_case(evidence: Evidence, rule: Rule, family: int) -> Verdict:
    name = evidence.nodeid
    wrong = _errors(evidence)
    if wrong:
        reference_alone = evidence.endings[1].outcome == "passed" and evidence.endings[0].outcome != "passed"
        new = reference_alone and rule.allow_new
        return Verdict(name, "new" if new else "error", wrong, fails_without_latency=not new)
    if not evidence.runs:
        return Verdict(name, "skipped", (evidence.endings[1].reason,))
    verdict = _of_latency(name, evidence.latency, rule, family)
    worse, better = _other_changes(evidence, rule)
    kind = verdict.kind
    if worse:
        kind = "regression"
    elif better and kind == "same":
        kind = "improvement"
    call_s = tuple(float(np.median(side)) for side in zip(*evidence.call_s, strict=True)) if evidence.call_s else None
    return replace(
        verdict,
        kind=kind,
        reasons=(*verdict.reasons, *worse, *better),
        call_s=None if call_s is None else (call_s[0], call_s[1]),
        fails_without_latency=bool(worse),
    )


def _errors(evidence: Evidence) -> tuple[str, ...]:
    """What makes the benchmark fail whatever its time: an error, or that one side does not have it."""
    reference, candidate = evidence.endings
    if reference.outcome == candidate.outcome == "skipped":
        return ()
    wrong = []
    for side, closed in (("reference", reference), ("candidate", candidate)):
        if closed.outcome == "failed":
            wrong.append(
                f"failed on the {side} side: {closed.reason.splitlines()[0] if closed.reason else 'no reason'}"
            )
        elif closed.outcome == "skipped":
            wrong.append(f"skipped on the {side} side alone: {closed.reason}")
        elif closed.outcome == "missing":
            wrong.append(f"missing on the {side} side")
    return (*wrong, *_different_results(evidence))


def _different_results(evidence: Evidence) -> tuple[str, ...]:
    """Whether the benchmarked function returns something else, where the suite says how far it may."""
    if evidence.examined is None or not evidence.runs:
        return ()
    reference, candidate = evidence.examined
    rtol = candidate.extra_info.get("result_rtol")
    if rtol is None or reference.result is candidate.result is None:
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


def _other_changes(evidence: Evidence, rule: Rule) -> tuple[tuple[str, ...], tuple[str, ...]]:
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


def _whole(
    verdicts: Sequence[Verdict],
    controls: tuple[Verdict, ...],
    contaminated: Sequence[str],
    rule: Rule,
    judge_latency: bool,
) -> Decision:
    outcome, sentence = _outcome(verdicts, contaminated, rule)
    condemned = [verdict for verdict in verdicts if verdict.fails_without_latency]
    if not judge_latency and not condemned:
        outcome, sentence = (
            "pass",
            f"No error, no exact quantity and no memory got worse. Latency, not judged: {sentence}",
        )
    elif not judge_latency:
        outcome, sentence = "regression", _sentence(condemned, "failed or got worse")
    return Decision(outcome, sentence, tuple(verdicts), controls)


def exact_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], keys: Sequence[str]
) -> Iterator[tuple[str, str, bool]]:
    """The exact quantities that differ: key, change in words, and whether it is for the worse.

    For the worse is a number that grew, and what is no longer stated or no longer a number, which could hide anything.
    A text that differs is news.
    """
    for key in keys:
        old: Any = before.get(key)
        new: Any = after.get(key)
        if old == new:
            continue
        numbers = all(isinstance(value, int | float) and np.isfinite(value) for value in (old, new))
        if numbers:
            yield key, f"{old:,} → {new:,}", new > old
        else:
            texts = isinstance(old, str) and isinstance(new, str)
            yield key, f"{old} → {new}", old is not None and not texts


def _outcome(verdicts: Sequence[Verdict], contaminated: Sequence[str], rule: Rule) -> tuple[Outcome, str]:
    def named(kind: Kind) -> list[Verdict]:
        return [verdict for verdict in verdicts if verdict.kind == kind]

    certain = [verdict for verdict in named("regression") if verdict.fails_without_latency]
    if named("error"):
        return "regression", _sentence(named("error"), "failed or differ")
    if certain:
        return "regression", _sentence(certain, "got worse")
    if contaminated:
        names = " and ".join(contaminated)
        return (
            "inconclusive",
            f"The machine is contaminated: {names} differs between the sides, which run the same code there.",
        )
    if named("regression"):
        return "regression", _sentence(named("regression"), "got worse")
    if named("undecided"):
        return "inconclusive", _sentence(named("undecided"), "could not be decided")
    return "pass", f"No regression: nothing is slower by more than {rule.tolerance:.0%} for certain."


def _sentence(verdicts: Sequence[Verdict], what: str) -> str:
    first = verdicts[0]
    more = f" ({len(verdicts)} in all)" if len(verdicts) > 1 else ""
    return f"{first.name}{more} {what}: {'; '.join(first.reasons)}."
