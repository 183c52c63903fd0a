"""``upbench recommend``: reads the question, has it answered from records, and prints the answer."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from upbench.cli import console
from upbench.errors import UsageError

if TYPE_CHECKING:
    from upbench.wording import Language, Message

WIDTH = 200
"""Of a table in a pipe."""


class ObjectiveChoice(StrEnum):
    """Values of ``--objective``."""

    latency = "latency"
    memory = "memory"
    flops = "flops"
    params = "params"
    psnr = "psnr"


def recommend(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Runs, and records of quality.")],
    scale: Annotated[str, typer.Option(help="Such as 4, 1.5, or 1.5x2 for height and width.")],
    channels: Annotated[str, typer.Option(help="That go in, such as 64.")],
    size: Annotated[str, typer.Option(help="Low-resolution height x width, such as 270x480.")],
    objective: Annotated[
        ObjectiveChoice, typer.Option(help="What is to be best among those that keep the limits.")
    ] = ObjectiveChoice.latency,
    max_latency: Annotated[str | None, typer.Option(help="Such as 4ms or 0.5s.")] = None,
    max_memory: Annotated[str | None, typer.Option(help="Such as 200MB, 200MiB or 1.5GB.")] = None,
    min_psnr: Annotated[float | None, typer.Option(help="In dB, such as 28.")] = None,
    out_channels: Annotated[str, typer.Option(help="Such as 3; 'same' for as many as go in.")] = "same",
    batch: Annotated[str, typer.Option(help="Such as 8.")] = "1",
    dtype: Annotated[str, typer.Option(help="float32, float64, bfloat16, float16.")] = "float32",
    layout: Annotated[str, typer.Option(help="contiguous, channels_last.")] = "contiguous",
    threads: Annotated[str, typer.Option(help="Threads of one operator.")] = "1",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:0.")] = "cpu",
    runtime: Annotated[str, typer.Option(help="eager, compiled, onnx, openvino, ncnn, litert.")] = "eager",
    step: Annotated[str, typer.Option(help="inference, training.")] = "inference",
    lang: Annotated[
        console.LanguageChoice, typer.Option(help="In which language to answer.")
    ] = console.LanguageChoice.en,
) -> None:
    """Which upsampler for a case, from records: with interpolation, its error, and what would change the answer.

    Exit codes: 0 answered, 1 these records cannot answer it, 2 wrong usage.
    """
    from upbench.cases.spelling import given_axes
    from upbench.recommend import reading, sentences
    from upbench.recommend.advice import advise, table
    from upbench.recommend.measurements import Surroundings
    from upbench.recommend.quantities import Objective
    from upbench.recommend.question import Question, bytes_of, decibels_of, seconds_of
    from upbench.recommend.recommendation import recommend as recommended

    axes = given_axes(
        scales=scale,
        channels=channels,
        sizes=size,
        batches=batch,
        out_channels=out_channels,
        dtypes=dtype,
        layouts=layout,
        threads=threads,
        devices=device,
        runtimes=runtime,
        steps=step,
    )
    if several := [axis for axis, values in axes.items() if len(values) > 1]:
        raise UsageError(f"a recommendation is for one case; got several values for {', '.join(several)}.")
    (out,), (height, width) = axes["out_channels"], axes["sizes"][0]
    names = ("dtypes", "layouts", "threads", "devices", "runtimes", "steps")
    surroundings = Surroundings(out, *(axes[name][0] for name in names))
    limits: dict[Objective, float] = {}
    if max_latency is not None:
        limits["latency"] = seconds_of(max_latency)
    if max_memory is not None:
        limits["memory"] = bytes_of(max_memory)
    if min_psnr is not None:
        limits["psnr"] = decibels_of(min_psnr)
    cell = surroundings.cell(axes["scales"][0], axes["channels"][0], height, width, axes["batches"][0])
    question = Question(cell, objective.value, limits)

    language: Language = lang.value
    sources = reading.read(files)
    for note in sources.notes:
        console.say(note.in_language(language), console.errors)
    found = recommended(sources.runs, sources.quality, question)
    advice = advise(found)
    for sentence in advice.answer:
        console.say(sentence.in_language(language))
    columns, rows = table(found)
    if rows:
        shown = Table(*(heading.in_language(language) for heading in columns))
        for row in rows:
            shown.add_row(*(_in_language(part, language) for part in row))
        console.show(shown, WIDTH)
    for heading, lines in ((sentences.would_change(), advice.changes), (sentences.about_the_figures(), advice.notes)):
        if lines:
            console.say(heading.in_language(language))
        for line in lines:
            console.say(f"• {line.in_language(language)}")
    for what_for, command in advice.commands:
        console.say(what_for.in_language(language))
        console.say(f"  {command}")
    if not found.answered:
        raise typer.Exit(console.EXIT_FAILED)


def _in_language(part: Message | str, language: Language) -> str:
    return part if isinstance(part, str) else part.in_language(language)
