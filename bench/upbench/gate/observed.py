"""What is known of the benchmarks on both sides, each alone and in pools; what it means is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from upbench.gate.series import Rule, Series

LEAST_MEMORY_BYTES = 256 << 10
LEAST_MEMORY_SHARE = 0.01
"""A resident peak that grew by less than either is no news."""


COLLECTION = "collection"
"""In the place of a benchmark's name, for what went wrong before there was one."""


@dataclass(frozen=True)
class Closed:
    """How a benchmark's test ended on one side, and what it left behind.

    Attributes:
        outcome: ``passed``, ``failed``, ``skipped`` or ``missing``; ``unknown`` where it was not the code that failed.
        reason: why not passed.
        extra_info: what the test stated of itself: numbers and texts.
        not_compared: what it stated besides, with the type of each.
        result: what the benchmarked function returned, where the suite wants it compared.
        slowed: functions slowed on purpose that ran in it.
    """

    outcome: str
    reason: str = ""
    extra_info: Mapping[str, Any] = field(default_factory=dict)
    not_compared: Mapping[str, str] = field(default_factory=dict)
    result: Any = None
    slowed: Sequence[str] = ()

    @property
    def in_short(self) -> str:
        """The first line of the reason."""
        return self.reason.splitlines()[0] if self.reason else "no reason"


@dataclass
class Observed:
    """What is known of one benchmark.

    Attributes:
        nodeid: pytest's name of it.
        latency: a log-ratio for each launch.
        call_s: median seconds of reference and candidate, by launch.
        endings: how it ended in each process, reference and candidate; the first that is not ``passed`` counts.
        examined: the same in the processes that looked at everything but time.
        round_s: seconds of a round, roughly; 0 where no round is to be spent on knowing.
        peaks: resident bytes of reference and candidate, all samples.
        slowed: functions slowed on purpose that ran on the candidate's side.
    """

    nodeid: str
    latency: Series = field(default_factory=Series)
    call_s: list[tuple[float, float]] = field(default_factory=list)
    endings: tuple[Closed, Closed] = (Closed("passed"), Closed("passed"))
    examined: tuple[Closed, Closed] | None = None
    round_s: float = 0.0
    peaks: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    slowed: set[str] = field(default_factory=set)

    def note(self, closed: tuple[Closed, Closed]) -> None:
        """Take in how it ended in one pair of processes."""
        first, second = (new if old.outcome == "passed" else old for old, new in zip(self.endings, closed, strict=True))
        self.endings = first, second
        self.slowed.update(closed[1].slowed)

    def excuse(self, index: int, sentence: str) -> None:
        """Take in that what went wrong on one side is not its code's, but what ``sentence`` says."""
        endings = list(self.endings)
        endings[index] = Closed("unknown", sentence)
        self.endings = endings[0], endings[1]

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


def pools(evidence: Iterable[Observed]) -> dict[str, list[Observed]]:
    """Benchmarks that are also judged together: two or more that share a pool and run on both sides."""
    found: dict[str, list[Observed]] = {}
    for each in evidence:
        if each.runs:
            found.setdefault(each.pool, []).append(each)
    return {name: members for name, members in found.items() if len(members) > 1}


def pooled(members: Sequence[Observed]) -> Series:
    """The mean log-ratio of all members in the launches in which all of them were measured."""
    launches = set.intersection(*(set(member.latency.by_launch) for member in members))
    return Series({launch: float(np.mean([m.latency.by_launch[launch] for m in members])) for launch in launches})


def open_cases(evidence: Sequence[Observed], rule: Rule) -> list[Observed]:
    """The benchmarks that need more launches: those that are open, and all of a pool that is."""
    family = family_size(evidence)
    found = {each.nodeid for each in evidence if each.runs and each.latency.standing(rule, family) == "open"}
    for members in pools(evidence).values():
        if pooled(members).standing(rule, family) == "open":
            found |= {member.nodeid for member in members}
    return [each for each in evidence if each.nodeid in found]


def family_size(evidence: Sequence[Observed]) -> int:
    """How many series share the level: benchmarks and pools."""
    return max(1, sum(each.runs for each in evidence) + len(pools(evidence)))
