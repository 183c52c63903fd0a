"""Where every command prints, and how it reads a run that it was given."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from rich.table import Table

from upbench.records.record import Run, read_run
from upbench.terminal import PlainConsole

output = PlainConsole()
errors = PlainConsole(stderr=True)

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


class LanguageChoice(StrEnum):
    """Values of ``--lang``."""

    en = "en"
    zh = "zh"


def say(line: str, to: PlainConsole | None = None) -> None:
    """Print one line, without line breaks that would cut a path or a sentence in a log."""
    (to or output).say(line)


def show(table: Table, width: int) -> None:
    """Print a table; in a pipe, which has no width to fit into, as wide as told."""
    (output if output.is_terminal else PlainConsole(width=width)).print(table)


def read(file: Path) -> Run:
    """Read a run, and say what its reader should know of it."""
    found = read_run(file)
    if found.of_old_layout:
        say(f"{file}: {found.of_old_layout}", errors)
    return found
