"""Luma, on which super-resolution is judged: BT.601's, from 16 to 235, rounded, as MATLAB's ``rgb2ycbcr`` makes it.

Source: ITU-R BT.601; MATLAB's documentation of ``rgb2ycbcr``.

Traps: luma from 0 to 255, as JPEG and most libraries have it, gives 1.3 dB less PSNR for the same images. A file with
one channel is luma already, from 0 to 255, as the field's scripts take the grey images of Set14.
"""

from __future__ import annotations

import numpy as np

from upbench.quality.look import Plane
from upbench.quality.photographs import Pixels

WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255
"""Of red, green and blue from 0 to 255."""
DARKEST = 16.0


def luma(image: Pixels) -> Plane:
    """Return Y of ``(H, W, 3)``, 16 to 235, in whole numbers; a grey image as it is."""
    return rounded(image.astype(np.float64) if image.ndim == 2 else image @ WEIGHTS + DARKEST)


def rounded(plane: Plane) -> Plane:
    """Return whole numbers that 8 bits can hold; halves are rounded up, as MATLAB does."""
    whole: Plane = np.clip(np.floor(plane + 0.5), 0, 255)
    return whole


def without_border(plane: Plane, border: int) -> Plane:
    """Return the plane without ``border`` pixels at each side."""
    height, width = plane.shape
    return plane[border : height - border, border : width - border]
