"""Waiting for other processes, by a clock that stands still while this one does.

Whoever is stopped, as by Ctrl-Z, and goes on later finds much time gone. Those that were waited for were stopped as
well, and have not had it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Any

STEP_S = 1.0
"""Of waiting at a time; a step that takes as much again has not been waited through."""


def ready(sources: Sequence[Any], timeout: float) -> list[Any]:
    """Those of some connections and sentinels that can be read from, as soon as there are any; none after ``timeout``.

    Args:
        sources: connections, sentinels, or whatever else has a file descriptor.
        timeout: seconds.
    """
    left_s = timeout
    while True:
        step_s = max(0.0, min(STEP_S, left_s))
        begun = time.monotonic()
        found = wait(sources, step_s)
        if found or left_s <= 0:
            return found
        took_s = time.monotonic() - begun
        if took_s < step_s + STEP_S:
            left_s -= took_s
