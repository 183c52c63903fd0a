"""From an original to the small image that an upsampler is given: bicubic, antialiased, as MATLAB's ``imresize`` does.

Nearly all published figures of super-resolution are made with it: Keys' kernel with a = -0.5, stretched by the scale
when shrinking, on an image that is mirrored with its edge doubled. Luma is shrunk in fractions and not rounded, as the
evaluation of SRCNN, VDSR and their successors does; data sets that are stored as small colour images are rounded, which
costs bicubic interpolation 0.00 to 0.02 dB.

Source: Keys, IEEE TASSP 1981; MATLAB's documentation of ``imresize``; Dong et al. (SRCNN), ECCV 2014.

Traps: PyTorch's bicubic without antialiasing has a = -0.75 and aliases; with it, a = -0.5, but beyond the edge there
is nothing, and the other weights are divided by their sum. An image whose sides the scale does not divide is cropped
first, as otherwise small and large image do not lie over each other.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from upbench.quality.look import Plane

Kernel = Literal["matlab", "torch"]
"""``matlab``: as above. ``torch``: a = -0.75 without antialiasing, its default."""

MARGIN = 4
"""Small pixels by which the image is mirrored: the stretched kernel reaches two and a half of them."""


def cropped_to_multiple(plane: Plane, scale: int) -> Plane:
    """Return the upper left part of a plane, whose sides the scale divides."""
    height, width = (size - size % scale for size in plane.shape)
    return np.ascontiguousarray(plane[:height, :width])


def shrunk(plane: Plane, scale: int, kernel: Kernel = "matlab") -> Plane:
    """Return the plane ``scale`` times as small; its sides must be divisible by the scale."""
    if kernel == "torch":
        return _resized(plane, scale, antialias=False)
    margin = MARGIN * scale
    small = _resized(np.pad(plane, margin, mode="symmetric"), scale, antialias=True)
    return np.ascontiguousarray(small[MARGIN:-MARGIN, MARGIN:-MARGIN])


def _resized(plane: Plane, scale: int, antialias: bool) -> Plane:
    image = torch.from_numpy(plane)[None, None]
    small: Plane = F.interpolate(image, scale_factor=1 / scale, mode="bicubic", antialias=antialias)[0, 0].numpy()
    return small
