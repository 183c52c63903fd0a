"""What the upsamplers are fed: photographs, and activations made from them. Never zeros, never noise.

The photographs come with scikit-image, so that no download is needed. Operators see the photograph through a fixed
random convolution to C channels, which gives activations the spatial statistics of a natural image; whole networks
see the photograph itself. A guided upsampler's guide comes from the photograph at the size of the output, of which its
input sees the average.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from skimage import data
from torch import Tensor

STEM_SEED = 20160901


@cache
def photographs() -> tuple[npt.NDArray[np.uint8], ...]:
    """Return scikit-image's RGB photographs astronaut, coffee and chelsea as ``(H, W, 3)`` arrays."""
    # Its own functions import ways to read every kind of image first, a third of a second in each fresh process.
    files = (Path(data.data_dir, f"{name}.png") for name in ("astronaut", "coffee", "chelsea"))
    return tuple(np.asarray(Image.open(file)) for file in files)


def photograph_batch(batch: int, height: int, width: int) -> Tensor:
    """Return ``(batch, 3, height, width)`` float32 centre crops in [0, 1]; small photographs are mirrored to size."""
    bank = photographs()
    crops = [_centre_crop(bank[index % len(bank)], height, width) for index in range(batch)]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous().float() / 255


def _centre_crop(photograph: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    missing = [(0, max(0, size - have)) for size, have in zip((height, width), photograph.shape[:2], strict=True)]
    padded = np.pad(photograph, (*missing, (0, 0)), mode="symmetric")
    top, left = (padded.shape[0] - height) // 2, (padded.shape[1] - width) // 2
    return padded[top : top + height, left : left + width]


def activations(images: Tensor, channels: int) -> Tensor:
    """Return ``(batch, channels, height, width)`` features: RGB images in [0, 1] through a fixed random stem.

    The stem is a 3×3 convolution with seeded normal weights scaled to keep the variance, and LeakyReLU(0.2).
    """
    generator = torch.Generator().manual_seed(STEM_SEED)
    weight = torch.randn(channels, 3, 3, 3, generator=generator) / 27**0.5
    return F.leaky_relu(F.conv2d(images - 0.5, weight, padding=1), 0.2)
