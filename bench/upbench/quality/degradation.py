"""From a photograph to the small image that an upsampler is given: bicubic, antialiased, as MATLAB's ``imresize`` does.

Nearly all published figures of super-resolution are made with it: Keys' kernel with a = -0.5, stretched by the scale
when shrinking, on an image that is mirrored with its edge doubled, rounded to whole numbers.

Source: Keys, IEEE TASSP 1981; MATLAB's documentation of ``imresize``.

Traps: PyTorch's bicubic without antialiasing has a = -0.75 and aliases; with it, a = -0.5, but beyond the edge there
is nothing, and the other weights are divided by their sum. An image whose sides the scale does not divide is cropped
first, as otherwise small and large image do not lie over each other.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from upbench.quality.photographs import Rgb

Kernel = Literal["matlab", "torch"]
"""``matlab``: as above. ``torch``: a = -0.75 without antialiasing, its default."""

MARGIN = 4
"""Small pixels by which the image is mirrored: the stretched kernel reaches two and a half of them."""


def cropped_to_multiple(image: Rgb, scale: int) -> Rgb:
    """Return the upper left part of an image, whose sides the scale divides."""
    height, width = (size - size % scale for size in image.shape[:2])
    return np.ascontiguousarray(image[:height, :width])


def shrunk(image: Rgb, scale: int, kernel: Kernel = "matlab") -> Rgb:
    """Return the image ``scale`` times as small, rounded; its sides must be divisible by the scale."""
    if kernel == "torch":
        return _rounded(F.interpolate(_planes(image), scale_factor=1 / scale, mode="bicubic"))
    margin = MARGIN * scale
    mirrored = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    small = F.interpolate(_planes(mirrored), scale_factor=1 / scale, mode="bicubic", antialias=True)
    return _rounded(small[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN])


def _planes(image: Rgb) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].double()


def _rounded(planes: torch.Tensor) -> Rgb:
    # MATLAB rounds halves up, numpy to even.
    rounded = (planes + 0.5).floor().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(rounded[0].permute(1, 2, 0).numpy())
