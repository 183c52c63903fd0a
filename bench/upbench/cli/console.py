"""Where every command prints, and how it reads a run that it was given."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.table import Table

from upbench.records.record import Run, read_run

output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


class LanguageChoice(StrEnum):
    """Values of ``--lang``."""

    en = "en"
    zh = "zh"


def say(line: str, to: Console | None = None) -> None:
    """Print one line as it is: no markup, and no line breaks that would cut a path or a sentence in a log."""
    (to or output).print(line, markup=False, soft_wrap=True)


def show(table: Table, width: int) -> None:
    """Print a table; in a pipe, which has no width to fit into, as wide as told."""
    (output if output.is_terminal else Console(width=width, highlight=False)).print(table)


def read(file: Path) -> Run:
    """Read a run, and say what its reader should know of it."""
    found = read_run(file)
    if found.of_old_layout:
        say(f"{file}: {found.of_old_layout}", errors)
    return found
