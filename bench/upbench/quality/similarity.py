"""PSNR and SSIM as the papers of super-resolution have them: of luma alone, without the border, of whole numbers.

Luma is BT.601's, from 16 to 235, as MATLAB's ``rgb2ycbcr`` makes it; ``scale`` pixels are cut off at each side.

Sources: Wang et al. (SSIM), IEEE TIP 2004; Dong et al. (SRCNN), ECCV 2014, for luma and border.

Traps: luma from 0 to 255, no crop, or images that were not rounded give other figures, by 0.1 to 1.5 dB. SSIM's window
is a Gaussian of 11×11 with σ = 1.5, and its variances are those of the population.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from upbench.quality.photographs import Rgb

LUMA = np.array([65.481, 128.553, 24.966]) / 255
"""BT.601 weights of red, green and blue from 0 to 255, for luma from 16 to 235."""


@dataclass(frozen=True)
class Similarity:
    """How near an image comes to another: PSNR in dB, infinite for equal ones, and SSIM, 1 for equal ones."""

    psnr: float
    ssim: float


def luma(image: Rgb) -> npt.NDArray[np.float64]:
    """Return Y of ``(H, W, 3)``, 16 to 235, not rounded."""
    return np.asarray(image @ LUMA + 16, dtype=np.float64)


def compare(image: Rgb, reference: Rgb, border: int) -> Similarity:
    """Compare two images of the same size, without ``border`` pixels at each side."""
    inner = (slice(border, size - border) for size in image.shape[:2])
    window = tuple(inner)
    ours, theirs = luma(image)[window], luma(reference)[window]
    ssim = structural_similarity(
        ours, theirs, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    with np.errstate(divide="ignore"):
        return Similarity(float(peak_signal_noise_ratio(theirs, ours, data_range=255)), float(ssim))
