"""Where the stack lies, which moves timings and is drawn anew for every launch.

The size of the environment shifts the stack of a process, and with it timings (Mytkowicz et al., ASPLOS 2009).
Processes that are forked from one server would all have the same; so each launch calls from a depth of its own.
"""

from __future__ import annotations

from collections.abc import Callable

MOST_FRAMES = 32
"""Depths to draw from; a page of the stack or more, after which its alignment repeats."""


def call_at_depth(frames: int, function: Callable[[], None]) -> None:
    """Call ``function`` with so many more frames on the processor's stack."""
    if frames == 0:
        function()
    else:
        # Only what C calls lies there; calls between Python functions take no room on it.
        list(map(lambda _: call_at_depth(frames - 1, function), (None,)))  # noqa: C417 -- a list's display calls no C
