"""How far an enlarged image lies from where it belongs.

Source: Guizar-Sicairos et al., Optics Letters 2008, for shifts of fractions of a pixel, as scikit-image has it.

Traps: a blur over 2×2 pixels moves the image by half a pixel, and a transposed convolution with another padding by whole
ones; ``align_corners`` moves it by more the further from the middle, and not at all on average, so that each quarter of
the image is looked at. None of it shows in a loss that is trained around it.
"""

from __future__ import annotations

from itertools import product
from math import hypot

from skimage.registration import phase_cross_correlation

from upbench.quality.look import ImageMeter, Look
from upbench.records.quality_run import MeterCard

FRACTIONS = 50
"""Of a pixel, to which a shift is known."""


class Shift(ImageMeter):
    """In pixels of the output: the largest of those of its four quarters."""

    name = "shift"
    card = MeterCard(
        "Shift", "px", "lower", "How many pixels the quarter that lies furthest from its place is away from it."
    )

    def read(self, look: Look) -> float:
        height, width = (size // 2 for size in look.output.shape)
        found = []
        for top, left in product((0, height), (0, width)):
            quarter = (slice(top, top + height), slice(left, left + width))
            away, *_ = phase_cross_correlation(
                look.original[quarter], look.output[quarter], upsample_factor=FRACTIONS, normalization=None
            )
            found.append(hypot(*map(float, away)))
        return max(found)
