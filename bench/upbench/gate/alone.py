"""What a side does while the other one has no process: whether it fails by itself, or as both share something.

Both sides of a gate are alive at once, so that a fixed port, a lock file or a database of the suite's is in the way of
one of them. That says nothing of the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress

from upbench.errors import UsageError
from upbench.gate.launch import LiveProcess, SideError
from upbench.gate.observed import COLLECTION, Closed, Observed
from upbench.gate.trees import Side

Start = Callable[[int], AbstractContextManager[LiveProcess]]
"""Starts a process of one side, by its place, and ends it."""

MOST_DEATHS = 5
"""Processes of one side that may die of a benchmark each before no other is looked at alone."""

WAY_OUT = "give each its own, by the variable UPBENCH_SIDE"


def refuse_what_starts_alone(start: Start, error: SideError) -> None:
    """Find out whether sides that did not start beside each other start alone.

    Raises:
        UsageError: both do, so that they share something.
    """
    for index in (0, 1):
        with start(index) as alone:
            try:
                alone.receive()
            except SideError:
                return
    raise UsageError(
        f"Each side starts alone and not beside the other one, so that both share something ({error}): {WAY_OUT}."
    )


def excuse_what_passes_alone(evidence: Iterable[Observed], sides: tuple[Side, Side], start: Start) -> None:
    """Run what has failed on a side once more without the other one, and excuse what passes."""
    evidence = list(evidence)
    for index, side in enumerate(sides):
        failed = [each for each in evidence if each.endings[index].outcome == "failed"]
        for _ in range(MOST_DEATHS):
            if not failed:
                break
            with start(index) as alone, suppress(SideError):
                _, found, errors = alone.receive()
                while failed:
                    each = failed.pop()
                    for other in _passing(each, index, evidence, alone, found, errors):
                        other.excuse(index, _words(side, each.endings[index]))


def _passing(
    each: Observed,
    index: int,
    evidence: Sequence[Observed],
    alone: LiveProcess,
    found: Sequence[str],
    errors: Sequence[str],
) -> list[Observed]:
    """What does run alone of that which has failed: the benchmark, or all that could not be collected."""
    if each.nodeid != COLLECTION:
        return [each] if each.nodeid in found and _closed(alone, each.nodeid).outcome == "passed" else []
    if errors:
        return []
    return [other for other in evidence if other.endings[index].outcome == "missing" and other.nodeid in found] + [each]


def _closed(alone: LiveProcess, nodeid: str) -> Closed:
    answer = alone.ask("open", nodeid, None)
    return Closed(*(alone.ask("close") if answer[0] == "opened" else answer)[1:])


def _words(side: Side, closed: Closed) -> str:
    return (
        f"the {side.name} side passes alone and fails beside the other one, so that both share something "
        f"({closed.in_short}): {WAY_OUT}"
    )
