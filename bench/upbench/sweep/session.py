"""From a grid to a file: journal, sweep and provenance put together. What ``upbench run`` and the plugin share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from upbench.cases.case import Case
from upbench.cases.listing import listing
from upbench.machine import fingerprint as machine
from upbench.processes.isolation import Isolation
from upbench.progress import watcher_for
from upbench.records.record import SCHEMA, ProtocolName, Run, read_run, write_run
from upbench.sweep.journal import Journal, asked, is_whole
from upbench.sweep.schedule import Sweep
from upbench.sweep.settings import SweepSettings


def measure_to_file(
    cases: Sequence[Case], settings: SweepSettings, output: Path, resume: bool, console: Console
) -> Run:
    """Measure the cases, or those of them that the journal lacks, and write the run to ``output``.

    A run that is to be resumed and has ended already is read instead.

    Raises:
        JournalError: an unfinished sweep stands in the way.
        KeyboardInterrupt: handed on; the journal is whole.
    """
    info, commit = machine.machine_info(), machine.commit_info()
    header = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "cases": [case.id for case in cases],
        "fingerprint": machine.identity(info["fingerprint"]),
        "source": machine.source_digest(),
    }
    with Journal.open(output, header, resume) as journal:
        if resume and journal.is_new and is_whole(output, header):
            journal.delete()
            return read_run(output)
        with watcher_for(console) as watcher:
            sweep = Sweep(cases, settings, Isolation(settings.allocator), journal, watcher)
            # The sweep knows them now.
            journal.entries.clear()
            records = sweep.run()
        run = Run(tuple(records), info, commit, {**run_facts(sweep), "asked": asked(header)})
        write_run(run, output)
        journal.delete()
    return run


def run_facts(sweep: Sweep) -> dict[str, Any]:
    """What the file says of the run as a whole, so that a report needs nothing but the file."""
    measured = tuple(dict.fromkeys(case.upsampler for case in sweep.cases))
    protocol: ProtocolName = "side by side"
    return {
        **machine.provenance(),
        "settings": asdict(sweep.settings),
        "protocol": protocol,
        "controls": sweep.controls,
        "limits": sweep.limits,
        **({"clocks": sweep.clocks} if sweep.clocks else {}),
        "cards": {row.name: asdict(row) for row in listing(measured)},
    }
