"""From a grid to a file: journal, sweep and provenance put together. What ``upbench run`` and the plugin share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from upbench import runtimes
from upbench.cases.case import Case
from upbench.cases.listing import listing
from upbench.machine import fingerprint as machine
from upbench.processes.isolation import Isolation
from upbench.progress import watcher_for
from upbench.records.record import SCHEMA, Run, write_run
from upbench.sweep.journal import Journal
from upbench.sweep.schedule import Sweep, SweepSettings

PRELOAD = ("upbench.sweep.worker", "torch._dynamo")
"""Imported once by the server of workers; torch imports ``torch._dynamo`` at the first dispatch mode, which takes a
second."""


def measure_to_file(
    cases: Sequence[Case], settings: SweepSettings, output: Path, resume: bool, console: Console
) -> Run:
    """Measure the cases, or those of them that the journal lacks, and write the run to ``output``.

    Raises:
        JournalError: an unfinished sweep stands in the way, or there is none to resume.
        KeyboardInterrupt: handed on; the journal is whole.
    """
    info, commit = machine.machine_info(), machine.commit_info()
    header = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "cases": [case.id for case in cases],
        "fingerprint": info["fingerprint"],
        "source": machine.source_digest(),
    }
    with Journal.resume(output, header) if resume else Journal.create(output, header) as journal:
        with watcher_for(console) as watcher:
            used = dict.fromkeys(case.cell.runtime for case in cases)
            preload = [module for name in used for module in runtimes.get(name).preload]
            sweep = Sweep(cases, settings, Isolation(settings.allocator, (*PRELOAD, *preload)), journal, watcher)
            records = sweep.run()
        run = Run(tuple(records), info, commit, run_facts(cases, settings, sweep.limits, interleaved=True))
        write_run(run, output)
        journal.delete()
    return run


def run_facts(
    cases: Sequence[Case], settings: SweepSettings, limits: list[dict[str, Any]], interleaved: bool
) -> dict[str, Any]:
    """What the file says of the run as a whole, so that a report needs nothing but the file.

    ``interleaved``: whether the cases of a cell were launched next to each other in random order.
    """
    measured = tuple(dict.fromkeys(case.upsampler for case in cases))
    return {
        **machine.provenance(),
        "settings": asdict(settings),
        "interleaved": interleaved,
        "limits": limits,
        "cards": {row.name: asdict(row) for row in listing(measured)},
    }
