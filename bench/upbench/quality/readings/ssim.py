"""SSIM of luma, of whole numbers, without ``scale`` border pixels.

Source: Wang et al., IEEE TIP 2004: a Gaussian window of 11×11 with σ = 1.5, and the variances of the population.
"""

from __future__ import annotations

from skimage.metrics import structural_similarity

from upbench.quality.look import ImageMeter, Look
from upbench.quality.luma import without_border
from upbench.records.quality_run import MeterCard

WINDOW = 11
"""Pixels of its side, which an image must have at least."""


class Ssim(ImageMeter):
    """1 for equal images; None for those that are smaller than its window."""

    name = "ssim"
    card = MeterCard("SSIM", "", "higher", "Structural similarity of luma, without a border of s pixels; 1 is equal.")

    def read(self, look: Look) -> float | None:
        original, output = (without_border(each, look.scale) for each in (look.original, look.output))
        if min(original.shape) < WINDOW:
            return None
        ssim = structural_similarity(
            original, output, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        return float(ssim)
