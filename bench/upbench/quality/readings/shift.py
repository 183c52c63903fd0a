"""How far an enlarged image lies from where it belongs.

Source: Lucas & Kanade, IJCAI 1981: the move that explains the difference of two images by their slopes, in least
squares. On photographs it finds a planted move to 0.02 pixels; the peak of their correlation, as scikit-image has it,
is drawn to 0 by what the edges of a cut-out have in common, and finds 0.4 of 0.7.

Traps: a blur over 2×2 pixels moves the image by half a pixel, and a transposed convolution with another padding by
whole ones; ``align_corners`` moves it by more the further from the middle, and not at all on average, so that each
quarter of the image is looked at. None of it shows in a loss that is trained around it.
"""

from __future__ import annotations

from itertools import product
from math import hypot

import numpy as np
from scipy import ndimage

from upbench.quality.look import ImageMeter, Look, Plane
from upbench.records.quality_run import MeterCard

BLUR = 1.5
"""Pixels, by which both are smoothed: slopes then tell further than a pixel, and nearest's steps are none."""

STEPS = 5
SETTLED = 0.02
"""Pixels of the last step; one that is larger has found nothing."""

MARGIN = 8
"""Pixels at the edges that moving fills with something else."""


class Shift(ImageMeter):
    """In pixels of the output: the largest of those of its four quarters; None where one cannot be told."""

    name = "shift"
    card = MeterCard(
        "Shift", "px", "lower", "How many pixels the quarter that lies furthest from its place is away from it."
    )

    def read(self, look: Look) -> float | None:
        height, width = (size // 2 for size in look.output.shape)
        if min(height, width) <= 4 * MARGIN:
            return None
        found = []
        for top, left in product((0, height), (0, width)):
            quarter = (slice(top, top + height), slice(left, left + width))
            move = moved_by(look.output[quarter], look.original[quarter])
            if move is None:
                return None
            found.append(hypot(*move))
        return max(found)


def moved_by(plane: Plane, reference: Plane) -> tuple[float, float] | None:
    """Return by how many pixels a plane lies below and to the right of the reference; None if that cannot be told."""
    ours, theirs = (ndimage.gaussian_filter(each, BLUR) for each in (plane, reference))
    inner = (slice(MARGIN, -MARGIN),) * 2
    total, step = np.zeros(2), np.zeros(2)
    for _ in range(STEPS):
        back = ndimage.shift(ours, -total, order=3, mode="nearest")
        slopes = np.stack([each[inner].ravel() for each in np.gradient((back + theirs) / 2)], 1)
        step, _, rank, _ = np.linalg.lstsq(slopes, (theirs - back)[inner].ravel(), rcond=None)
        total += step
        if rank < 2 or np.abs(total).max() > MARGIN:
            return None
    return (float(total[0]), float(total[1])) if np.abs(step).max() <= SETTLED else None
