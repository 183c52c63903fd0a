"""``upbench history``: a folder of runs over time, and at which commits something changed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from upbench.cli import console

WIDTH = 240
"""Of a table in a pipe."""


class QuantityChoice(StrEnum):
    """Values of ``--quantity``."""

    latency = "latency"
    flops = "flops"
    params = "params"
    min_bytes = "min_bytes"
    peak_tensor_bytes = "peak_tensor_bytes"
    peak_allocated_bytes = "peak_allocated_bytes"
    control = "control"
    outcome = "outcome"


def history(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Of runs, and of other files of pytest-benchmark.")
    ],
    case: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Cases, such as 'subpixel-x2-*'; repeatable.")
    ] = None,
    quantity: Annotated[
        list[QuantityChoice] | None, typer.Option(help="What to tell of; repeatable. All if not given.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DAY|COMMIT", help="Leave out what is older, such as 2026-03-01.")
    ] = None,
    least: Annotated[
        float, typer.Option(min=0, max=1, help="The smallest change of a latency worth naming, as a share.")
    ] = 0.03,
    charts: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for an SVG of each series that changed.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write all series and their changes.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write every figure of every run as a table.")
    ] = None,
) -> None:
    """Read a folder of runs of many commits: what changed, at which commit, by how much, and what else changed there.

    Each machine is told of on its own. Exit codes: 0 done, 1 there are no runs, 2 wrong usage.
    """
    from upbench.history import history_export as export
    from upbench.history import history_table as words
    from upbench.history.archive import read_archive
    from upbench.history.survey import survey
    from upbench.history.tracks import Wanted

    if parquet is not None:
        export.check_parquet()
    wanted = Wanted(tuple(case or ()), tuple(each.value for each in quantity or ()), since, least)
    found = survey(read_archive(folder), wanted)
    for machine in words.machine_tables(found):
        console.say(machine.heading)
        if machine.rows:
            table = Table(*words.HEADINGS)
            for row in machine.rows:
                table.add_row(*(Text(part) for part in row))
            console.show(table, WIDTH)
        else:
            console.say("No change found.")
        for line in machine.notes:
            console.say(f"• {line}")
    for line in words.surroundings(found):
        console.say(line)
    if json_file is not None:
        export.write_json(found, json_file)
        console.say(f"JSON: {json_file}")
    if parquet is not None:
        export.write_parquet(found, parquet)
        console.say(f"Parquet: {parquet}")
    if charts is not None:
        # Takes seconds to import.
        from upbench.history.history_charts import write_history_charts

        console.say(f"Charts: {write_history_charts(found, charts)} in {charts}")
