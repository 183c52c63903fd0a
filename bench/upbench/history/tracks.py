"""The series of an archive: for each machine, case and quantity the values of its runs, in the order of versions.

Latencies are times the control operator's, which a busy machine moves least, where every run of the series has them;
else they are seconds. What the control itself takes on a quiet machine is a series of its own; so is whether a case
had a latency at all, where it once had none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from upbench.errors import UsageError
from upbench.history.archive import LATENCY, LEVEL, Archive, ArchivedRun
from upbench.history.timeline import Timeline, timelines
from upbench.records.comparison import EXACT

CONTROL, OUTCOME = "control", "outcome"
QUANTITIES = ("latency", *EXACT, CONTROL, OUTCOME)
UNIT_OF = {name: "B" if name.endswith("bytes") else "" for name in EXACT} | {"flops": "FLOP"}
TIMES_CONTROL = "times the control"


@dataclass(frozen=True)
class Wanted:
    """What of an archive a history is asked for.

    Attributes:
        cases: patterns as a shell's; all cases if there are none.
        quantities: of :data:`QUANTITIES`; all if there are none.
        since: a day as ISO 8601, or the beginning of a commit's hash; what is older is left out.
        least: the smallest change worth naming, as a share.
    """

    cases: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    since: str | None = None
    least: float = 0.03


@dataclass(frozen=True)
class Track:
    """One series.

    Attributes:
        timeline: of its machine.
        case: its name; of the control's own series, device and threads.
        quantity: one of :data:`QUANTITIES`.
        unit: of ``values``; an outcome is 1 where the case had a latency, and 0 where it had none.
        control: device and threads of the control that ran beside it; None where none did.
        versions: number of the version of each run in ``timeline.versions``, ascending.
        values: one a run.
    """

    timeline: Timeline
    case: str
    quantity: str
    unit: str
    control: str | None
    versions: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    @property
    def is_exact(self) -> bool:
        """Whether any difference is a change."""
        return self.quantity in EXACT or self.quantity == OUTCOME


def tracks(archive: Archive, wanted: Wanted) -> tuple[list[Timeline], list[Track]]:
    """What each machine measured, and all series of the wanted cases, those of quantities that are not wanted as well.

    Raises:
        UsageError: no case is wanted, or nothing was measured since.
    """
    lines = _since(archive.runs, timelines(archive.runs), wanted.since)
    names = archive.figures["case"].cat.categories
    chosen = [name for name in names if not wanted.cases or any(fnmatchcase(name, each) for each in wanted.cases)]
    if not chosen:
        asked, some = ", ".join(wanted.cases), ", ".join(names[:3])
        raise UsageError(f"no case is like {asked}; there are {len(names)}, such as {some}.")
    figures = archive.figures[archive.figures["case"].isin(chosen)]
    outcomes = _outcomes(archive, chosen)
    found: list[Track] = []
    for line in lines:
        for name, versions, rows in _by_name(line, figures, "case", len(archive.runs)):
            found += _tracks_of_case(line, name, versions, rows)
        for name, versions, rows in _by_name(line, outcomes, "case", len(archive.runs)):
            if rows[OUTCOME].any():
                found += _track(line, name, OUTCOME, "", None, versions, rows[OUTCOME].to_numpy())
        for name, versions, rows in _by_name(line, archive.controls, CONTROL, len(archive.runs)):
            found += _track(line, name, CONTROL, "s", name, versions, rows[LATENCY].to_numpy())
    return lines, found


def _since(runs: Sequence[ArchivedRun], lines: list[Timeline], since: str | None) -> list[Timeline]:
    """The timelines from a day or a commit on."""
    if since is None:
        return lines
    try:
        day = datetime.fromisoformat(since)
        first = day if day.tzinfo else day.replace(tzinfo=UTC)
    except ValueError:
        of_commit = [v.at for line in lines for v in line.versions if v.commit and v.commit.startswith(since)]
        if not since or not of_commit:
            sentence = f"--since takes a day such as 2026-03-01, or a commit of these runs; got {since!r}."
            raise UsageError(sentence) from None
        first = min(of_commit)
    newer = [
        Timeline(line.machine, line.text, tuple(version for version in line.versions if version.at >= first))
        for line in lines
    ]
    if not any(line.versions for line in newer):
        last = max(version.at for line in lines for version in line.versions)
        raise UsageError(f"nothing was measured since {since}; the last of {len(runs)} runs is of {last:%Y-%m-%d}.")
    return [line for line in newer if line.versions]


def _by_name(
    line: Timeline, frame: pd.DataFrame, key: str, runs: int
) -> Iterator[tuple[str, npt.NDArray[np.int64], pd.DataFrame]]:
    """The rows of each name on one machine, in the order of versions, with the number of the version of each."""
    rank, version = np.full(runs, -1), np.full(runs, -1)
    in_order = [(number, run) for number, each in enumerate(line.versions) for run in each.runs]
    for place, (number, run) in enumerate(in_order):
        rank[run], version[run] = place, number
    run_of, name_of = frame["run"].to_numpy(), frame[key].cat.codes.to_numpy()
    order = np.lexsort((rank[run_of], name_of))
    order = order[(rank[run_of[order]] >= 0) & (name_of[order] >= 0)]
    if len(order) == 0:
        return
    sorted_frame, names = frame.iloc[order], frame[key].cat.categories
    bounds = [0, *(np.flatnonzero(np.diff(name_of[order])) + 1), len(order)]
    for begin, end in pairwise(bounds):
        yield names[name_of[order[begin]]], version[run_of[order[begin:end]]], sorted_frame.iloc[begin:end]


def _tracks_of_case(line: Timeline, case: str, versions: npt.NDArray[np.int64], rows: pd.DataFrame) -> Iterator[Track]:
    named = rows[CONTROL].dropna()
    control = str(named.iloc[0]) if len(named) else None
    seconds, levels = rows[LATENCY].to_numpy(), rows[LEVEL].to_numpy()
    if np.isfinite(levels[np.isfinite(seconds)]).all():
        yield from _track(line, case, "latency", TIMES_CONTROL, control, versions, np.exp(levels))
    else:
        yield from _track(line, case, "latency", "s", control, versions, seconds)
    for quantity in EXACT:
        yield from _track(line, case, quantity, UNIT_OF[quantity], control, versions, rows[quantity].to_numpy())


def _outcomes(archive: Archive, chosen: Sequence[str]) -> pd.DataFrame:
    """Whether a case had a latency, in each run that has the case, for the chosen ones that once had none."""
    failed = archive.failures[archive.failures["case"].isin(chosen)]
    ran = archive.figures[archive.figures["case"].isin(failed["case"].unique())]
    return pd.DataFrame(
        {
            "run": np.concatenate([ran["run"], failed["run"]]),
            "case": pd.Categorical([*ran["case"], *failed["case"]]),
            OUTCOME: np.repeat([1.0, 0.0], [len(ran), len(failed)]),
        }
    )


def _track(
    line: Timeline,
    case: str,
    quantity: str,
    unit: str,
    control: str | None,
    versions: npt.NDArray[np.int64],
    values: npt.NDArray[Any],
) -> Iterator[Track]:
    """The series of the runs that have the quantity; none where no run has."""
    told = np.isfinite(values)
    if told.any():
        yield Track(line, case, quantity, unit, control, versions[told], values[told])
