"""What a gate has found, for people and for CI: terminal, Markdown, JUnit XML, JSON."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from rich import box
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from upbench.gate.decision import Decision, Kind, Verdict
from upbench.gate.procedure import GateReport, GateSettings
from upbench.wording import visible

SCHEMA = 1

ORDER: tuple[Kind, ...] = ("error", "regression", "undecided", "improvement", "new", "same", "skipped")
"""What a reader looks for comes first."""

COLOURS: dict[str, str] = {
    "error": "bold red",
    "regression": "bold red",
    "undecided": "yellow",
    "improvement": "green",
    "new": "cyan",
    "same": "",
    "skipped": "dim",
}
HEADINGS = ("verdict", "ratio", "95% interval", "sees ≥", "launches", "reference", "benchmark", "reason")
RIGHT = HEADINGS[1:6]
LOG_WIDTH = 160


def rows(verdicts: Sequence[Verdict]) -> list[tuple[str, ...]]:
    """The table's cells as text, the worst verdict first, pools after the benchmarks."""
    ordered = sorted(verdicts, key=lambda verdict: (ORDER.index(verdict.kind), verdict.pool))
    return [_cells(verdict) for verdict in ordered]


def _cells(verdict: Verdict) -> tuple[str, ...]:
    ratio = verdict.ratio
    return (
        verdict.kind,
        "–" if ratio is None else f"{ratio.estimate:.3f}",
        "–" if ratio is None else f"{ratio.low:.3f} to {ratio.high:.3f}",
        "–" if verdict.detectable is None else f"{verdict.detectable:.1%}",
        str(verdict.launches or "–"),
        "–" if verdict.call_s is None else seconds_text(verdict.call_s[0]),
        f"all of {verdict.name}" if verdict.pool else verdict.name,
        "; ".join(verdict.reasons) or "–",
    )


def seconds_text(seconds: float) -> str:
    """Three digits and a unit, such as ``12.3 ms``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        # 0.9996 ms has four digits in microseconds, rounded.
        if seconds >= 0.9995 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def terminal_table(decision: Decision) -> Table:
    """The table for a terminal; a reason stands under the benchmark's name."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in HEADINGS[:-1]:
        last = heading == HEADINGS[-2]
        table.add_column(
            heading,
            justify="right" if heading in RIGHT else "left",
            no_wrap=not last,
            overflow="fold",
            ratio=last or None,
        )
    for cells in rows(decision.verdicts):
        *numbers, name, reason = cells
        shown = name if reason == "–" else f"{name}\n  {reason}"
        # A test's parameters stand in brackets, which are no markup.
        table.add_row(*(Text(visible(cell)) for cell in (*numbers, shown)), style=COLOURS[cells[0]])
    return table


def power_lines(decision: Decision) -> list[str]:
    """What this run could have seen, and how the controls came out."""
    lines = []
    if decision.detectable is not None:
        worst = max(v.detectable for v in decision.verdicts if v.detectable is not None)
        lines.append(
            f"This machine could see slowdowns of {decision.detectable:.1%} and more in half of the benchmarks, "
            f"of {worst:.1%} in all (in 8 of 10 runs)."
        )
    for control in decision.controls:
        if control.ratio:
            ratio = control.ratio
            lines.append(
                f"{control.name}, same code on both sides: {ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
            )
    return lines


def markdown(report: GateReport, settings: GateSettings) -> str:
    """For a step summary: the outcome, what is worth reading, and everything else folded away."""
    decision = report.decision
    told = [verdict for verdict in decision.verdicts if verdict.kind not in ("same", "skipped")]
    quiet = [verdict for verdict in decision.verdicts if verdict.kind in ("same", "skipped")]
    mark = {"pass": "✅", "regression": "❌", "error": "❌", "inconclusive": "⚠️"}[decision.outcome]
    parts = [
        f"### {mark} Benchmarks against {_code(settings.reference)}: {decision.outcome}",
        _told(decision.sentence),
        *([_markdown_table(told)] if told else []),
        "\n".join(f"- {_told(line)}" for line in (*power_lines(decision), *report.notes)),
    ]
    if quiet:
        summary = f"<summary>{len(quiet)} without a change</summary>"
        parts.append(f"<details>{summary}\n\n{_markdown_table(quiet)}\n\n</details>")
    parts.append(
        f"{report.launches} launches in {report.seconds:.0f} s; tolerance {settings.rule.tolerance:.1%}; "
        f"reference {report.commit[:12]}"
    )
    return "\n\n".join(parts) + "\n"


def _markdown_table(verdicts: Sequence[Verdict]) -> str:
    cells = [[*map(_cell, (*numbers, _code(name), _told(reason)))] for *numbers, name, reason in rows(verdicts)]
    return str(tabulate(cells, headers=HEADINGS, tablefmt="github", disable_numparse=True))


def _told(text: str) -> str:
    """Somebody else's words as text: no markup and no links, and nobody is called by them."""
    return re.sub(r"[`\[]", r"\\\g<0>", html.escape(text, quote=False)).replace("@", "@\u200b")


def _code(text: str) -> str:
    """A name as code, within more backticks than it has in a row."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if "`" in text else ""
    return f"{fence}{space}{' '.join(text.split())}{space}{fence}"


def _cell(text: str) -> str:
    """What a table's cell can hold: one line, and no bar that would end it."""
    return " ".join(text.split()).replace("|", "\\|")


def junit(report: GateReport) -> str:
    """A test suite with a case for each benchmark and pool, and one for the outcome as a whole."""
    suite = TestSuite("upbench gate")
    passes = report.decision.outcome == "pass"
    for verdict in report.decision.verdicts:
        case = TestCase(_printable(verdict.name), classname="benchmark pool" if verdict.pool else "benchmark")
        text = _printable("; ".join(verdict.reasons))
        if verdict.kind == "error":
            case.result = [Error(text, "error")]
        elif verdict.kind == "regression" and not passes:
            case.result = [Failure(text, "regression")]
        elif verdict.kind in ("regression", "undecided", "skipped"):
            # A latency that is only reported must not fail what reads this file.
            case.result = [Skipped(f"{verdict.kind}: {text}")]
        cells = (_printable(cell) for cell in _cells(verdict))
        case.system_out = " | ".join(f"{heading}: {cell}" for heading, cell in zip(HEADINGS, cells, strict=True))
        suite.add_testcase(case)
    whole = TestCase("outcome", classname="gate")
    if report.decision.outcome == "inconclusive":
        whole.result = [Error(report.decision.sentence, "inconclusive")]
    # The sum of the cases' times is what the library takes the suite's to be.
    whole.time = report.seconds
    suite.add_testcase(whole)
    xml = JUnitXml()
    xml.add_testsuite(suite)
    return str(xml.tostring().decode())


def _printable(text: str) -> str:
    """Without the control characters that XML cannot hold, such as a terminal's colours."""
    return "".join(character for character in text if character.isprintable() or character == "\n")


def as_dict(report: GateReport, settings: GateSettings, machine: dict[str, Any]) -> dict[str, Any]:
    """The whole report as JSON values, every launch included."""
    decision = report.decision
    evidence = {each.nodeid: each for each in report.evidence}
    return {
        "upsample_bench_gate": SCHEMA,
        "outcome": decision.outcome,
        "exit_code": decision.exit_code,
        "sentence": decision.sentence,
        "notes": list(report.notes),
        "settings": asdict(settings),
        "reference_commit": report.commit,
        "launches": report.launches,
        "seconds": round(report.seconds, 2),
        "machine": machine,
        "verdicts": [
            {
                **asdict(verdict),
                "log_ratios": evidence[verdict.name].latency.values if verdict.name in evidence else None,
                "resident_peak_bytes": evidence[verdict.name].peaks if verdict.name in evidence else None,
            }
            for verdict in decision.verdicts
        ],
        "controls": {name: series.values for name, series in report.controls.items()},
    }
