"""``upbench list``: the upsamplers, as a table or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from upbench.cli import console

LIST_WIDTH = 240


def list_upsamplers(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
) -> None:
    """List the upsamplers: name, year, scales, whether they need a guide, cost, advice and source."""
    from upbench.cases.shadowed import check_not_shadowed

    check_not_shadowed()
    from upbench.cases.listing import listing

    rows = listing()
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("name", "year", "scales", "guided"):
        table.add_column(heading, no_wrap=True)
    for heading in ("params", "MACs/px"):
        table.add_column(heading, no_wrap=True, justify="right")
    table.add_column("advice and source", min_width=40)
    for family, own in groupby(rows, key=lambda row: row.family):
        table.add_section()
        table.add_row(Text(family, "bold"))
        for row in own:
            table.add_row(
                row.name,
                _or_dash(row.year),
                row.scales,
                "yes" if row.guided else "",
                _or_dash(row.params),
                _or_dash(row.macs_per_pixel),
                Text.assemble(f"{row.advice} ", (row.paper, "dim")),
            )
    # In a pipe a line for each upsampler is what grep wants.
    console.show(table, LIST_WIDTH)
    console.say("Parameters and multiply-accumulates per low-resolution pixel at 64→64 channels and scale 2.")


def _or_dash(number: int | None) -> str:
    """Numbers above four digits with separators, so that a year has none."""
    return "–" if number is None else f"{number:,}" if number > 9999 else str(number)
