"""``upbench export``: upsamplers as files that other programs run, each with an input and the expected output."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from upbench.cli import console
from upbench.errors import UsageError

if TYPE_CHECKING:
    from upbench.exporting.export_session import Exported

TABLE_WIDTH = 160


def export(
    onnx: Annotated[Path | None, typer.Option(file_okay=False, help="Folder for ONNX files.")] = None,
    ncnn: Annotated[Path | None, typer.Option(file_okay=False, help="Folder for ncnn's files.")] = None,
    tflite: Annotated[Path | None, typer.Option(file_okay=False, help="Folder for TensorFlow Lite's files.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="What people choose between.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The whole catalogue.")] = False,
    upsampler: Annotated[list[str] | None, typer.Option(help="Name from 'upbench list'; may be repeated.")] = None,
    module: Annotated[
        list[str] | None, typer.Option(help="A class of your own, package.module:Class; repeatable.")
    ] = None,
    exact_forms: Annotated[
        bool, typer.Option("--exact-forms", help="Beside each upsampler all its exact forms, such as subpixel.phases.")
    ] = False,
    scale: Annotated[str | None, typer.Option(help="Such as 2,3,4, 1.5, or 1.5x2 for height and width.")] = None,
    channels: Annotated[str | None, typer.Option(help="Such as 16,64; the width of a network's backbone.")] = None,
    out_channels: Annotated[str | None, typer.Option(help="Such as 3; 'same' for as many as go in.")] = None,
    size: Annotated[str | None, typer.Option(help="Low-resolution height x width, such as 96x96.")] = None,
    batch: Annotated[str | None, typer.Option(help="Such as 1,8.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32; for ONNX also float16.")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which one conversion is ended.")] = 300.0,
) -> None:
    """Write upsamplers as models for other runtimes, each in a folder of its own that says how to check it.

    Exit codes: 0 something was written, 1 nothing could be, 2 wrong usage.
    """
    folders = {name: folder for name, folder in (("onnx", onnx), ("ncnn", ncnn), ("tflite", tflite)) if folder}
    if not folders:
        raise UsageError("say in which format, and where to: --onnx DIR, --ncnn DIR, --tflite DIR, or several of them.")
    if quick and full:
        raise UsageError("--quick and --full exclude each other.")
    if not (quick or full or upsampler or module):
        raise UsageError("say what to export: --upsampler NAME, --module package.module:Class, --quick or --full.")
    from upbench.cases.shadowed import check_not_shadowed

    check_not_shadowed()
    from upbench.cases import grid
    from upbench.cases.spelling import given_axes
    from upbench.exporting.export_session import export_all, ordered

    given = given_axes(
        upsamplers=",".join(upsampler) if upsampler else None,
        scales=scale,
        channels=channels,
        out_channels=out_channels,
        sizes=size,
        batches=batch,
        dtypes=dtype,
    )
    if any(":" in name for name in (*given.get("upsamplers", ()), *(module or ()))):
        # As for python -m: what lies in the current folder can be imported, by the workers too.
        sys.path.insert(0, os.getcwd())
    axes = grid.full() if full else grid.quick()
    if module and not (quick or full or upsampler):
        axes = replace(axes, upsamplers=())
    axes = replace(axes, **given)
    if exact_forms:
        axes = replace(axes, upsamplers=grid.with_exact_forms(axes.upsamplers))
    axes = replace(axes, upsamplers=(*axes.upsamplers, *(module or ())))
    orders = ordered(axes, folders)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        done = export_all(orders, timeout, _tell)
    except KeyboardInterrupt:
        console.say("Interrupted. What was written is whole.", console.errors)
        raise typer.Exit(console.EXIT_INTERRUPTED) from None
    console.show(_table(done), TABLE_WIDTH)
    for name, folder in folders.items():
        counts = Counter(each.outcome == "ok" for each in done if each.format.name == name)
        console.say(f"{counts[True]} of {counts.total()} written to {folder}")
    if not any(each.outcome == "ok" for each in done):
        raise typer.Exit(console.EXIT_FAILED)


def _tell(ended: Exported) -> None:
    what = ended.folder if ended.outcome == "ok" else f"{ended.outcome}: {ended.folder.name} as {ended.format.title}"
    console.say(f"{what}{f': {ended.reason}' if ended.reason else ''}", console.errors)


def _table(done: Sequence[Exported]) -> Table:
    """One row for each case, one column for each format: how far from the definition, or a dash."""
    formats = dict.fromkeys(each.format.title for each in done)
    errors = {(each.folder.name, each.format.title): each.error for each in done}
    table = Table(box=box.SIMPLE_HEAD, caption="largest difference from the definition, over the largest value")
    table.add_column("case", no_wrap=True)
    for title in formats:
        table.add_column(title, no_wrap=True, justify="right")
    for name in dict.fromkeys(each.folder.name for each in done):
        cells = [errors.get((name, title)) for title in formats]
        table.add_row(name, *("–" if error is None else f"{error:.0e}" for error in cells))
    return table
