"""Upsampling by the inverse wavelet transform: predict the sub-bands of a larger image, then put them together.

One inverse Haar step turns four sub-bands, the average and the differences between rows, between columns and across,
into four pixels: an orthogonal 4×4 matrix for each, and a shuffle. Scales beyond 2 use wavelet packets: every sub-band
is itself put together from four.

Sources: Haar, 1910; Mallat, TPAMI 1989; Huang et al., "Wavelet-SRNet", ICCV 2017, for predicting packets.

Traps: the names of the difference bands (LH, HL) are swapped between libraries; here, as in PyWavelets, the second
band holds the differences between rows and the third those between columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import Card, Upsampler, Work, conv_work, same_padding, stage_factors
from upsample.registry import register

HAAR = ((1, 1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))
"""Twice the pixels (0,0), (0,1), (1,0), (1,1) from average, row, column and diagonal differences."""


@register(
    Card(
        name="inverse_wavelet",
        family="wavelet",
        title="Conv + inverse Haar wavelet",
        paper="Huang et al. (Wavelet-SRNet), ICCV",
        year=2017,
        advice="Sub-pixel convolution in another basis: the same cost, and detail apart from the average for the loss.",
        preset="full",
    )
)
class InverseWavelet(Upsampler):
    """Convolution C→O·s² at low resolution, whose outputs are the packets of an orthonormal Haar transform.

    ``k²·s²·C·O`` multiply-accumulates per input pixel and 4 for each output value of each stage. Scales: powers of two.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
        kernel_size: odd side of the convolution's kernel.
    """

    stages_of = (2,)

    basis: Tensor

    def __init__(self, in_channels: int, out_channels: int, scale: int, kernel_size: int = 3) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.stage_count = len(stage_factors(scale, self.stages_of))
        self.conv = nn.Conv2d(in_channels, out_channels * scale**2, kernel_size, padding=same_padding(kernel_size))
        self.register_buffer("basis", torch.tensor(HAAR).float().view(4, 4, 1, 1) / 2, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        bands: Tensor = self.conv(input)
        for _ in range(self.stage_count):
            bands = self._together(bands)
        return bands

    def _together(self, bands: Tensor) -> Tensor:
        """One inverse step: ``(N, 4·C, H, W)`` to ``(N, C, 2H, 2W)``."""
        batch, channels, height, width = bands.shape
        pixels = F.conv2d(bands.reshape(-1, 4, height, width), self.basis)
        return F.pixel_shuffle(pixels.reshape(batch, channels, height, width), 2)

    def definition(self, input: Tensor) -> Tensor:
        bands: Tensor = self.conv(input)
        for _ in range(self.stage_count):
            average, rows, columns, diagonal = (bands[:, band::4] for band in range(4))
            output = bands.new_empty(*average.shape[:2], 2 * bands.shape[2], 2 * bands.shape[3])
            output[:, :, 0::2, 0::2] = (average + rows + columns + diagonal) / 2
            output[:, :, 0::2, 1::2] = (average + rows - columns - diagonal) / 2
            output[:, :, 1::2, 0::2] = (average - rows + columns - diagonal) / 2
            output[:, :, 1::2, 1::2] = (average - rows - columns + diagonal) / 2
            bands = output
        return bands

    def work(self, batch: int, height: int, width: int) -> Work:
        positions, values = height * width, batch * self.out_channels * height * width * self.scale**2
        convolution = conv_work(
            batch, self.in_channels, self.out_channels * self.scale**2, positions, self.conv.kernel_size[0]
        )
        return convolution + Work(flops=2 * 4 * values * self.stage_count)
