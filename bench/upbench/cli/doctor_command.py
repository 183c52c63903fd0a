"""``upbench doctor``: what on this machine makes timings untrustworthy."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from upbench.cli import console


def doctor() -> None:
    """Say what on this machine makes timings untrustworthy, and what to do about it."""
    from upbench.machine.doctor import examine

    styles = {"good": "green", "caution": "yellow", "unknown": ""}
    table = Table("subject", "verdict", "seen", "what to do")
    for finding in examine():
        table.add_row(finding.subject, Text(finding.verdict, styles[finding.verdict]), finding.seen, finding.advice)
    console.output.print(table)
