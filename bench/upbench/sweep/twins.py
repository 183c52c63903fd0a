"""How often is a sweep wrong? Whole runs with every upsampler in its cell twice, by turns beside a neighbour."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean
from typing import Any

from upbench.cases.case import Case
from upbench.machine import fingerprint as machine
from upbench.processes.isolation import Isolation
from upbench.progress import Watcher
from upbench.records.record import Record, write_whole
from upbench.records.repeatability import TWINS, summary
from upbench.sweep.neighbour import neighbour
from upbench.sweep.schedule import MemoryLog, Sweep
from upbench.sweep.settings import SweepSettings
from upbench.whole_file import only_writer


def run_twins(
    cases: Sequence[Case], settings: SweepSettings, wanted: int, file: Path, watcher: Watcher
) -> Iterator[str]:
    """Make so many whole runs of each kind, those that ``file`` already holds included, and yield what came out.

    Raises:
        TrialFileError: ``file`` holds another trial.
        TakenFileError: another process makes it.
    """
    with only_writer(file):
        yield from summary(_made(cases, settings, wanted, file, watcher))


def _made(cases: Sequence[Case], settings: SweepSettings, wanted: int, file: Path, watcher: Watcher) -> dict[str, Any]:
    both = [replace(case, twin=twin) for case in cases for twin in (False, True)]
    facts = {
        **machine.provenance(),
        "commit": machine.commit_info().get("id"),
        "fingerprint": machine.identity(machine.machine_info()["fingerprint"]),
        "settings": asdict(settings),
        "cases": [case.id for case in cases],
    }
    document = TWINS.resumed(file, facts, ("source", "settings", "cases", "fingerprint"))
    runs = document["runs"]
    while (busy := _next_kind(runs, wanted)) is not None:
        start = time.monotonic()
        with neighbour() if busy else nullcontext(), watcher:
            isolation = Isolation(settings.allocator)
            records = Sweep(both, settings, isolation, MemoryLog(), watcher).run()
        timed = [record for record in records if record.levels]
        run = {
            "neighbour": busy,
            "seconds": time.monotonic() - start,
            "busy": mean(record.quantities["disturbed_share"] for record in timed),
            "questions": _by_question(timed),
        }
        runs.append(run)
        write_whole(file, document)
    return document


def _next_kind(runs: Sequence[dict[str, Any]], wanted: int) -> bool | None:
    """The kind of which there are fewer, so that a trial that is cut short is balanced; None if there are enough."""
    made = {busy: sum(run["neighbour"] == busy for run in runs) for busy in (False, True)}
    fewer = min(made, key=lambda busy: made[busy])
    return fewer if made[fewer] < wanted else None


def _by_question(records: Sequence[Record]) -> dict[str, dict[str, dict[str, float]]]:
    """The levels of every rival, by question and by name."""
    questions: dict[str, dict[str, dict[str, float]]] = {}
    for record in records:
        case = record.case
        rivals = questions.setdefault(case.cell.question.label, {})
        way = [getattr(case.cell, axis) for axis in ("runtime", "layout")]
        rivals["-".join([case.upsampler, *way]) + ("~2" if case.twin else "")] = record.levels
    return questions
