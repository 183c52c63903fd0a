"""By how much the power at each radius is off: whether fine detail is missing, or too much.

Source: Durall et al., "Watch your Up-Convolution", CVPR 2020, for the mean over radii.
"""

from __future__ import annotations

import numpy as np

from upbench.quality.look import ImageMeter, Look
from upbench.quality.spectrum import mean_by_radius, power
from upbench.records.quality_run import MeterCard

BINS = 32


class RadialSpectrum(ImageMeter):
    """0 for equal spectra, 1 where all power is missing."""

    name = "radial_spectrum"
    card = MeterCard(
        "Radial spectrum error",
        "",
        "lower",
        "By how much the mean power at a radius differs from the original's, relative, mean over radii.",
    )

    def read(self, look: Look) -> float | None:
        ours, theirs = (mean_by_radius(power(plane), BINS) for plane in (look.output, look.original))
        there = theirs > 0
        return float(np.mean(np.abs(ours - theirs)[there] / theirs[there])) if there.any() else None
