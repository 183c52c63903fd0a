"""The versions of the code in their order, for each machine: what a series is drawn over.

All runs of a commit on a machine are one version, so a change can only lie between commits. They follow each other by
the commits' time, whenever they were measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isclose

from upbench.history.archive import ArchivedRun
from upbench.records.comparison import SAME_MEMORY

SHORT = 9
"""Characters of a commit's hash that people read."""


@dataclass(frozen=True)
class Version:
    """What was measured once or several times.

    Attributes:
        name: its commit, ``+`` behind it where the tree differed; the time of its run outside of a repository.
        commit: the whole hash; empty outside of a repository.
        at: when it was committed, or first measured if that is not told.
        runs: their places in the archive, in the order in which they were measured.
    """

    name: str
    commit: str
    at: datetime
    runs: tuple[int, ...]


@dataclass(frozen=True)
class Timeline:
    """One machine, and what was measured on it.

    Attributes:
        machine: a short name, the same for the same hardware.
        text: what it is, as people read it.
        versions: in order.
    """

    machine: str
    text: str
    versions: tuple[Version, ...]

    @property
    def runs(self) -> int:
        """Of all versions."""
        return sum(len(version.runs) for version in self.versions)


def timelines(runs: Sequence[ArchivedRun]) -> list[Timeline]:
    """The timeline of each machine, the one with the most runs first.

    Args:
        runs: of an archive, in its order.
    """
    by_hardware: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        by_hardware.setdefault(run.hardware, []).append(place)
    found = []
    for hardware, places in by_hardware.items():
        for memory, own in _by_memory(runs, places):
            text = runs[own[0]].machine_text + (f", {memory} GiB" if memory else "")
            name = f"{hardware}-{memory}" if memory else hardware
            found.append(Timeline(name, text, tuple(_versions(runs, own))))
    return sorted(found, key=lambda timeline: (-timeline.runs, timeline.machine))


def _by_memory(runs: Sequence[ArchivedRun], places: Sequence[int]) -> Iterable[tuple[int | None, list[int]]]:
    """Parts of the runs with as good as the same memory, and its GiB; those that do not tell it are one part."""
    yield from ((None, own) for own in [[place for place in places if runs[place].memory_bytes is None]] if own)
    told = sorted((memory, place) for place in places if (memory := runs[place].memory_bytes) is not None)
    part: list[int] = []
    for at, (memory, place) in enumerate(told):
        # A kernel keeps more or less of it to itself.
        if part and not isclose(memory, told[at - 1][0], rel_tol=SAME_MEMORY):
            yield round(told[at - 1][0] / 2**30), sorted(part)
            part = []
        part.append(place)
    if part:
        yield round(told[-1][0] / 2**30), sorted(part)


def _versions(runs: Sequence[ArchivedRun], places: Sequence[int]) -> list[Version]:
    """Those of one machine in their order."""
    of_version: dict[tuple[str, str], list[int]] = {}
    for place in places:
        run = runs[place]
        # Two trees that differ from the same commit are the same only where their code is.
        differing = f"+{run.source}" if run.dirty else ""
        key = (run.commit, differing) if run.commit else ("", f"run {place}")
        of_version.setdefault(key, []).append(place)

    def order(item: tuple[tuple[str, str], list[int]]) -> tuple[datetime, bool, datetime, tuple[str, str]]:
        key, own = item
        return _at(runs, own), bool(key[1]), min(runs[place].measured_at for place in own), key

    return [
        Version(
            name=commit[:SHORT] + ("+" if differing else "") if commit else f"{_at(runs, own):%Y-%m-%d %H:%M}",
            commit=commit,
            at=_at(runs, own),
            runs=tuple(own),
        )
        for (commit, differing), own in sorted(of_version.items(), key=order)
    ]


def _at(runs: Sequence[ArchivedRun], places: Sequence[int]) -> datetime:
    committed = [time for place in places if (time := runs[place].committed_at) is not None]
    return min(committed or [runs[place].measured_at for place in places])
