"""Upsampling through a fixed low-pass filter: zeros between the pixels, then a smooth kernel that fills them in.

Doubling with the binomial filter (1, 3, 3, 1) is what StyleGAN2's generator does; away from the border it is bilinear
interpolation, while at the border the missing neighbours are zeros. The blur after a shuffle is a filter too: an
average over 2×2 pixels that hides the seams between sub-pixel phases.

Sources: Karras et al. (StyleGAN2), CVPR 2020, for the filter; Aitken et al., 2017, and fastai for the blurred shuffle.

Traps: a filter that sums to 1 loses a factor s² to the stuffed zeros, which has to be given back as gain; and the edge
darkens, to 3/4 along each axis.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import Card, Upsampler, Work, conv_work, same_padding, stage_factors
from upsample.families.subpixel import icnr_, pixel_shuffle
from upsample.registry import register


@register(
    Card(
        name="filtered_conv",
        family="filtered",
        title="FIR (1, 3, 3, 1) + conv",
        paper="Karras et al. (StyleGAN2), CVPR",
        year=2020,
        advice="The generator's choice: smooth like bilinear + conv, which does not darken the border.",
        preset="full",
    )
)
class FilteredConv(Upsampler):
    """Doublings by zero-stuffing and the filter (1, 3, 3, 1), each with gain 4, then a convolution.

    16 multiply-accumulates for each input value of a doubling, and ``k²·s²·C·O`` per input pixel. Scales: powers of
    two.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
        kernel_size: odd side of the convolution's kernel.
    """

    stages_of = (2,)

    filter: Tensor

    def __init__(self, in_channels: int, out_channels: int, scale: int, kernel_size: int = 3) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.stage_count = len(stage_factors(scale, self.stages_of))
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=same_padding(kernel_size))
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
        self.register_buffer("filter", (line[:, None] * line).view(1, 1, 4, 4), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        batch, channels, height, width = input.shape
        planes = input.reshape(-1, 1, height, width)
        for _ in range(self.stage_count):
            planes = F.conv_transpose2d(planes, self.filter, stride=2, padding=1)
        output: Tensor = self.conv(planes.reshape(batch, channels, *self.output_size(height, width)))
        return output

    def definition(self, input: Tensor) -> Tensor:
        features, line = input, input.new_tensor([1.0, 3.0, 3.0, 1.0]) / 8
        for _ in range(self.stage_count):
            batch, channels, height, width = features.shape
            stuffed = features.new_zeros(batch, channels, 2 * height + 3, 2 * width + 3)
            stuffed[:, :, 2:-1:2, 2:-1:2] = features
            # Gain 4 gives back what the zeros took.
            features = 4 * torch.einsum(
                "nchwyx,y,x->nchw", stuffed.unfold(2, 4, 1).unfold(3, 4, 1), line.flip(0), line.flip(0)
            )
        output: Tensor = self.conv(features)
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        work, positions = Work(), height * width
        for _ in range(self.stage_count):
            work += conv_work(batch * self.in_channels, 1, 1, positions, 4)
            positions *= 4
        return work + conv_work(batch, self.in_channels, self.out_channels, positions, self.conv.kernel_size[0])


@register(
    Card(
        name="blur_shuffle",
        family="filtered",
        title="Sub-pixel 1×1 conv, ICNR, blur",
        paper="Aitken et al.",
        year=2017,
        advice="fastai's U-Net decoder: a cheap 1×1 sub-pixel convolution whose seams a 2×2 average hides.",
        preset="full",
    )
)
class BlurShuffle(Upsampler):
    """Convolution 1×1 C→O·s² started as ICNR says, shuffle, then the mean of each pixel and those above and left.

    ``s²·C·O`` multiply-accumulates per input pixel. fastai's weight norm, and the activation that it puts before the
    shuffle, are left to the network.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.conv = nn.Conv2d(in_channels, out_channels * scale**2, 1)
        nn.init.kaiming_normal_(self.conv.weight)
        icnr_(self.conv, scale)

    def forward(self, input: Tensor) -> Tensor:
        shuffled = F.pixel_shuffle(self.conv(input), self.scale)
        # Not F.pad(mode="replicate"): TorchInductor of torch 2.13 cannot compile it after a shuffle.
        padded = torch.cat([shuffled[..., :1], shuffled], dim=3)
        padded = torch.cat([padded[:, :, :1], padded], dim=2)
        return F.avg_pool2d(padded, 2, stride=1)

    def definition(self, input: Tensor) -> Tensor:
        shuffled = pixel_shuffle(self.conv(input), self.scale)
        left = torch.cat([shuffled[..., :1], shuffled[..., :-1]], dim=3)
        pairs = shuffled + left
        above = torch.cat([pairs[:, :, :1], pairs[:, :, :-1]], dim=2)
        return (pairs + above) / 4

    def work(self, batch: int, height: int, width: int) -> Work:
        positions, outputs = height * width, self.out_channels * self.scale**2
        average = Work(elementwise=4 * batch * outputs * positions)
        return conv_work(batch, self.in_channels, outputs, positions, 1) + average
