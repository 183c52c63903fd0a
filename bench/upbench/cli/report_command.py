"""``upbench report``: from files of records to their report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from upbench.cli import console
from upbench.errors import UsageError


def report(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Records of one machine.")],
    output_folder: Annotated[
        Path, typer.Option("--output", file_okay=False, help="Folder for page, tables and charts.")
    ],
) -> None:
    """Write the report page, its tables and its charts from records alone."""
    from upbench.gate.rates import TRIAL
    from upbench.records.repeatability import TWINS

    trials = [(file, kind) for file in files for kind in (TRIAL, TWINS) if kind.is_in(file)]
    if trials and len(files) > 1:
        raise UsageError(f"{trials[0][0]} is a trial, which is reported alone.")
    if trials:
        (file, kind) = trials[0]
        trial = kind.read(file)
        from upbench.report import write_trial_report, write_twins_report

        for line in (write_trial_report if kind == TRIAL else write_twins_report)(trial, output_folder):
            console.say(f"• {line}")
        return
    runs = [console.read(file) for file in files]
    # Pandas and matplotlib take seconds to import, which a damaged file need not wait for.
    from upbench.report import write_report

    for line in write_report(runs, output_folder):
        console.say(f"• {line}")
    console.say(f"Report: {output_folder / 'report.html'}")
