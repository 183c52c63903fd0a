"""Layer norm over the channels of each pixel of an image, for attention and guided upsamplers (Ba et al., 2016)."""

from __future__ import annotations

from torch import Tensor, nn

from upsample.contract import Work

OPERATIONS_PER_VALUE = 7
"""Its sum; difference, square and sum for the variance; one to standardise; weight and bias."""


class ChannelNorm(nn.LayerNorm):
    """Maps ``(N, C, H, W)`` to the same: zero mean and unit variance over C, then a weight and a bias for each."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)

    def definition(self, input: Tensor) -> Tensor:
        """The same output from the formula."""
        centred = input - input.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + self.eps).sqrt()
        return scaled * self.weight[:, None, None] + self.bias[:, None, None]

    def work(self, pixels: int) -> Work:
        """Work of normalising so many pixels."""
        return Work(elementwise=OPERATIONS_PER_VALUE * self.normalized_shape[0] * pixels)
