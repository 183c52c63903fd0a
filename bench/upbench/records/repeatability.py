"""How often a sweep is wrong: what a trial of it says, in which every upsampler has a twin of identical code.

From the records of :mod:`upbench.sweep.twins` alone: whole runs, some of them beside a neighbour. Free of torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median
from typing import Any

from upbench.records.statistics import CONFIDENCE, Comparison, Rate, compare_levels
from upbench.records.trials import TrialKind

TWINS = TrialKind("a sweep", "upsample_bench_sweep_trial", schema=1)

KINDS = {False: "quiet machine", True: "beside the neighbour"}


@dataclass(frozen=True)
class RivalPair:
    """Two rivals of a question in one run.

    Attributes:
        comparison: of the first with the second.
        called: whether a report would call them different, at 5 % shared between the rivals of the question.
    """

    comparison: Comparison
    called: bool

    @property
    def sign(self) -> int:
        """1 where the first is called slower, -1 where it is called faster, 0 where they cannot be told apart."""
        return (1 if self.comparison.ratio.estimate > 1 else -1) if self.called else 0


def runs_of(document: Mapping[str, Any], busy: bool) -> list[Mapping[str, Any]]:
    """The whole runs of one kind, in order."""
    return [run for run in document["runs"] if run["neighbour"] == busy]


def identical_pairs(run: Mapping[str, Any]) -> dict[str, list[RivalPair]]:
    """The pairs of twins of every question, by its label."""
    found: dict[str, list[RivalPair]] = {}
    for label, rivals in run["questions"].items():
        for name in rivals:
            pair = _pair(rivals, name, _twin(name)) if _twin(name) in rivals else None
            if pair is not None:
                found.setdefault(label, []).append(pair)
    return found


def cells_with_a_false_difference(runs: Sequence[Mapping[str, Any]]) -> Rate:
    """Questions in which some pair of identical code is called different."""
    cells = [pairs for run in runs for pairs in identical_pairs(run).values()]
    return Rate(sum(any(pair.called for pair in pairs) for pairs in cells), len(cells))


def false_differences(runs: Sequence[Mapping[str, Any]]) -> Rate:
    """Pairs of identical code that are called different."""
    pairs = [pair for run in runs for own in identical_pairs(run).values() for pair in own]
    return Rate(sum(pair.called for pair in pairs), len(pairs))


def contradictions(runs: Sequence[Mapping[str, Any]]) -> Rate:
    """Pairs of rivals that one run calls different in one direction, and the next in the other."""
    signs = [(a.sign, b.sign) for a, b in _in_both(runs)]
    return Rate(sum(a * b < 0 for a, b in signs), len(signs))


def within_each_other(runs: Sequence[Mapping[str, Any]]) -> Rate:
    """Ratios of one run that lie in the interval of the next, or whose interval holds that of the next.

    The others are outside each other's intervals. Of ratios whose intervals hold the truth in 95 of 100 runs, one run's
    lies in the next one's interval in 83 of 100 (Cumming & Maillardet, Psychological Methods 2006), as both are off.
    """
    pairs = [(a.comparison.ratio, b.comparison.ratio) for a, b in _in_both(runs)]
    held = [b.low <= a.estimate <= b.high or a.low <= b.estimate <= a.high for a, b in pairs]
    return Rate(sum(held), len(held))


def half_width(runs: Sequence[Mapping[str, Any]]) -> float | None:
    """The median relative half-width of the ratios to the fastest rival of a question; None where none is known."""
    widths = []
    for run in runs:
        for rivals in run["questions"].values():
            typical = {name: median(levels.values()) for name, levels in rivals.items()}
            best = min(typical, key=typical.__getitem__)
            pairs = (_pair(rivals, name, best) for name in rivals if name != best)
            widths += [pair.comparison.ratio.relative_half_width for pair in pairs if pair is not None]
    return median(widths) if widths else None


def table(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What was asked, and what came out on the quiet machine and beside the neighbour."""
    kinds = [runs for busy in KINDS if (runs := runs_of(document, busy))]
    asked: dict[str, Callable[[Sequence[Mapping[str, Any]]], str]] = {
        "questions with a difference between identical upsamplers": lambda k: cells_with_a_false_difference(k).text,
        "identical pairs called different": lambda k: false_differences(k).text,
        "pairs that two runs call different in opposite directions": lambda k: contradictions(k).text,
        "ratios of two runs not outside each other's intervals": lambda k: within_each_other(k).text,
        "half-width of a ratio to the fastest, median": lambda k: (
            "–" if (known := half_width(k)) is None else f"±{known:.1%}"
        ),
        "a whole run takes, median": lambda k: f"{median(run['seconds'] for run in k):.0f} s",
        "share of the time in which the machine was busy": lambda k: f"{median(run['busy'] for run in k):.0%}",
    }
    return [(what, *(answer(runs) for runs in kinds)) for what, answer in asked.items()]


def summary(document: Mapping[str, Any]) -> list[str]:
    """The table as sentences for a terminal."""
    _, *kinds = headers(document)
    return [
        f"{asked}: " + "; ".join(f"{kind}: {each}" for kind, each in zip(kinds, came_out, strict=True))
        for asked, *came_out in table(document)
    ]


def headers(document: Mapping[str, Any]) -> list[str]:
    """Of the table's columns."""
    return ["asked", *(name for busy, name in KINDS.items() if runs_of(document, busy))]


def _in_both(runs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[RivalPair, RivalPair]]:
    """Every pair of rivals, twins included, as each run and the one after it saw it."""
    for before, after in pairwise(runs):
        for label, rivals in before["questions"].items():
            others = after["questions"].get(label, {})
            for a, b in combinations(rivals, 2):
                if a in others and b in others:
                    first, second = _pair(rivals, a, b), _pair(others, a, b)
                    if first is not None and second is not None:
                        yield first, second


def _pair(rivals: Mapping[str, Mapping[str, float]], a: str, b: str) -> RivalPair | None:
    comparison = compare_levels(rivals[a], rivals[b])
    if comparison is None:
        return None
    return RivalPair(comparison, comparison.p_value < (1 - CONFIDENCE) / (len(rivals) - 1))


def _twin(name: str) -> str:
    return f"{name}~2"
