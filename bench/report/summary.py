"""The findings in a few sentences: what the terminal prints and the page opens with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from bench.report.claims import Claim
from bench.report.evidence import CellResult, Evidence, Winner


def summarise(evidence: Evidence, claims: Sequence[Claim]) -> list[str]:
    """Return one sentence on speed, one on memory and arithmetic, and one for each claim."""
    return [
        _by(evidence, "Fastest", lambda result: result.fastest, tie="no significant winner"),
        _by(evidence, "Least memory", lambda result: result.leanest, tie="a tie")
        + " "
        + _by(evidence, "Fewest FLOPs", lambda result: result.cheapest, tie="a tie"),
        *(f"“{claim.text}” {claim.verdict.capitalize()}: {claim.figures}" for claim in claims),
    ]


def _by(evidence: Evidence, label: str, winner_of: Callable[[CellResult], Winner | None], tie: str) -> str:
    winners = [winner for result in evidence.results if (winner := winner_of(result)) is not None]
    counts = Counter(evidence.title(winner.names[0]) if winner.clear else tie for winner in winners)
    parts = [f"{name} in {count}" for name, count in counts.most_common()]
    return f"{label}, over {len(winners)} cells of scale × channels: {', '.join(parts)}."
