"""The findings in a few sentences: what the terminal prints and the page opens with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from upbench.report.claims import Claim
from upbench.report.evidence import CellResult, Evidence, Winner


def summarise(evidence: Evidence, claims: Sequence[Claim]) -> list[str]:
    """Return a line on speed, one on memory and arithmetic, and one for each claim."""
    fastest = _by(evidence, lambda result: result.fastest, tie="no significant winner", unknown="no latency to trust")
    leanest = _by(evidence, lambda result: result.leanest, tie="a tie", unknown="not measured")
    cheapest = _by(evidence, lambda result: result.cheapest, tie="a tie", unknown="not counted")
    return [
        f"Fastest: {fastest}.",
        f"Least memory: {leanest}. Fewest FLOPs: {cheapest}.",
        *(f"{claim.label}: {claim.verdict} ({claim.gist})." for claim in claims),
    ]


def _by(evidence: Evidence, winner_of: Callable[[CellResult], Winner | None], tie: str, unknown: str) -> str:
    """Who wins how many of the cells; what to say of those with no single winner, or with nothing to judge by.

    Cells in which nothing could run, such as a layout that a runtime has not, are no cells to win.
    """
    winners = [winner_of(result) for result in evidence.results if result.ran]
    if not winners:
        return "no operator was measured"
    names = [unknown if w is None else evidence.title(w.names[0]) if w.clear else tie for w in winners]
    (name, count), *others = Counter(names).most_common()
    return ", ".join([f"{name} in {count} of {len(winners)} cells", *(f"{name} in {count}" for name, count in others)])
