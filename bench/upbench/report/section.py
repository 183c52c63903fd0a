"""A part of the page that only some runs have: what it says, in words and in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from upbench.report.drawing import Chart
from upbench.wording import Message


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        name: of its files, and its anchor.
        title: its heading.
        findings: in a sentence each.
        table: what they rest on.
        note: how to read the table.
        chart: of the same.
    """

    name: str
    title: Message
    findings: Sequence[Message]
    table: pd.DataFrame
    note: Message
    chart: Chart | None = None
