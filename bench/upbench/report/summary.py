"""The findings in a few sentences: what the terminal prints and the page opens with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from upbench.report.claims import JudgedClaim
from upbench.report.evidence import CellResult, Evidence, Winner
from upbench.wording import Message, listed, say


def summarise(evidence: Evidence, claims: Sequence[JudgedClaim]) -> list[Message]:
    """Return a line on speed, one on memory and arithmetic, and one for each claim."""
    tie, no_winner = say("a tie"), say("no significant winner")
    fastest = _by(evidence, lambda result: result.fastest, tie=no_winner, unknown=say("no latency to trust"))
    leanest = _by(evidence, lambda result: result.leanest, tie=tie, unknown=say("not measured"))
    cheapest = _by(evidence, lambda result: result.cheapest, tie=tie, unknown=say("not counted"))
    return [
        say("Fastest: {fastest}.", fastest=fastest),
        say("Least memory: {leanest}. Fewest FLOPs: {cheapest}.", leanest=leanest, cheapest=cheapest),
        *(claim.line for claim in claims),
    ]


def _by(
    evidence: Evidence, winner_of: Callable[[CellResult], Winner | None], tie: Message, unknown: Message
) -> Message:
    """Who wins how many of the cells; what to say of those with no single winner, or with nothing to judge by.

    Cells in which nothing could run, such as a layout that a runtime has not, are no cells to win.
    """
    winners = [winner_of(result) for result in evidence.results if result.ran]
    if not winners:
        return say("no operator was measured")
    names = [unknown if w is None else evidence.title(w.names[0]) if w.clear else tie for w in winners]
    words = {str(name): name for name in names}
    (first, count), *others = Counter(map(str, names)).most_common()
    return listed(
        [
            say("{name} in {count} of {total} cells", name=words[first], count=count, total=len(winners)),
            *(say("{name} in {count}", name=words[name], count=count) for name, count in others),
        ]
    )
