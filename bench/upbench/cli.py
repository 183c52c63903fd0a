"""The ``upbench`` command. It reads options, hands them to the rooms behind it, and prints; it decides nothing.

Exit codes: 0 done, 1 the thing asked about failed, 2 wrong usage, 3 the gate could not decide, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections import Counter
from dataclasses import asdict, replace
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from upbench.cli_recommend import recommend
from upbench.errors import UsageError, UserError
from upbench.progress import watcher_for
from upbench.records.record import Run, read_run

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    help="Which upsampler on this machine? Measures them, compares runs, and writes the report.",
    epilog="Example: upbench run --quick --output mine.json, then upbench report mine.json --output plots",
)
output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
LIST_WIDTH = 240


class AllocatorChoice(StrEnum):
    """Values of ``--allocator``."""

    pinned = "pinned"
    default = "default"


class LatencyChoice(StrEnum):
    """Values of ``--latency``."""

    decide = "decide"
    advise = "advise"


def main() -> None:
    """Run the command line; every expected error ends as one sentence and an exit code."""
    try:
        app()
    except UserError as error:
        _say(f"upbench: {error}", errors)
        sys.exit(error.exit_code)
    except OSError as error:
        _say(f"upbench: {error.filename}: {error.strerror}." if error.filename else f"upbench: {error}.", errors)
        sys.exit(EXIT_FAILED)
    except ValueError as error:
        # What an installed package offers as an upsampler is none. Only a command that has imported torch can meet it.
        if "upsample" not in sys.modules or not isinstance(error, sys.modules["upsample"].UpsampleError):
            raise
        _say(f"upbench: {error}", errors)
        sys.exit(EXIT_FAILED)


def _say(line: str, console: Console = output) -> None:
    """Print one line as it is: no markup, and no line breaks that would cut a path or a sentence in a log."""
    console.print(line, markup=False, soft_wrap=True)


def _read(file: Path) -> Run:
    """Read a run, and say what its reader should know of it."""
    found = read_run(file)
    if found.of_old_layout:
        _say(f"{file}: {found.of_old_layout}", errors)
    return found


@app.command(epilog="Example: upbench run --quick --scale 2,4 --channels 64 --output results/mine.json")
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
    runtime: Annotated[str | None, typer.Option(help="eager, compiled, onnx, openvino.")] = None,
    step: Annotated[str | None, typer.Option(help="inference, training.")] = None,
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
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted sweep of the same grid.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the cases and the estimated time only.")] = False,
    trial: Annotated[
        int,
        typer.Option(min=0, help="How often is this wrong here? So many runs of twins, half of them busy."),
    ] = 0,
) -> None:
    """Measure upsamplers on this machine and write the records."""
    from upbench.cases.shadowed import check_not_shadowed

    check_not_shadowed()
    from upbench.cases import grid
    from upbench.cases.spelling import given_axes
    from upbench.sweep import forecast, plan, session
    from upbench.sweep.settings import SweepSettings

    if quick and full:
        raise UsageError("--quick and --full exclude each other.")
    given = given_axes(
        upsamplers=",".join(upsampler) if upsampler else None,
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
    )
    own = [name for name in (*given.get("upsamplers", ()), *(module or ())) if ":" in name]
    if own:
        # As for python -m: what lies in the current folder can be imported, by the workers too.
        sys.path.insert(0, os.getcwd())
    axes = replace(grid.full() if full else grid.quick(), **given)
    if exact_forms:
        axes = replace(axes, upsamplers=grid.with_exact_forms(axes.upsamplers))
    if module:
        axes = replace(axes, upsamplers=(*axes.upsamplers, *module))
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
            _say(case.id)
        minutes = forecast.estimated_minutes(cases, settings)
        _say(f"{len(cases)} cases, roughly {max(1, round(minutes))} min on a modest core")
        return
    if output_file is None:
        raise UsageError("--output FILE.json is needed: where should the records go?")
    if trial:
        from upbench.sweep.twins import run_twins

        for line in run_twins(cases, settings, trial, output_file, watcher_for(errors)):
            _say(f"• {line}")
        return
    # A job that is cancelled keeps what it has measured, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        finished = session.measure_to_file(cases, settings, output_file, resume, errors)
    except KeyboardInterrupt:
        again = shlex.join(argument for argument in sys.argv[1:] if argument != "--resume")
        _say(f"Interrupted. Nothing that was measured is lost. To go on: upbench {again} --resume", errors)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    outcomes = Counter(record.outcome for record in finished.records)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    _say(f"{len(finished.records)} cases ({counts}) written to {output_file}")
    measured = any(record.measured for record in finished.records)
    # What a grid asks of upsamplers that cannot do it is no news, unless it is all that happened.
    expected = ("ok", "unsupported") if measured else ()
    for record in finished.records:
        if record.outcome not in expected:
            _say(f"  {record.outcome}: {record.case.id}: {record.outcome_reason}")
    if not measured:
        raise typer.Exit(EXIT_FAILED)


@app.command(epilog="Example: upbench report results/mine.json --output plots/mine")
def report(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Records of one machine.")],
    output_folder: Annotated[
        Path, typer.Option("--output", file_okay=False, help="Folder for page, tables and charts.")
    ],
) -> None:
    """Write the report page, its tables and its charts from records alone."""
    from upbench.gate.rates import TRIAL
    from upbench.records.repeatability import TWINS

    trials = [(file, kind) for file in files for kind in (TRIAL, TWINS) if kind.is_in(file)]
    if trials and len(files) > 1:
        raise UsageError(f"{trials[0][0]} is a trial, which is reported alone.")
    if trials:
        (file, kind) = trials[0]
        trial = kind.read(file)
        from upbench.report import write_trial_report, write_twins_report

        for line in (write_trial_report if kind == TRIAL else write_twins_report)(trial, output_folder):
            _say(f"• {line}")
        return
    runs = [_read(file) for file in files]
    # Pandas and matplotlib take seconds to import, which a damaged file need not wait for.
    from upbench.report import write_report

    for line in write_report(runs, output_folder):
        _say(f"• {line}")
    _say(f"Report: {output_folder / 'report.html'}")


@app.command(epilog="Example: upbench compare results/before.json results/after.json")
def compare(
    a: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The run to compare with.")],
    b: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The run in question.")],
) -> None:
    """Compare two runs case by case: how many times longer B takes than A, and what else changed."""
    from upbench.records.comparison import compare_runs, machine_differences, version_differences

    run_a, run_b = _read(a), _read(b)
    differences = machine_differences(run_a, run_b)
    if differences:
        _say(f"Different conditions ({', '.join(differences)}): latencies are not comparable and are left out.")
    if versions := version_differences(run_a, run_b):
        _say(f"Other software: {', '.join(versions)}. A difference may be its doing.")
    table = Table("case", "latency B/A", "95% interval", "verdict", "changed")
    for row in compare_runs(run_a, run_b):
        table.add_row(row.case_id, row.ratio_text, row.interval_text, row.verdict, ", ".join(row.changed) or "–")
    output.print(table)
    _say("Verdicts at 5 %, shared between all cases; drift of the machine between the two runs counts as a difference.")


app.command(
    epilog="Example: upbench recommend --scale 4 --channels 64 --size 270x480 --max-memory 200MB results/*.json"
)(recommend)


@app.command(
    epilog="Example: upbench gate --against main benchmarks --markdown summary.md; what follows -- is pytest's",
    context_settings={"ignore_unknown_options": True},
)
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
        raise typer.Exit(front.stored(arguments, rule, latency is LatencyChoice.decide, output))
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
            code = front.trial(arguments, settings, trial, slowed, tuple(slow or ()), output_file, output)
        else:
            code = front.live(arguments, settings, files, output)
    except KeyboardInterrupt:
        # Neither a regression nor a pass.
        _say("Interrupted; nothing was decided.", errors)
        code = EXIT_INTERRUPTED
    raise typer.Exit(code)


@app.command("list", epilog="Example: upbench list --json")
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
        table.add_row(f"[bold]{family}[/]")
        for row in own:
            table.add_row(
                row.name,
                _or_dash(row.year),
                row.scales,
                "yes" if row.guided else "",
                _or_dash(row.params),
                _or_dash(row.macs_per_pixel),
                f"{row.advice} [dim]{row.paper}[/]",
            )
    # In a pipe there is no width to fit into, and a line for each upsampler is what grep wants.
    (output if output.is_terminal else Console(width=LIST_WIDTH, highlight=False)).print(table)
    _say("Parameters and multiply-accumulates per low-resolution pixel at 64→64 channels and scale 2.")


def _or_dash(number: int | None) -> str:
    """Numbers above four digits with separators, so that a year has none."""
    return "–" if number is None else f"{number:,}" if number > 9999 else str(number)


@app.command(epilog="Example: upbench doctor")
def doctor() -> None:
    """Say what on this machine makes timings untrustworthy, and what to do about it."""
    from upbench.machine.doctor import examine

    marks = {"good": "[green]good[/]", "caution": "[yellow]caution[/]", "unknown": "unknown"}
    table = Table("subject", "verdict", "seen", "what to do")
    for finding in examine():
        table.add_row(finding.subject, marks[finding.verdict], finding.seen, finding.advice)
    output.print(table)
