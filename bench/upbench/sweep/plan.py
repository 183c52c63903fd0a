"""From axes to the cases that a sweep measures here."""

from __future__ import annotations

from upbench import runtimes
from upbench.cases.case import Case, GridError
from upbench.cases.grid import Axes, expand


def planned(axes: Axes) -> list[Case]:
    """Return the cases of a grid, whose runtimes are all to be had here.

    Raises:
        GridError: there is no such runtime, or it is not installed.
    """
    for name in axes.runtimes:
        if name not in runtimes.names():
            raise GridError(f"runtime must be one of {', '.join(runtimes.names())}; got {name!r}.")
        if (missing := runtimes.get(name).missing) is not None:
            raise GridError(missing)
    return expand(axes)
