"""``upbench compare``: two runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from upbench.cli import console


def compare(
    a: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The run to compare with.")],
    b: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The run in question.")],
) -> None:
    """Compare two runs case by case: how many times longer B takes than A, and what else changed."""
    from upbench.records.comparison import compare_runs, machine_differences, version_differences

    run_a, run_b = console.read(a), console.read(b)
    differences = machine_differences(run_a, run_b)
    if differences:
        console.say(f"Different conditions ({', '.join(differences)}): latencies are not comparable and are left out.")
    if versions := version_differences(run_a, run_b):
        console.say(f"Other software: {', '.join(versions)}. A difference may be its doing.")
    table = Table("case", "latency B/A", "95% interval", "verdict", "changed")
    for row in compare_runs(run_a, run_b):
        table.add_row(row.case_id, row.ratio_text, row.interval_text, row.verdict, ", ".join(row.changed) or "–")
    console.output.print(table)
    console.say(
        "Verdicts at 5 %, shared between all cases; drift of the machine between the two runs counts as a difference."
    )
