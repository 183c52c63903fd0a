"""``upbench export``: a grid for other places than this machine, such as a visitor's browser."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from upbench.cli import console
from upbench.errors import UsageError
from upbench.progress import watcher_for


def export(
    web: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write a page that measures the grid in a browser.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The default grid.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The whole catalogue.")] = False,
    upsampler: Annotated[list[str] | None, typer.Option(help="Name from 'upbench list'; may be repeated.")] = None,
    module: Annotated[
        list[str] | None, typer.Option(help="A class of your own, package.module:Class, beside the others; repeatable.")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Such as 2,3,4, 1.5, or 1.5x2 for height and width.")] = None,
    channels: Annotated[str | None, typer.Option(help="Such as 16,64; the width of a network's backbone.")] = None,
    out_channels: Annotated[str | None, typer.Option(help="Such as 3; 'same' for as many as go in.")] = None,
    size: Annotated[str | None, typer.Option(help="Low-resolution height x width, such as 96x96.")] = None,
    batch: Annotated[str | None, typer.Option(help="Such as 1,8.")] = None,
    threads: Annotated[
        str | None, typer.Option(help="That the page offers, such as 1,4; one and up to four unless given.")
    ] = None,
    exact_forms: Annotated[
        bool, typer.Option("--exact-forms", help="Beside each upsampler all its exact forms, such as subpixel.phases.")
    ] = False,
    ort_web: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="What 'npm pack onnxruntime-web' wrote, where npm is far."),
    ] = None,
) -> None:
    """Write a grid as a page that measures it in any browser; 'upbench serve' hands it out."""
    if web is None:
        raise UsageError("--web DIR is needed: where should the page go?")
    if quick and full:
        raise UsageError("--quick and --full exclude each other.")
    from upbench.cases.shadowed import check_not_shadowed

    check_not_shadowed()
    from upbench import runtimes
    from upbench.cases import grid
    from upbench.cases.spelling import given_axes
    from upbench.sweep import plan

    given = given_axes(
        upsamplers=",".join(upsampler) if upsampler else None,
        scales=scale,
        channels=channels,
        out_channels=out_channels,
        sizes=size,
        batches=batch,
        threads=threads,
    )
    if any(":" in name for name in (*given.get("upsamplers", ()), *(module or ()))):
        # As for python -m: what lies in the current folder can be imported.
        sys.path.insert(0, os.getcwd())
    axes = replace(grid.full() if full else grid.quick(), **given)
    if exact_forms:
        axes = replace(axes, upsamplers=grid.with_exact_forms(axes.upsamplers))
    if module:
        axes = replace(axes, upsamplers=(*axes.upsamplers, *module))
    if (missing := runtimes.get("onnx").missing) is not None:
        raise UsageError(missing)
    from upbench.web.site_folder import write_site

    # A model knows nothing of threads, which the page sets.
    cases = plan.planned(replace(axes, threads=(1,)))
    site = write_site(cases, given.get("threads", ()), web, ort_web, watcher_for(console.errors))
    for case in site.plan["cases"]:
        if case["outcome"] not in ("ok", "unsupported"):
            console.say(f"  {case['outcome']}: {case['upsampler']}: {case['reason']}")
    console.say(f"{site.ready} of {len(cases)} cases can be measured in a browser: upbench serve {web}")
    if not site.ready:
        raise typer.Exit(console.EXIT_FAILED)
