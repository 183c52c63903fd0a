"""Where a case lies between measured ones: log pixels across, log channels up, and triangles between the points.

A power law of pixels and channels is a plane over it. Between points that lie on one line there are segments instead of
triangles; beyond all points there is nothing, as nothing is extrapolated. The report's page reckons with the same
triangles, so that it needs no triangulation of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import dist, log

import numpy as np
import scipy

from upbench.cases.case import Cell

Place = tuple[float, float]
"""Logarithms of a cell's pixels, of all images of a batch together, and of its channels."""

EDGE = 1e-9
"""How far outside a triangle, as a share of it, still lies on its edge, for all that rounding may do."""


@dataclass(frozen=True)
class Between:
    """The measured places around one, and what share each has in it.

    Attributes:
        shares: by place; they add up to 1.
        gap: how far apart the places are, the farthest two, in logarithms; 0 at a measured place.
    """

    shares: Mapping[Place, float]
    gap: float


def place(cell: Cell) -> Place:
    """Where a cell lies; the sides of the image do not matter, only its pixels do."""
    return log(cell.batch * cell.height * cell.width), log(cell.in_channels)


def between(places: frozenset[Place], at: Place) -> Between | None:
    """The places around ``at``; None if it lies outside them all."""
    best: tuple[float, ...] = ()
    corners: tuple[Place, ...] = ()
    for simplex in mesh(places):
        shares = _shares(simplex, at)
        if shares and (not best or min(shares) > min(best)):
            best, corners = shares, simplex
    if not best or min(best) < -EDGE:
        return None
    used = {corner: share for corner, share in zip(corners, best, strict=True) if share > EDGE}
    return Between(used, max(dist(a, b) for a in used for b in used))


@lru_cache(maxsize=4096)
def mesh(places: frozenset[Place]) -> tuple[tuple[Place, ...], ...]:
    """Delaunay's triangles between the places, segments if all lie on one line, or the only one there is.

    Either axis counts by its own span, as sizes are often far more apart than channels are.
    """
    ordered = sorted(places)
    if len(ordered) < 2:
        return (tuple(ordered),) if ordered else ()
    points = np.array(ordered)
    spans = np.ptp(points, axis=0)
    scaled = points / np.where(spans > 0, spans, 1)
    if np.linalg.matrix_rank(scaled - scaled.mean(axis=0), tol=1e-6) < 2:
        return tuple(pairwise(ordered))
    triangles = scipy.spatial.Delaunay(scaled).simplices
    return tuple(tuple(ordered[corner] for corner in triangle) for triangle in triangles.tolist())


def _shares(simplex: Sequence[Place], at: Place) -> tuple[float, ...]:
    """Barycentric coordinates; none for what lies beside a segment or a point, or in a triangle without an area."""
    (x, y), *others = ((corner[0] - at[0], corner[1] - at[1]) for corner in simplex)
    if not others:
        return (1.0,) if max(abs(x), abs(y)) < EDGE else ()
    if len(others) == 1:
        along = others[0][0] - x, others[0][1] - y
        length = along[0] ** 2 + along[1] ** 2
        if abs(x * along[1] - y * along[0]) > EDGE * length:
            return ()
        share = -(x * along[0] + y * along[1]) / length
        return 1 - share, share
    (x2, y2), (x3, y3) = others
    parts = x2 * y3 - x3 * y2, x3 * y - x * y3, x * y2 - x2 * y
    area = sum(parts)
    if abs(area) < EDGE:
        return ()
    return parts[0] / area, parts[1] / area, parts[2] / area
