"""``upbench run``: from options to a sweep, and how it ended."""

from __future__ import annotations

import shlex
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from upbench.cli import console
from upbench.cli.chosen_grid import chosen_grid
from upbench.errors import UsageError
from upbench.progress import watcher_for
from upbench.records.record import Run


class AllocatorChoice(StrEnum):
    """Values of ``--allocator``."""

    pinned = "pinned"
    default = "default"


def run(
    output_file: Annotated[
        Path | None, typer.Option("--output", dir_okay=False, help="The JSON file to write; not needed to --dry-run.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The default grid: a few minutes.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The whole catalogue: half an hour or more.")] = False,
    upsampler: Annotated[list[str] | None, typer.Option(help="Name from 'upbench list'; may be repeated.")] = None,
    module: Annotated[
        list[str] | None, typer.Option(help="A class of your own, package.module:Class, beside the others; repeatable.")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Such as 2,3,4, 1.5, or 1.5x2 for height and width.")] = None,
    channels: Annotated[str | None, typer.Option(help="Such as 16,64; the width of a network's backbone.")] = None,
    out_channels: Annotated[str | None, typer.Option(help="Such as 3; 'same' for as many as go in.")] = None,
    size: Annotated[str | None, typer.Option(help="Low-resolution height x width, such as 96x96.")] = None,
    batch: Annotated[str | None, typer.Option(help="Such as 1,8.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float64, bfloat16, float16.")] = None,
    layout: Annotated[str | None, typer.Option(help="contiguous, channels_last.")] = None,
    threads: Annotated[str | None, typer.Option(help="Threads of one operator, such as 1,2.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:0.")] = None,
    runtime: Annotated[
        str | None, typer.Option(help="eager, compiled, cudagraph, onnx, openvino, ncnn, litert.")
    ] = None,
    step: Annotated[str | None, typer.Option(help="inference, training.")] = None,
    tf32: Annotated[str | None, typer.Option(help="On CUDA: off, on.")] = None,
    cudnn_benchmark: Annotated[str | None, typer.Option(help="On CUDA: off, on.")] = None,
    cache: Annotated[str | None, typer.Option(help="On CUDA, of each timed call: cold, warm.")] = None,
    exact_forms: Annotated[
        bool, typer.Option("--exact-forms", help="Beside each upsampler all its exact forms, such as subpixel.phases.")
    ] = False,
    precision: Annotated[
        float,
        typer.Option(min=0, help="Stop at this relative half-width of the 95% interval of the ratio to the fastest."),
    ] = 0.02,
    budget: Annotated[float, typer.Option(min=0, help="Seconds of launches for each case at most.")] = 10.0,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds for the whole sweep, as far as four launches a case allow.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which one worker is killed.")] = 120.0,
    allocator: Annotated[
        AllocatorChoice, typer.Option(help="Pinned for repeatable timings, default to time as deployed.")
    ] = AllocatorChoice.pinned,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted sweep of the same grid stopped.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the cases and the estimated time only.")] = False,
    fleet: Annotated[
        str | None,
        typer.Option(help="Measure on the machines of the Ray cluster at HOST:PORT or auto; 'local' starts one here."),
    ] = None,
    fleet_label: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE that a node of the fleet must have; repeatable.")
    ] = None,
    each_machine: Annotated[
        bool, typer.Option("--each-machine", help="All of it on every kind of machine, not on any of them.")
    ] = False,
    trial: Annotated[
        int,
        typer.Option(min=0, help="How often is this wrong here? So many runs of twins, half of them busy."),
    ] = 0,
) -> None:
    """Measure upsamplers on this machine and write the records."""
    if (fleet_label or each_machine) and not fleet:
        raise UsageError("--fleet-label and --each-machine say how --fleet measures: add --fleet ADDRESS.")
    if fleet and trial:
        raise UsageError("--trial tries one machine: leave --fleet out.")
    labels = _labels(fleet_label or ())
    from upbench.cases.shadowed import check_not_shadowed

    check_not_shadowed()
    from upbench.sweep import forecast, plan, session
    from upbench.sweep.settings import SweepSettings

    axes = chosen_grid(
        quick,
        full,
        upsampler,
        module,
        exact_forms,
        scales=scale,
        channels=channels,
        out_channels=out_channels,
        sizes=size,
        batches=batch,
        dtypes=dtype,
        layouts=layout,
        threads=threads,
        devices=device,
        runtimes=runtime,
        steps=step,
        tf32=tf32,
        cudnn_benchmark=cudnn_benchmark,
        caches=cache,
    )
    cases = plan.planned(axes)
    settings = SweepSettings(
        allocator=allocator.value,
        precision=precision,
        budget_s=budget,
        time_limit_s=time_limit,
        timeout_s=timeout,
    )
    if dry_run:
        for case in cases:
            console.say(case.id)
        minutes = forecast.estimated_minutes(cases, settings)
        console.say(f"{len(cases)} cases, roughly {max(1, round(minutes))} min on a modest core")
        return
    if output_file is None:
        raise UsageError("--output FILE.json is needed: where should the records go?")
    if trial:
        from upbench.sweep.twins import run_twins

        for line in run_twins(cases, settings, trial, output_file, watcher_for(console.errors)):
            console.say(f"• {line}")
        return
    # A job that is cancelled keeps what it has measured, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if fleet:
            from upbench.fleet.campaign import Fleet, measure_on_fleet

            machines = Fleet(fleet, labels, each_machine)
            written = measure_on_fleet(cases, settings, output_file, resume, machines, console.errors)
        else:
            written = {output_file: session.measure_to_file(cases, settings, output_file, resume, console.errors)}
    except KeyboardInterrupt:
        again = shlex.join(argument for argument in sys.argv[1:] if argument != "--resume")
        console.say(
            f"Interrupted. Nothing that was measured is lost. To go on: upbench {again} --resume", console.errors
        )
        raise typer.Exit(console.EXIT_INTERRUPTED) from None
    for file, finished in written.items():
        _tell(file, finished)
    if not any(record.measured for finished in written.values() for record in finished.records):
        raise typer.Exit(console.EXIT_FAILED)


def _labels(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := [text for text, (key, equals, _) in zip(given, pairs, strict=True) if not key or not equals]:
        raise UsageError(f"--fleet-label must be KEY=VALUE; got {wrong[0]!r}.")
    return {key: value for key, _, value in pairs}


def _tell(file: Path, finished: Run) -> None:
    """How a run ended: counts, and what went wrong."""
    outcomes = Counter(record.outcome for record in finished.records)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    console.say(f"{len(finished.records)} cases ({counts}) written to {file}")
    # What a grid asks of upsamplers that cannot do it is no news, unless it is all that happened.
    expected = ("ok", "unsupported") if any(record.measured for record in finished.records) else ()
    for record in finished.records:
        if record.outcome not in expected:
            console.say(f"  {record.outcome}: {record.case.id}: {record.outcome_reason}")
