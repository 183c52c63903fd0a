"""``upbench export``: upsamplers as files that other programs run, and as a page that a browser measures."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from upbench.cli import console
from upbench.cli.chosen_grid import chosen_grid
from upbench.errors import UsageError
from upbench.progress import watcher_for

if TYPE_CHECKING:
    from upbench.cases.grid import Axes
    from upbench.exporting.export_session import Exported

TABLE_WIDTH = 160


def export(
    onnx: Annotated[Path | None, typer.Option(file_okay=False, help="Folder for ONNX files.")] = None,
    ncnn: Annotated[Path | None, typer.Option(file_okay=False, help="Folder for ncnn's files.")] = None,
    tflite: Annotated[Path | None, typer.Option(file_okay=False, help="Folder for TensorFlow Lite's files.")] = None,
    web: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for a page that measures the grid in a browser.")
    ] = None,
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
    threads: Annotated[
        str | None, typer.Option(help="That the page offers, such as 1,4; one and up to four unless given.")
    ] = None,
    ort_web: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="What 'npm pack onnxruntime-web' wrote, where npm is far."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which one conversion is ended.")] = 300.0,
) -> None:
    """Write upsamplers as models for other runtimes, each in a folder of its own that says how to check it.

    With --web also, or instead, a page that measures them in any browser; 'upbench serve' hands it out.

    Exit codes: 0 something was written, 1 nothing could be, 2 wrong usage.
    """
    folders = {name: folder for name, folder in (("onnx", onnx), ("ncnn", ncnn), ("tflite", tflite)) if folder}
    if not folders and web is None:
        raise UsageError("say what to write, and where to: --onnx, --ncnn, --tflite or --web DIR, or several of them.")
    if web is None and (threads or ort_web):
        raise UsageError("--threads and --ort-web are of a page: --web DIR.")
    if folders and not (quick or full or upsampler or module):
        raise UsageError("say what to export: --upsampler NAME, --module package.module:Class, --quick or --full.")
    from upbench.cases.shadowed import check_not_shadowed

    check_not_shadowed()
    axes = chosen_grid(
        quick,
        full,
        upsampler,
        module,
        exact_forms,
        module_alone=True,
        scales=scale,
        channels=channels,
        out_channels=out_channels,
        sizes=size,
        batches=batch,
        dtypes=dtype,
        threads=threads,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        written = [_write_models(axes, folders, timeout)] if folders else []
        if web is not None:
            written.append(_write_page(axes, web, axes.threads if threads else (), ort_web))
    except KeyboardInterrupt:
        console.say("Interrupted. What was written is whole.", console.errors)
        raise typer.Exit(console.EXIT_INTERRUPTED) from None
    if not any(written):
        raise typer.Exit(console.EXIT_FAILED)


def _write_models(axes: Axes, folders: Mapping[str, Path], timeout: float) -> bool:
    """Write a folder for each case and format, and say what became of them; whether any could be written."""
    from upbench.exporting.export_session import export_all, ordered

    # A model knows nothing of threads.
    done = export_all(ordered(replace(axes, threads=(1,)), folders), timeout, _tell)
    console.show(_table(done), TABLE_WIDTH)
    for name, folder in folders.items():
        counts = Counter(each.outcome == "ok" for each in done if each.format.name == name)
        console.say(f"{counts[True]} of {counts.total()} written to {folder}")
    return any(each.outcome == "ok" for each in done)


def _write_page(axes: Axes, folder: Path, threads: Sequence[int], ort_web: Path | None) -> bool:
    """Write the page, and say which cases it cannot measure; whether it can measure any."""
    from upbench import runtimes
    from upbench.sweep import plan

    if (missing := runtimes.get("onnx").missing) is not None:
        raise UsageError(missing)
    from upbench.web.site_folder import write_site

    cases = plan.planned(replace(axes, threads=(1,)))
    site = write_site(cases, threads, folder, ort_web, watcher_for(console.errors))
    for case in site.plan["cases"]:
        if case["outcome"] not in ("ok", "unsupported"):
            console.say(f"  {case['outcome']}: {case['upsampler']}: {case['reason']}")
    console.say(f"{site.ready} of {len(cases)} cases can be measured in a browser: upbench serve {folder}")
    return bool(site.ready)


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
