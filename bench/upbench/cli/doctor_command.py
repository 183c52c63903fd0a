"""``upbench doctor``: what on this machine makes timings untrustworthy."""

from __future__ import annotations

from rich.table import Table

from upbench.cli import console


def doctor() -> None:
    """Say what on this machine makes timings untrustworthy, and what to do about it."""
    from upbench.machine.doctor import examine

    marks = {"good": "[green]good[/]", "caution": "[yellow]caution[/]", "unknown": "unknown"}
    table = Table("subject", "verdict", "seen", "what to do")
    for finding in examine():
        table.add_row(finding.subject, marks[finding.verdict], finding.seen, finding.advice)
    console.output.print(table)
