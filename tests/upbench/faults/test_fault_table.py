"""The committed document is what the table says, and every row of it is shown by a test."""

from __future__ import annotations

import importlib
import os
import pkgutil
from itertools import groupby
from pathlib import Path

from tests.upbench import faults
from tests.upbench.faults.table import FAULTS, SHOWN

DOCUMENT = Path(__file__).parents[3] / "docs" / "faults.md"
BEGIN, END = "<!-- faults -->\n\n", "\n\n<!-- end of faults -->"


def tables() -> str:
    """The rows, a table for each part."""
    parts = []
    for part, rows in groupby(FAULTS.values(), key=lambda fault: fault.part):
        lines = [
            f"### {part[0].upper()}{part[1:]} …",
            "",
            "| … | how it is caused | what was kept | what the user reads |",
        ]
        lines.append("|---|---|---|---|")
        for fault in rows:
            cells = (fault.title, fault.cause, fault.kept, _as_code(fault.sentence))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _as_code(sentence: str) -> str:
    return sentence if sentence.endswith(".") and ":" not in sentence and "…" not in sentence else f"`{sentence}`"


def test_the_document_is_what_the_table_says() -> None:
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    shown, after = rest.split(END)
    if os.environ.get("UPDATE_GOLDEN"):
        DOCUMENT.write_text(before + BEGIN + tables() + END + after)
        return
    assert shown == tables()


def test_every_row_is_shown_by_a_test() -> None:
    for module in pkgutil.iter_modules(faults.__path__):
        if module.name.startswith("test_") and module.name != "test_fault_table":
            importlib.import_module(f"{faults.__name__}.{module.name}")
    assert FAULTS.keys() == SHOWN
