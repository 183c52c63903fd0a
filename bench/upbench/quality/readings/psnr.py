"""PSNR as the papers of super-resolution have it: of luma alone, of whole numbers, without ``scale`` border pixels.

Source: Dong et al. (SRCNN), ECCV 2014, for luma and border.

Traps: luma from 0 to 255, no crop, or images that were not rounded give other figures, by 0.1 to 1.5 dB.
"""

from __future__ import annotations

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from upbench.quality.look import ImageMeter, Look
from upbench.quality.luma import without_border
from upbench.records.quality_run import MeterCard


class Psnr(ImageMeter):
    """In dB; None for equal images, whose PSNR is infinite, and where the border is all there is."""

    name = "psnr"
    card = MeterCard(
        "PSNR", "dB", "higher", "Peak signal-to-noise ratio of luma (BT.601, 16 to 235), without a border of s pixels."
    )

    def read(self, look: Look) -> float | None:
        original, output = (without_border(each, look.scale) for each in (look.original, look.output))
        if not original.size or np.array_equal(original, output):
            return None
        return float(peak_signal_noise_ratio(original, output, data_range=255))
