"""What the command line and pytest share of the gate: run it, print it, write its files, and answer the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_benchmark.plugin import pytest_benchmark_generate_machine_info

from upbench.errors import UsageError
from upbench.gate import output, procedure
from upbench.gate.decision import Decision
from upbench.gate.procedure import GateSettings
from upbench.gate.series import Rule
from upbench.gate.stored import decide_stored
from upbench.gate.trees import find_suite
from upbench.gate.trial import run_trial
from upbench.progress import watcher_for
from upbench.records import compact
from upbench.records.record import read_run
from upbench.terminal import PlainConsole
from upbench.whole_file import write_text_whole


@dataclass(frozen=True)
class Files:
    """Where to write the report besides the terminal."""

    markdown: Path | None = None
    junit: Path | None = None
    json: Path | None = None


def live(arguments: Sequence[str], settings: GateSettings, files: Files, console: PlainConsole) -> int:
    """Compare the working tree with a commit, and return the exit code."""
    suite = find_suite(arguments)
    report = procedure.run(suite, settings, watcher_for(PlainConsole(stderr=True)))
    _print(report.decision, console)
    for line in report.notes:
        console.say(line)
    console.say(f"{report.launches} launches in {report.seconds:.0f} s against {report.commit[:12]}.")
    if files.markdown:
        write_text_whole(files.markdown, output.markdown(report, settings))
    if files.junit:
        write_text_whole(files.junit, output.junit(report))
    if files.json:
        write_text_whole(files.json, compact.dumps(output.as_dict(report, settings, machine_info())))
    return report.decision.exit_code


def stored(arguments: Sequence[str], rule: Rule, judge_latency: bool, console: PlainConsole) -> int:
    """Compare two stored runs, and return the exit code.

    Raises:
        UsageError: they are not two files.
        RecordError: one of them cannot be read.
    """
    paths = [Path(argument) for argument in arguments]
    if len(paths) != 2 or not all(path.is_file() for path in paths):
        raise UsageError("Give --against REF and a suite, or two files of stored runs: upbench gate A.json B.json.")
    decision = decide_stored(read_run(paths[0]), read_run(paths[1]), rule, judge_latency)
    _print(decision, console)
    return decision.exit_code


def trial(
    arguments: Sequence[str],
    settings: GateSettings,
    identical: int,
    slowed: int | None,
    slow: Sequence[str],
    file: Path | None,
    console: PlainConsole,
) -> int:
    """Characterise this machine by gates on identical and on slowed code, as many of both by default; return 0.

    Raises:
        UsageError: no number of runs, or no file.
    """
    if not identical or file is None:
        raise UsageError("A trial needs --trial N, the number of runs of each kind, and --output FILE.json.")
    if slowed and not slow:
        raise UsageError("--slowed needs --slow MODULE:FUNCTION, what to slow down.")
    slowed = identical if slowed is None else slowed
    for line in run_trial(find_suite(arguments), settings, identical, slowed, slow, file, console):
        console.say(line)
    return 0


def machine_info() -> dict[str, object]:
    """pytest-benchmark's description of the machine, without its name."""
    return {**pytest_benchmark_generate_machine_info(), "node": ""}


def _print(decision: Decision, console: PlainConsole) -> None:
    # In a log there is no width to fit into.
    (console if console.is_terminal else PlainConsole(width=output.LOG_WIDTH)).print(output.terminal_table(decision))
    for line in output.power_lines(decision):
        console.say(line)
    console.say(f"{decision.outcome.upper()}: {decision.sentence}")
