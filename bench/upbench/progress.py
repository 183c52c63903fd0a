"""How a sweep shows that it is alive: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_LINE_EVERY_S = 15.0


class Watcher(Protocol):
    """Who is told how far a sweep or a gate is; a context manager that leaves the terminal as it was."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def advance(self, done_launches: int, expected_launches: int, doing: str) -> None: ...


class Bar:
    """A rich progress bar; a context manager that restores the terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("measuring"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, done_launches: int, expected_launches: int, doing: str) -> None:
        self._progress.update(self._task, completed=done_launches, total=expected_launches, description=doing)


class Silent:
    """Nothing, for what shows its progress itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to restore."""

    def advance(self, done_launches: int, expected_launches: int, doing: str) -> None:
        """Nothing to show."""


class Lines(Silent):
    """A line every few seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = self._last = time.monotonic()
        self._done_before: int | None = None

    def advance(self, done_launches: int, expected_launches: int, doing: str) -> None:
        now = time.monotonic()
        if self._done_before is None:
            # What a resumed sweep found in its journal took no time now.
            self._done_before = done_launches - 1
        if now - self._last < PLAIN_LINE_EVERY_S and done_launches < expected_launches:
            return
        self._last = now
        rate = (now - self._start) / max(1, done_launches - self._done_before)
        left_s = rate * (expected_launches - done_launches)
        line = f"{done_launches}/{expected_launches} measured, about {left_s:.0f} s left, last: {doing}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def watcher_for(console: Console) -> Watcher:
    """A bar where there is a terminal to draw it on."""
    return Bar(console) if console.is_terminal else Lines(console)
