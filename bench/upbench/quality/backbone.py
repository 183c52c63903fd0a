"""The small network in which upsamplers compete: a head, residual blocks, and the upsampler where it is put.

Only the upsampler differs between contestants; where parameters or FLOPs are to be equal, the blocks are made wider or
narrower inside, which leaves the features that the upsampler is given as they are. The blocks have no normalisation, as
in EDSR. Nothing is added to an interpolated image in the end: such a shortcut would hide what the upsampler does.

Sources: Lim et al. (EDSR), CVPR Workshops 2017, for the blocks and the upsampler before a last convolution; Shi et al.
(ESPCN), CVPR 2016, for the upsampler last; Dong et al. (SRCNN), ECCV 2014, for the upsampler first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from upbench.records.quality_run import Placement
from upsample.resampling import interpolate

FEATURES = 32
BLOCKS = 2
GREY = 0.5
"""Middle of the images' range from 0 to 1, subtracted before the network and added after it."""


class _Block(nn.Module):
    """Two convolutions, wider or narrower inside, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(FEATURES, width, 3, padding=1)
        self.narrow = nn.Conv2d(width, FEATURES, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = self.narrow(F.relu(self.widen(features)))
        return features + added


class SmallNetwork(nn.Module):
    """Luma ``(N, 1, H, W)`` in [0, 1] to ``(N, 1, scale·H, scale·W)``.

    Args:
        upsampler: a name of the catalogue; whatever it is, the image is interpolated where it stands ``first``.
        scale: whole.
        placement: see :data:`upbench.records.quality_run.Placement`.
        width: inner channels of the blocks.
        options: of the upsampler.

    Raises:
        UpsampleError: the upsampler cannot do this.
    """

    def __init__(
        self, upsampler: str, scale: int, placement: Placement, width: int, options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.scale, self.placement = scale, placement
        self.head = nn.Conv2d(1, FEATURES, 3, padding=1)
        self.blocks = nn.Sequential(*(_Block(width) for _ in range(BLOCKS)))
        # Head and blocks come first, so that of one seed all contestants of a width start with the same ones.
        self.last: nn.Module = nn.Identity() if placement == "last" else nn.Conv2d(FEATURES, 1, 3, padding=1)
        self.upsampler: nn.Module = nn.Identity()
        if placement != "first":
            out_channels = 1 if placement == "last" else FEATURES
            self.upsampler = upsample.create(upsampler, FEATURES, out_channels, scale, **(options or {}))

    def forward(self, image: Tensor) -> Tensor:
        if self.placement == "first":
            image = interpolate(image, "bicubic", (self.scale, self.scale), "matlab")
        features = self.blocks(F.relu(self.head(image - GREY)))
        output: Tensor = self.last(self.upsampler(features)) + GREY
        return output
