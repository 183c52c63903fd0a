"""Where a quantity changes that is the same in every run of the same code: any difference between versions is a change.

Where runs of one version differ nevertheless, as a peak may between builds of a library, nothing is made of it: a
version agrees with its neighbours if they have a value in common, and the fewest changes that explain all are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class ExactStep:
    """One change.

    Attributes:
        earliest, latest: numbers of the versions between which it lies at the latest: the first that may have the new
            value, and the first that must. They are the same unless a version had both.
        before, after: the values.
    """

    earliest: int
    latest: int
    before: float
    after: float


def exact_steps(values: Sequence[frozenset[float]]) -> list[ExactStep]:
    """The fewest changes that explain what was seen.

    Args:
        values: of each version in order, those that its runs had; none of them empty.
    """
    parts: list[tuple[int, frozenset[float]]] = []
    for number, seen in enumerate(values):
        if parts and (common := parts[-1][1] & seen):
            parts[-1] = parts[-1][0], common
        else:
            parts.append((number, seen))
    return [
        ExactStep(_first_with(values, old_start, start, new), start, min(old), min(new))
        for (old_start, old), (start, new) in pairwise(parts)
    ]


def _first_with(values: Sequence[frozenset[float]], start: int, latest: int, new: frozenset[float]) -> int:
    """The first version that may have had a new value already, after ``start``."""
    earliest = latest
    while earliest - 1 > start and values[earliest - 1] & new:
        earliest -= 1
    return earliest
