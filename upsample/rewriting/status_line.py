"""One line on a terminal that says what is going on; nothing where nobody looks."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self


class StatusLine:
    """Overwrites its line on standard error, and leaves nothing behind."""

    def __enter__(self) -> Self:
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        return self

    def say(self, text: str) -> None:
        """Show what is going on now."""
        if self._shown:
            print(f"\r\x1b[2Krewrite: {text}", end="", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
