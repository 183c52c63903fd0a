"""A history as files for others: JSON with all series and their changes, Parquet with every figure of every run."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from upbench.errors import UsageError
from upbench.history.archive import LATENCY
from upbench.history.survey import Happening, History, TrackHistory
from upbench.history.tracks import CONTROL
from upbench.records.record import write_whole
from upbench.wording import one_line

JSON_SCHEMA = 1
TIME = "datetime64[us, UTC]"


def write_json(history: History, path: Path) -> None:
    """Write what was found; the file appears whole or not at all."""
    write_whole(
        path,
        {
            "upsample_bench_history": {
                "schema": JSON_SCHEMA,
                "runs": len(history.archive.runs),
                "least": history.wanted.least,
                "places": history.places,
            },
            "machines": [
                {
                    "machine": line.machine,
                    "text": line.text,
                    "versions": [
                        {"name": each.name, "commit": each.commit, "at": each.at.isoformat(), "runs": len(each.runs)}
                        for each in line.versions
                    ],
                }
                for line in history.timelines
            ],
            "series": [_series(each) for each in history.series],
            "skipped": [{"file": str(file), "reason": reason} for file, reason in history.archive.skipped],
        },
    )


def _series(each: TrackHistory) -> dict[str, Any]:
    track, versions = each.track, each.track.timeline.versions
    own = np.unique(track.versions)

    def typical(number: int) -> float:
        return float(np.median(track.values[track.versions == number]))

    def change(of: Happening) -> dict[str, Any]:
        names = {"version": of.version, "after": of.before, "at_the_latest": of.latest}
        return {
            **{key: versions[number].name for key, number in names.items()},
            **{key: versions[number].commit for key, number in (("commit", of.version), ("after_commit", of.before))},
            "value_before": of.value_before,
            "value_after": of.value_after,
            "ratio": asdict(of.ratio) if of.ratio else None,
            "p_value": of.p_value,
            "beside": list(of.beside),
            "ended": of.ended,
        }

    return {
        "machine": track.timeline.machine,
        "case": track.case,
        "quantity": track.quantity,
        "unit": track.unit,
        "runs": len(track.values),
        "versions": len(own),
        "first": typical(own[0]),
        "last": typical(own[-1]),
        "drift": asdict(each.drift) if each.drift else None,
        "changes": [change(of) for of in each.changes],
    }


def check_parquet() -> None:
    """Find out before anything long is done whether Parquet can be written.

    Raises:
        UsageError: nothing here writes it.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError("--parquet needs pyarrow: pip install 'upsample-bench[parquet]'.")


def figures(history: History) -> pd.DataFrame:
    """Every figure of the runs and cases that were asked for: a row for each case of each run.

    Columns: ``file, machine, version, commit, dirty, committed_at, measured_at``, the software by name, then ``case,
    control``, a column for each quantity, and ``control_s``: what the case's control takes on the quiet machine.
    """
    runs = history.archive.runs
    places = [place for line in history.timelines for version in line.versions for place in version.runs]
    machine = {place: line.machine for line in history.timelines for version in line.versions for place in version.runs}
    version = {place: each.name for line in history.timelines for each in line.versions for place in each.runs}
    software = sorted({name for place in places for name in runs[place].software})
    of_runs = pd.DataFrame(
        {
            "run": places,
            "file": [one_line(str(runs[place].file)) for place in places],
            "machine": [machine[place] for place in places],
            "version": [version[place] for place in places],
            "commit": [runs[place].commit for place in places],
            "dirty": [runs[place].dirty for place in places],
            "committed_at": pd.Series([runs[place].committed_at for place in places], dtype=TIME),
            "measured_at": pd.Series([runs[place].measured_at for place in places], dtype=TIME),
            **{name: [runs[place].software.get(name) for place in places] for name in software},
        }
    )
    cases = {each.track.case for each in history.series if each.track.quantity != CONTROL}
    rows = history.archive.figures[history.archive.figures["case"].isin(cases)]
    beside = history.archive.controls.rename(columns={LATENCY: "control_s"})
    rows = rows.astype({"case": str}).merge(beside.astype({CONTROL: object}), on=["run", CONTROL], how="left")
    return of_runs.merge(rows, on="run").drop(columns="run")


def write_parquet(history: History, path: Path) -> None:
    """Write :func:`figures`; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    figures(history).to_parquet(partial, index=False)
    os.replace(partial, path)
