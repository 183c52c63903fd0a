"""The history of an archive: every series with its changes and its drift, and what else changed where it did.

The error rate is one for the whole history: 5 % is shared between all places at which any series of latencies could
have changed. Quantities that are the same every time need no test, and whether a case runs at all needs none either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import log

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from upbench.history.archive import Archive, ArchivedRun
from upbench.history.change_points import NEARBY, change_points, fewest_runs
from upbench.history.exact_steps import exact_steps
from upbench.history.timeline import Timeline, Version
from upbench.history.tracks import CONTROL, OUTCOME, Track, Wanted, tracks
from upbench.records.statistics import CONFIDENCE, Interval

LEAST_VERSIONS = 20
"""Over which a drift is looked for."""


@dataclass(frozen=True)
class Happening:
    """A change of one series; versions are given by their number in the timeline.

    Attributes:
        version: the first after it, most likely.
        before, latest: it lies after the one, and at the latest at the other: 95 % of the likelihood.
        value_before, value_after: medians of the runs that were compared.
        ratio: of the values, with its 95 % interval, which is a point for exact quantities; None where it was nothing.
        p_value: before it is shared; None for exact quantities.
        beside: what else changed between the versions ``before`` and ``latest``.
        ended: of an outcome: how the case ended at ``latest``, and why; empty where it runs. None for a quantity.
    """

    version: int
    before: int
    latest: int
    value_before: float
    value_after: float
    ratio: Interval | None
    p_value: float | None
    beside: tuple[str, ...] = ()
    ended: str | None = None

    @property
    def text(self) -> str:
        """By how much, such as ``+12.3 %``, or whether a case still runs."""
        if self.ended is not None:
            return "no longer runs" if self.ended else "runs now"
        return percent(self.ratio.estimate) if self.ratio else f"0 → {self.value_after:,.0f}"

    def meets(self, other: Happening) -> bool:
        """Whether both may have the same cause: there is a version at which both can have happened."""
        return max(self.before, other.before) < min(self.latest, other.latest)


@dataclass(frozen=True)
class TrackHistory:
    """A series with what happened in it.

    Attributes:
        track: the series.
        changes: in order.
        drift: the ratio of its end to its beginning beside all changes, where it surely drifts; else None.
    """

    track: Track
    changes: tuple[Happening, ...]
    drift: Interval | None = None


@dataclass(frozen=True)
class History:
    """What a folder of runs tells.

    Attributes:
        archive: all that was read.
        wanted: what was asked.
        timelines: of each machine.
        series: those that were asked for.
        places: between how many places in latencies the error rate was shared.
        fewest_runs: of a latency from which on a change of it can be certain.
    """

    archive: Archive
    wanted: Wanted
    timelines: tuple[Timeline, ...]
    series: tuple[TrackHistory, ...]
    places: int
    fewest_runs: int


def survey(archive: Archive, wanted: Wanted) -> History:
    """Find every change.

    Raises:
        UsageError: nothing of the archive is wanted.
    """
    lines, found = tracks(archive, wanted)
    places = sum(len(np.unique(track.versions)) - 1 for track in found if not track.is_exact)
    series = sum(not track.is_exact for track in found)
    level, confidence = (1 - CONFIDENCE) / max(1, places), 1 - (1 - CONFIDENCE) / max(1, series)
    histories = [
        TrackHistory(track, _outcomes(track, archive.failures) if track.quantity == OUTCOME else _exact(track))
        if track.is_exact
        else _noisy(track, level=level, least=wanted.least, confidence=confidence)
        for track in found
    ]
    asked = [each for each in histories if not wanted.quantities or each.track.quantity in wanted.quantities]
    explained = partial(_explained, runs=archive.runs, others=_by_machine(histories))
    return History(archive, wanted, tuple(lines), tuple(explained(each) for each in asked), places, fewest_runs(level))


def percent(ratio: float) -> str:
    """By how much, such as ``+12.3 %``."""
    return f"{100 * (ratio - 1):+.1f} %"


def _exact(track: Track) -> tuple[Happening, ...]:
    if (track.values == track.values[0]).all():
        return ()
    versions, begins = np.unique(track.versions, return_index=True)
    steps = exact_steps([frozenset(part.tolist()) for part in np.split(track.values, begins[1:])])
    return tuple(
        Happening(
            version=int(versions[step.latest]),
            before=int(versions[step.earliest - 1]),
            latest=int(versions[step.latest]),
            value_before=step.before,
            value_after=step.after,
            ratio=Interval(*[step.after / step.before] * 3) if step.before else None,
            p_value=None,
        )
        for step in steps
    )


def _outcomes(track: Track, failures: pd.DataFrame) -> tuple[Happening, ...]:
    """Where a case stops running, and where it runs again; one that fails now and then in a version does neither."""
    own = failures[failures["case"] == track.case]

    def told(change: Happening) -> Happening:
        there = own["why"][own["run"].isin(track.timeline.versions[change.latest].runs)]
        return replace(change, ratio=None, ended="" if change.value_after else str(there.iloc[-1]))

    return tuple(told(change) for change in _exact(track))


def _noisy(track: Track, level: float, least: float, confidence: float) -> TrackHistory:
    logs = np.log(track.values)
    points = change_points(logs, track.versions, level, least)
    ends = [0, *(point.run for point in points), len(logs)]
    found = []
    for at, point in enumerate(points, start=1):
        left = track.values[max(ends[at - 1], point.run - NEARBY) : point.run]
        right = track.values[point.run : min(ends[at + 1], point.run + NEARBY)]
        found.append(
            Happening(
                version=int(track.versions[point.run]),
                before=int(track.versions[point.earliest - 1]),
                latest=int(track.versions[point.latest]),
                value_before=float(np.median(left)),
                value_after=float(np.median(right)),
                ratio=point.shift,
                p_value=point.p_value,
            )
        )
    for point in points:
        logs[point.run :] -= log(point.shift.estimate)
    return TrackHistory(track, tuple(found), _drift(track.versions, logs, least, confidence))


def _drift(
    versions: npt.NDArray[np.int64], logs: npt.NDArray[np.float64], least: float, confidence: float
) -> Interval | None:
    """How far the median slope leads from the first to the last version (Sen, JASA 1968)."""
    numbers, begins = np.unique(versions, return_index=True)
    if len(numbers) < LEAST_VERSIONS:
        return None
    medians = [float(np.median(part)) for part in np.split(logs, begins[1:])]
    slope, _, low, high = scipy.stats.theilslopes(medians, numbers, alpha=confidence)
    drift = Interval(*(float(np.exp(each * (numbers[-1] - numbers[0]))) for each in (low, slope, high)))
    surely = (drift.low > 1 or drift.high < 1) and abs(log(drift.estimate)) >= log(1 + least)
    return drift if surely else None


def _by_machine(histories: Sequence[TrackHistory]) -> dict[str, list[tuple[Track, Happening]]]:
    """Everything that happened, by machine."""
    found: dict[str, list[tuple[Track, Happening]]] = {}
    for each in histories:
        found.setdefault(each.track.timeline.machine, []).extend((each.track, change) for change in each.changes)
    return found


def _explained(
    history: TrackHistory, runs: Sequence[ArchivedRun], others: Mapping[str, Sequence[tuple[Track, Happening]]]
) -> TrackHistory:
    """The same, with what changed beside each change."""
    machine = history.track.timeline.machine
    explained = [
        replace(change, beside=tuple(_beside(history.track, change, runs, others[machine])))
        for change in history.changes
    ]
    return replace(history, changes=tuple(explained))


def _beside(
    track: Track, change: Happening, runs: Sequence[ArchivedRun], others: Sequence[tuple[Track, Happening]]
) -> Iterator[str]:
    versions = track.timeline.versions
    yield from software_changes(runs, versions[change.before], versions[change.latest])
    same_time = [(other, each) for other, each in others if other is not track and change.meets(each)]
    for other, each in same_time:
        if other.quantity == CONTROL and track.control == other.case:
            yield f"the control itself {each.text}"
        elif other.case == track.case and other.quantity != CONTROL:
            yield each.text if other.quantity == OUTCOME else f"{other.quantity} {each.text}"


def software_changes(runs: Sequence[ArchivedRun], before: Version, after: Version) -> list[str]:
    """What one version's runs were measured with and the other's not, such as ``torch 2.12.0 → 2.13.0``."""
    had, has = (_software([runs[place] for place in version.runs]) for version in (before, after))
    return [
        f"{name} {'/'.join(sorted(had[name]))} → {'/'.join(sorted(has[name]))}"
        for name in had
        if name in has and had[name] != has[name]
    ]


def _software(runs: Sequence[ArchivedRun]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for run in runs:
        for name, version in run.software.items():
            found.setdefault(name, set()).add(version)
    return found
