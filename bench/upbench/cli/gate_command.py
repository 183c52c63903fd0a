"""``upbench gate``: from options to a gate, live, of stored runs, or on trial."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from upbench.cli import console
from upbench.errors import UsageError


class LatencyChoice(StrEnum):
    """Values of ``--latency``."""

    decide = "decide"
    advise = "advise"


def gate(
    suite: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE... | A.json B.json]",
            help="Files or folders with pytest-benchmark tests, and options for pytest; or two stored runs.",
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="REF", help="The commit, branch or tag to compare with.")
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, max=1, help="A smaller slowdown is of no interest.")] = 0.01,
    target: Annotated[float, typer.Option(min=0, max=1, help="Measure on until this slowdown is ruled out.")] = 0.03,
    budget: Annotated[float, typer.Option(min=0, help="Seconds altogether, beyond the launches always made.")] = 180.0,
    cores: Annotated[int, typer.Option(min=1, help="Cores of one benchmark, shared by both sides.")] = 1,
    venv: Annotated[
        bool, typer.Option("--venv", help="Install each side's code into an environment of its own.")
    ] = False,
    install: Annotated[str, typer.Option(help="With --venv: what pip installs in each tree, such as '.[test]'.")] = ".",
    exact: Annotated[list[str] | None, typer.Option(help="A further key of extra_info to compare exactly.")] = None,
    allow_new: Annotated[
        bool, typer.Option("--allow-new", help="A benchmark that fails on the reference's side alone is new.")
    ] = False,
    latency: Annotated[LatencyChoice, typer.Option(help="Whether latency decides or is only reported.")] = (
        LatencyChoice.decide
    ),
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for one answer of one side.")] = 300.0,
    markdown: Annotated[Path | None, typer.Option(dir_okay=False, help="Write a step summary.")] = None,
    junit: Annotated[Path | None, typer.Option(dir_okay=False, help="Write JUnit XML.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write everything measured.")] = None,
    trial: Annotated[int, typer.Option(min=0, help="Characterise this machine: so many gates of each kind.")] = 0,
    slow: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE:FUNCTION", help="With --trial: a function to slow down on purpose; repeatable."),
    ] = None,
    slowed: Annotated[
        int | None, typer.Option(min=1, help="With --trial: so many gates on slowed code instead of as many.")
    ] = None,
    output_file: Annotated[
        Path | None, typer.Option("--output", dir_okay=False, help="With --trial: where its records go.")
    ] = None,
) -> None:
    """Does this working tree make any benchmark slower, hungrier or wrong?

    Exit codes: 0 pass, 1 regression or error, 3 could not decide.
    """
    from upbench.gate import front
    from upbench.gate.procedure import GateSettings
    from upbench.gate.series import Rule
    from upbench.records.comparison import EXACT

    arguments = suite or []
    if target <= tolerance:
        raise UsageError(
            f"--target {target} must be above --tolerance {tolerance}, below which nothing is of interest."
        )
    rule = Rule(tolerance, target, (*EXACT, *(exact or ())), allow_new)
    if against is None:
        raise typer.Exit(front.stored(arguments, rule, latency is LatencyChoice.decide, console.output))
    settings = GateSettings(
        reference=against,
        rule=rule,
        budget_s=budget,
        cores=cores,
        install=install if venv else None,
        judge_latency=latency is LatencyChoice.decide,
        timeout_s=timeout,
    )
    files = front.Files(markdown=markdown, junit=junit, json=json_file)
    try:
        if trial or slow or slowed or output_file:
            code = front.trial(arguments, settings, trial, slowed, tuple(slow or ()), output_file, console.output)
        else:
            code = front.live(arguments, settings, files, console.output)
    except KeyboardInterrupt:
        # Neither a regression nor a pass.
        console.say("Interrupted; nothing was decided.", console.errors)
        code = console.EXIT_INTERRUPTED
    raise typer.Exit(code)
