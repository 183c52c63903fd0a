"""How the axes of the grid are spelt on a command line, the same for ``upbench`` and for ``pytest``."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any

from upbench.cases.case import GridError, Scale, normal_scale


def given_axes(**texts: str | None) -> dict[str, tuple[Any, ...]]:
    """Parse comma-separated values for each axis that was given, by the fields of :class:`upbench.cases.grid.Axes`.

    Raises:
        GridError: a value is not what its axis takes.
    """
    return {axis: _parse(axis, text) for axis, text in texts.items() if text is not None}


def _parse(axis: str, text: str) -> tuple[Any, ...]:
    convert = _CONVERTERS.get(axis, str)
    values = [part.strip() for part in text.split(",") if part.strip()]
    if not values:
        raise GridError(f"{axis} needs at least one value; got {text!r}.")
    try:
        return tuple(convert(value) for value in values)
    except ValueError:
        raise GridError(f"{axis} must be {_EXPECTED[axis]}; got {text!r}.") from None


def _scale(text: str) -> Scale:
    vertical, _, horizontal = text.partition("x")
    factors = float(vertical), float(horizontal or vertical)
    if not all(isfinite(factor) for factor in factors):
        raise ValueError(text)
    return normal_scale(*factors)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if match is None:
        raise ValueError(text)
    height = int(match[1])
    return height, int(match[2] or height)


def _out_channels(text: str) -> int | None:
    return None if text == "same" else int(text)


_WHOLE = "whole numbers separated by commas"
_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "scales": _scale,
    "channels": int,
    "batches": int,
    "threads": int,
    "out_channels": _out_channels,
    "sizes": _size,
}
_EXPECTED = {
    "scales": "numbers such as 2, 1.5, or 1.5x2 for height and width, separated by commas",
    "channels": _WHOLE,
    "batches": _WHOLE,
    "threads": _WHOLE,
    "out_channels": f"'same' or {_WHOLE}",
    "sizes": "height x width such as 96x96, separated by commas",
}
