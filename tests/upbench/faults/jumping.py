"""``upbench`` with a clock that somebody sets at every look: a day ahead, and back."""

from __future__ import annotations

import itertools
import time

from upbench.cli import main

DAY_S = 86_400.0

if __name__ == "__main__":
    clock, days = time.time, itertools.cycle((0.0, DAY_S, -DAY_S))
    time.time = lambda: clock() + next(days)
    main()
