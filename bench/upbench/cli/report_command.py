"""``upbench report``: from files of records to their report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from upbench.cli import console
from upbench.errors import UsageError


def report(
    files: Annotated[
        list[Path],
        typer.Argument(
            exists=True, dir_okay=False, help="Records of a machine or several, and of quality if there are any."
        ),
    ],
    output_folder: Annotated[
        Path, typer.Option("--output", file_okay=False, help="Folder for page, tables and charts.")
    ],
    lang: Annotated[
        console.LanguageChoice,
        typer.Option(help="In which the page opens and its findings are printed; it holds both."),
    ] = console.LanguageChoice.en,
    reference: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Records of quality to cite where yours cannot decide."),
    ] = None,
) -> None:
    """Write the report page, its tables and its charts from records alone."""
    from upbench.gate.rates import TRIAL
    from upbench.records.quality_run import is_quality, read_quality
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
    seen = [file for file in files if is_quality(file)]
    if len(seen) == len(files):
        raise UsageError("A report needs a run of upbench run: records of quality stand beside one.")
    quality = [read_quality(file) for file in seen]
    cited = None if reference is None else read_quality(reference)
    runs = [console.read(file) for file in files if file not in seen]
    # Pandas and matplotlib take seconds to import, which a damaged file need not wait for.
    from upbench.report import write_report

    for line in write_report(runs, output_folder, quality, cited, lang.value):
        console.say(f"• {line}")
    console.say(f"Report: {output_folder / 'report.html'}")
