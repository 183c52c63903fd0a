"""What several rules ask of latency and memory: two upsamplers in every cell that has both."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from upbench.records.record import Record
from upbench.report.evidence import Evidence
from upbench.wording import Message, say


def pairs_of(evidence: Evidence, a: str, b: str) -> list[tuple[Record, Record]]:
    """The records of two upsamplers from every cell in which both have a latency that can be trusted."""
    found = []
    for cell in dict.fromkeys(record.case.cell for record in evidence.records):
        in_cell = evidence.in_cell(cell)
        if all(name in in_cell and in_cell[name].outcome == "ok" for name in (a, b)):
            found.append((in_cell[a], in_cell[b]))
    return found


def ratios(pairs: Sequence[tuple[Record, Record]], measure: Callable[[Record], float | None]) -> list[float]:
    """How many times as much of a quantity the first of each pair has; of pairs that have it."""
    values = [(measure(a), measure(b)) for a, b in pairs]
    return [a / b for a, b in values if a is not None and b]


def latency_ratios(evidence: Evidence, pairs: Sequence[tuple[Record, Record]]) -> list[float]:
    """How many times as long the first of each pair takes."""
    return [found.ratio.estimate for a, b in pairs if (found := evidence.compare(a, b)) is not None]


def surely_longer(evidence: Evidence, a: Record, b: Record) -> bool:
    """Whether A takes certainly longer than B."""
    comparison = evidence.compare(a, b)
    return comparison is not None and comparison.ratio.low > 1


def span(values: Sequence[float], digits: int = 1) -> Message:
    """Such as ``1.2 to 3.4``, or one figure where both are the same."""
    if not values:
        return say("an unknown number of")
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return say("{low}", low=low) if low == high else say("{low} to {high}", low=low, high=high)
