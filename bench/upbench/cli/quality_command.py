"""``upbench quality``: how good upsampled images are, before and after training."""

from __future__ import annotations

import shlex
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from upbench.cli import console
from upbench.errors import UsageError

QUICK_STEPS, STEPS, SEEDS = 150, 400, 3
WIDTH = 140


class KernelChoice(StrEnum):
    """Values of ``--kernel``."""

    matlab = "matlab"
    torch = "torch"


def quality(
    output_file: Annotated[Path, typer.Option("--output", dir_okay=False, help="The JSON file to write.")],
    train: Annotated[
        bool,
        typer.Option("--train", help="Train a small network with each upsampler: half an hour on two cores."),
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Train a few of them at scale 2 with one seed: a minute.")
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A folder to judge by instead of the held-out photographs."),
    ] = None,
    scale: Annotated[str, typer.Option(help="Whole scales, such as 2,3,4.")] = "",
    upsampler: Annotated[
        list[str] | None, typer.Option(help="With --train: name from 'upbench list'; may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="With --train: trainings of each network.")] = SEEDS,
    first_seed: Annotated[int, typer.Option(min=0, help="The others count on from it.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each training.")] = None,
    kernel: Annotated[
        KernelChoice,
        typer.Option(help="How images are made small: antialiased, a = -0.5; or PyTorch's default, a = -0.75."),
    ] = KernelChoice.matlab,
    time_limit: Annotated[
        float | None, typer.Option(min=1, help="Seconds after which nothing more is begun and what runs is ended.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run of the same options stopped.")
    ] = False,
) -> None:
    """Judge upsampled images: fidelity, fine detail and artefacts, of interpolations and of trained networks."""
    from upbench.cases.shadowed import check_not_shadowed

    check_not_shadowed()
    from upbench.cases.spelling import given_axes
    from upbench.quality.contest import QualitySettings, judge_to_file
    from upbench.quality.contestants import COMPARED, QUICKLY_COMPARED
    from upbench.quality.lesson import Curriculum

    if quick and (train or upsampler or scale):
        raise UsageError(
            "--quick has its own few networks at scale 2: it goes without --train, --upsampler and --scale."
        )
    if upsampler and not train:
        raise UsageError("--upsampler says whom to train, which needs --train.")
    scales = given_axes(scales=scale)["scales"] if scale else (2,) if quick else (2, 4) if train else (2, 3, 4)
    scales = tuple(dict.fromkeys(scales))
    if not all(isinstance(each, int) and each >= 2 for each in scales):
        raise UsageError(f"--scale must be whole scales of at least 2, such as 2,3,4; got {scale!r}.")
    # Untrained upsamplers are not judged by the images of a folder.
    started = QUICKLY_COMPARED if quick else tuple(upsampler) if upsampler else () if images and not train else None
    settings = QualitySettings(
        scales=scales,
        started=started,
        upsamplers=QUICKLY_COMPARED if quick else tuple(upsampler or COMPARED) if train else (),
        quick=quick,
        seeds=1 if quick else seeds,
        first_seed=first_seed,
        curriculum=Curriculum(
            steps or (QUICK_STEPS if quick else STEPS), kernel.value, str(images.resolve()) if images else None
        ),
        time_limit_s=time_limit,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run = judge_to_file(settings, output_file, resume, console.errors)
    except KeyboardInterrupt:
        again = shlex.join(argument for argument in sys.argv[1:] if argument != "--resume")
        console.say(f"Interrupted. Nothing that was judged is lost. To go on: upbench {again} --resume", console.errors)
        raise typer.Exit(console.EXIT_INTERRUPTED) from None
    from upbench.records.quality_statistics import mean_of

    table = Table("contestant", "scale", "league", "PSNR, dB", "SSIM", "high-frequency error", "phase gain spread")
    for each in run.contestants:
        found = [mean_of(run, each.id, meter) for meter in ("psnr", "ssim", "high_frequency", "gain_spread")]
        if found[0] is not None:
            digits = zip(found, (2, 4, 3, 4), strict=True)
            figures = ["–" if value is None else f"{value:.{places}f}" for value, places in digits]
            table.add_row(run.title(each), f"×{each.scale}", each.league, *figures)
    console.show(table, WIDTH)
    for training in run.trainings:
        if training.outcome != "ok":
            console.say(f"  {training.outcome}: {training.contestant}, seed {training.seed}: {training.reason}")
    console.say(f"{len(run.contestants)} contestants, {len(run.starts)} upsamplers untrained, written to {output_file}")
    if all(training.outcome != "ok" for training in run.trainings):
        raise typer.Exit(console.EXIT_FAILED)
