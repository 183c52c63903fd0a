"""How a sweep or a gate shows that it is alive: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

PLAIN_LINE_EVERY_S = 15.0


class Watcher(Protocol):
    """Who is told how far a sweep or a gate is; a context manager that leaves the terminal as it was."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def advance(self, elapsed_s: float, left_s: float, doing: str) -> None: ...

    def say(self, line: str) -> None: ...


class Bar:
    """A rich progress bar; a context manager that restores the terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("measuring"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None, left="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, elapsed_s: float, left_s: float, doing: str) -> None:
        left = f"left: {timedelta(seconds=round(left_s))}"
        total = elapsed_s + left_s
        self._progress.update(self._task, completed=elapsed_s, total=total, left=left, description=doing)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)


class Silent:
    """Nothing, for what shows its progress itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to restore."""

    def advance(self, elapsed_s: float, left_s: float, doing: str) -> None:
        """Nothing to show."""

    def say(self, line: str) -> None:
        """Nothing to say."""


class Lines(Silent):
    """A line every few seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = time.monotonic()

    def advance(self, elapsed_s: float, left_s: float, doing: str) -> None:
        now = time.monotonic()
        if now - self._last < PLAIN_LINE_EVERY_S and left_s > 0:
            return
        self._last = now
        self.say(f"{elapsed_s:.0f} s measured, about {left_s:.0f} s left, last: {doing}")

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def watcher_for(console: Console) -> Watcher:
    """A bar where there is a terminal to draw it on."""
    return Bar(console) if console.is_terminal else Lines(console)
