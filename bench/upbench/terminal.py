"""What prints to a terminal: texts as they are, of which none can steer it, whoever wrote them.

A name in a record, a file's name or the words of a failing benchmark may hold markup, or codes that clear the screen,
rename the window or turn the text around.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from upbench.wording import visible


class PlainConsole(Console):
    """A console for which no text is markup, and on which a control character is a name such as ``[U+001B]``."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False} | settings)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Take text for what will be seen of it, also where it is measured to find room for it."""
        return super().render_str(visible(text), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as any console; styles are ours, and the codes that make them come later."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)

    def say(self, text: str) -> None:
        """Print one line, however many there are in the text, without a break that would cut a path in a log."""
        self.print(" ".join(text.splitlines()), soft_wrap=True)
