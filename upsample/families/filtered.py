"""Upsampling through a fixed low-pass filter: zeros between the pixels, then a smooth kernel that fills them in.

Doubling with the binomial filter (1, 3, 3, 1) is, away from the border, bilinear interpolation, while at the border the
missing neighbours are zeros. The textbook filters first and then convolves all pixels of the output. StyleGAN2's
generator convolves first, where three of four of those are still zeros: a transposed convolution, whose overlap the
filter then smooths. Both are linear and shift with the image, so that their order makes no difference but in the
outermost ring, and a good one in work. The blur after a shuffle is a filter too: an average over 2×2 pixels that hides
the seams between sub-pixel phases.

Sources: Crochiere & Rabiner, "Multirate Digital Signal Processing", 1983, for zeros and a filter; Karras et al.
(StyleGAN2), CVPR 2020, for the filter (1, 3, 3, 1) behind the convolution; Aitken et al., 2017, and fastai for the
blurred shuffle.

Traps: a filter that sums to 1 loses a factor s² to the stuffed zeros, which has to be given back as gain; and the edge
darkens, to 3/4 along each axis. A bias belongs behind the filter, which would darken it too.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import Card, Upsampler, Work, conv_work, same_padding, stage_factors
from upsample.families.subpixel import icnr_, pixel_shuffle
from upsample.families.transposed import zero_stuff, zero_stuffed_conv
from upsample.registry import register

BINOMIAL = (1, 3, 3, 1)
"""The filter's taps along each axis; they sum to 8."""

GAIN = 4
"""Gives back what three zeros beside each pixel take."""


def _filter() -> Tensor:
    """The filter with its gain, ``(1, 1, 4, 4)``."""
    line = torch.tensor(BINOMIAL, dtype=torch.get_default_dtype()) / sum(BINOMIAL)
    return GAIN * (line[:, None] * line).view(1, 1, 4, 4)


def _filter_by_definition(stuffed: Tensor) -> Tensor:
    """Filter along rows and columns what has been padded, ``(N, C, H + 3, W + 3)`` to ``(N, C, H, W)``."""
    line = stuffed.new_tensor(BINOMIAL) / sum(BINOMIAL)
    # The filter is symmetric: nothing has to be flipped.
    return GAIN * torch.einsum("nchwyx,y,x->nchw", stuffed.unfold(2, 4, 1).unfold(3, 4, 1), line, line)


@register(
    Card(
        name="filtered_conv",
        family="filtered",
        title="FIR (1, 3, 3, 1) + conv",
        paper="Crochiere & Rabiner, Multirate Digital Signal Processing",
        year=1983,
        advice="Smooth like bilinear + conv, which does not darken the border; the convolution first is far less work.",
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
        self.register_buffer("filter", _filter(), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        batch, channels, height, width = input.shape
        planes = input.reshape(-1, 1, height, width)
        for _ in range(self.stage_count):
            planes = F.conv_transpose2d(planes, self.filter, stride=2, padding=1)
        output: Tensor = self.conv(planes.reshape(batch, channels, *self.output_size(height, width)))
        return output

    def definition(self, input: Tensor) -> Tensor:
        features = input
        for _ in range(self.stage_count):
            features = _filter_by_definition(F.pad(zero_stuff(features, 2), (2, 2, 2, 2)))
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
        name="transposed_filtered",
        family="filtered",
        title="Transposed 3×3 conv + FIR (1, 3, 3, 1)",
        paper="Karras et al. (StyleGAN2), CVPR",
        year=2020,
        advice="The generator's choice: the filter smooths the uneven overlap of a cheap transposed convolution.",
        preset="full",
    )
)
class TransposedFiltered(Upsampler):
    """Doublings by a transposed 3×3 convolution and the filter (1, 3, 3, 1) with gain 4; a bias at the end.

    As the layers of StyleGAN2's generator that double, without the modulation of their weights. The last doubling
    goes C→O, those before C→C; each takes ``9·C·O`` multiply-accumulates per pixel that comes in, and 16 for each value
    that goes out. At scale 2 the output is that of :class:`FilteredConv` with the kernels flipped, but for the
    outermost ring. Scales: powers of two.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
    """

    stages_of = (2,)

    filter: Tensor

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__(in_channels, out_channels, scale)
        self._ends = list(pairwise([in_channels] * len(stage_factors(scale, self.stages_of)) + [out_channels]))
        self.stages = nn.ModuleList(nn.ConvTranspose2d(*pair, 3, stride=2, bias=False) for pair in self._ends)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("filter", _filter(), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        features = input
        for place, stage in enumerate(self.stages, start=1):
            overlapping = stage(features)
            channels = overlapping.shape[1]
            bias = self.bias if place == len(self.stages) else None
            features = F.conv2d(overlapping, self.filter.expand(channels, -1, -1, -1), bias, padding=1, groups=channels)
        return features

    def definition(self, input: Tensor) -> Tensor:
        features = input
        for stage in self.stages:
            overlapping = zero_stuffed_conv(features, stage.get_parameter("weight"))
            features = _filter_by_definition(F.pad(overlapping, (1, 1, 1, 1)))
        return features + self.bias[:, None, None]

    def work(self, batch: int, height: int, width: int) -> Work:
        work, positions = Work(), height * width
        for in_channels, out_channels in self._ends:
            work += conv_work(batch, in_channels, out_channels, positions, 3)
            positions *= 4
            work += conv_work(batch * out_channels, 1, 1, positions, 4)
        return work


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
