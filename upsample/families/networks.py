"""Whole networks: the same backbone with its upsampler first or last, and one that grows from stage to stage.

Pre-upsampling interpolates the image and runs the whole backbone at high resolution; post-upsampling runs the backbone
at low resolution and upsamples its features in the last layer. Both share the backbone: convolutions of ``width``
channels with ReLU between them. The backbone of the first costs s² times that of the second, in time and in memory.

LapSRN doubles the size several times, and predicts at each what bilinear upsampling lacks.

Sources: Dong et al. (SRCNN), ECCV 2014, and Kim et al. (VDSR), CVPR 2016, for the upsampler first; Shi et al. (ESPCN),
CVPR 2016, and Dong et al. (FSRCNN), ECCV 2016, for the upsampler last; Lai et al. (LapSRN), CVPR 2017.

Traps: LapSRN's 3×3 transposed convolutions are cropped at the bottom and right, where PyTorch's ``padding=1,
output_padding=1`` crops at the top and left. FSRCNN's last layer has padding 4 and output padding ``s - 1`` at every
scale; any other pair that gives the right size takes the same weights and moves the image by whole pixels. The networks
of the field were trained and measured on images enlarged by MATLAB's bicubic kernel, which PyTorch's is not.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import (
    Card,
    Scale,
    UnsupportedError,
    UpsampleError,
    Upsampler,
    Work,
    conv_work,
    leaky_relu_by_definition,
    stage_factors,
)
from upsample.families.transposed import zero_stuffed_conv
from upsample.registry import find, register
from upsample.resampling import Cubic, interpolate, interpolate_by_definition, interpolation_work

FSRCNN_KERNEL = 9
"""Side of the kernel of its last layer."""


class _Network(Upsampler):
    """A head convolution in→width and ``depth`` convolutions width→width, each followed by ReLU.

    Args:
        in_channels, out_channels: channels of the images, 3 for photographs.
        scale: see :class:`~upsample.Upsampler`.
        width: channels of the backbone.
        depth: convolutions of the backbone after the head.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int, width: int = 64, depth: int = 3) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.width, self.depth = width, depth
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.backbone = nn.Sequential(*layers)

    def backbone_work(self, batch: int, positions: int) -> Work:
        """Work of the backbone when it runs over ``positions`` pixels."""
        return layers_work(self.backbone, batch, positions)


@register(
    Card(
        name="pre_upsampling",
        family="networks",
        title="Network, upsampling first",
        paper="Dong et al. (SRCNN), ECCV",
        year=2014,
        advice="The whole backbone at high resolution: s² times the work and memory of upsampling last.",
        kind="network",
    )
)
class PreUpsampling(_Network):
    """Bicubic interpolation of the image, then the backbone and a convolution width→O at high resolution.

    Args:
        in_channels, out_channels, scale, width, depth: as for all networks here.
        cubic: whose bicubic interpolation; see :data:`upsample.resampling.Cubic`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        width: int = 64,
        depth: int = 3,
        cubic: Cubic = "torch",
    ) -> None:
        super().__init__(in_channels, out_channels, scale, width, depth)
        self.cubic = cubic
        self.last = nn.Conv2d(width, out_channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.last(self.backbone(interpolate(input, "bicubic", self.factors, self.cubic)))
        return output

    def definition(self, input: Tensor) -> Tensor:
        enlarged = interpolate_by_definition(input, "bicubic", self.factors, self.cubic)
        output: Tensor = self.last(self.backbone(enlarged))
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        positions = height * width * self.scale**2
        interpolation = interpolation_work("bicubic", batch * self.in_channels, height, width, self.factors)
        last = conv_work(batch, self.width, self.out_channels, positions, 3)
        return interpolation + self.backbone_work(batch, positions) + last


@register(
    Card(
        name="post_upsampling",
        family="networks",
        title="Network, upsampling last",
        paper="Shi et al. (ESPCN), CVPR",
        year=2016,
        advice="The backbone at low resolution and the upsampler last: the default order of super-resolution.",
        kind="network",
    )
)
class PostUpsampling(_Network):
    """The backbone at low resolution, then an upsampler width→O from the catalogue, sub-pixel unless named."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        width: int = 64,
        depth: int = 3,
        upsampler: str = "subpixel",
    ) -> None:
        super().__init__(in_channels, out_channels, scale, width, depth)
        last = find(upsampler).build(width, out_channels, scale)
        if not isinstance(last, Upsampler):
            raise UpsampleError(f"the upsampler must need no guide; {upsampler} does.")
        self.last = last

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.last(self.backbone(input))
        return output

    def definition(self, input: Tensor) -> Tensor:
        return self.last.definition(self.backbone(input))

    def work(self, batch: int, height: int, width: int) -> Work:
        return self.backbone_work(batch, height * width) + self.last.work(batch, height, width)


@register(
    Card(
        name="srcnn",
        family="networks",
        title="SRCNN",
        paper="Dong et al. (SRCNN), ECCV",
        year=2014,
        advice="The first network of the field, kept as a yardstick: 8,032 weights, all of them at high resolution.",
        kind="network",
        preset="full",
    )
)
class Srcnn(Upsampler):
    """Bicubic interpolation, then convolutions 9×9 to ``width``, 1×1 to half of it, and 5×5 to the image, with ReLU.

    Args:
        in_channels, out_channels: channels of the images; 1 in the paper.
        scale: see :class:`~upsample.Upsampler`; fractional scales too.
        width: channels after the first layer, at least 2.
        cubic: whose bicubic interpolation; see :data:`upsample.resampling.Cubic`. MATLAB's in the paper.
    """

    fractional = True

    def __init__(
        self, in_channels: int, out_channels: int, scale: Scale, width: int = 64, cubic: Cubic = "torch"
    ) -> None:
        super().__init__(in_channels, out_channels, scale)
        if cubic == "matlab" and any(factor != int(factor) for factor in self.factors):
            raise UnsupportedError(f"MATLAB's bicubic kernel is known here at whole scales only; got {scale}.")
        self.cubic = cubic
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, 9, padding=4),
            nn.ReLU(),
            nn.Conv2d(width, width // 2, 1),
            nn.ReLU(),
            nn.Conv2d(width // 2, out_channels, 5, padding=2),
        )

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.layers(interpolate(input, "bicubic", self.factors, self.cubic))
        return output

    def definition(self, input: Tensor) -> Tensor:
        output: Tensor = self.layers(interpolate_by_definition(input, "bicubic", self.factors, self.cubic))
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        high, wide = self.output_size(height, width)
        work = interpolation_work("bicubic", batch * self.in_channels, height, width, self.factors)
        return work + layers_work(self.layers, batch, high * wide)


@register(
    Card(
        name="fsrcnn",
        family="networks",
        title="FSRCNN",
        paper="Dong et al. (FSRCNN), ECCV",
        year=2016,
        advice="SRCNN turned around: shrunken features at low resolution, one 9×9 transposed conv at the end.",
        kind="network",
        preset="full",
    )
)
class Fsrcnn(Upsampler):
    """Convolutions 5×5 to d, 1×1 to s, m times 3×3, 1×1 back to d, with PReLU, then a 9×9 transposed convolution.

    FSRCNN(56, 12, 4) has 12,464 weights for one channel, besides biases and slopes.

    Args:
        in_channels, out_channels: channels of the images; 1 in the paper.
        scale: see :class:`~upsample.Upsampler`, at most 9.
        width: d.
        shrunken: s.
        depth: m.
    """

    local = False

    def __init__(
        self, in_channels: int, out_channels: int, scale: int, width: int = 56, shrunken: int = 12, depth: int = 4
    ) -> None:
        super().__init__(in_channels, out_channels, scale)
        shape = [
            (in_channels, width, 5),
            (width, shrunken, 1),
            *[(shrunken, shrunken, 3)] * depth,
            (shrunken, width, 1),
        ]
        layers: list[nn.Module] = []
        for ins, outs, kernel_size in shape:
            layers += [nn.Conv2d(ins, outs, kernel_size, padding=kernel_size // 2), nn.PReLU(outs)]
        self.layers = nn.Sequential(*layers)
        if scale > FSRCNN_KERNEL:
            raise UnsupportedError(f"FSRCNN's last kernel of {FSRCNN_KERNEL} leaves gaps at scale {scale}.")
        self.last = nn.ConvTranspose2d(
            width, out_channels, FSRCNN_KERNEL, scale, padding=FSRCNN_KERNEL // 2, output_padding=scale - 1
        )

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.last(self.layers(input))
        return output

    def definition(self, input: Tensor) -> Tensor:
        last, padding = self.last, FSRCNN_KERNEL // 2
        return zero_stuffed_conv(self.layers(input), last.weight, last.bias, self.scale, padding, self.scale - 1)

    def work(self, batch: int, height: int, width: int) -> Work:
        positions = height * width
        last = conv_work(batch, self.last.in_channels, self.out_channels, positions, FSRCNN_KERNEL)
        return layers_work(self.layers, batch, positions) + last


def layers_work(layers: nn.Sequential, batch: int, positions: int) -> Work:
    """Work of convolutions that keep the size, and of the activations after them, over so many pixels."""
    work, channels = Work(), 0
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            channels = layer.out_channels
            work += conv_work(batch, layer.in_channels, channels, positions, layer.kernel_size[0])
        else:
            work += Work(elementwise=batch * channels * positions)
    return work


class _LapSrnLevel(nn.Module):
    """One doubling of features and image: convolutions, transposed convolution 3×3, and a residual for the image."""

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.enlarge = nn.ConvTranspose2d(width, width, 3, stride=2)
        self.residual = nn.Conv2d(width, channels, 3, padding=1)
        self.enlarge_image = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False)
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
        with torch.no_grad():
            self.enlarge_image.weight.copy_(torch.eye(channels)[:, :, None, None] * line[:, None] * line)


@register(
    Card(
        name="lapsrn",
        family="networks",
        title="LapSRN, progressive",
        paper="Lai et al. (LapSRN), CVPR",
        year=2017,
        advice="Upsampling in between: only the late stages run at high resolution; one network for each ×2.",
        kind="network",
        preset="full",
    )
)
class LapSrn(Upsampler):
    """A Laplacian pyramid: doublings of ``depth`` convolutions, each adding its residual to the enlarged image.

    At scale 4 with one channel it has the published 812 K weights. Scales: powers of two. The images between are not
    returned, though training uses them.

    Args:
        in_channels, out_channels: channels of the images, equal.
        scale: see :class:`~upsample.Upsampler`.
        width: channels of the features.
        depth: convolutions of a level.
    """

    keeps_channels = True
    local = False
    stages_of = (2,)
    negative_slope = 0.2

    def __init__(self, in_channels: int, out_channels: int, scale: int, width: int = 64, depth: int = 10) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.head = nn.Conv2d(in_channels, width, 3, padding=1)
        levels = stage_factors(scale, self.stages_of)
        self.levels = nn.ModuleList(_LapSrnLevel(in_channels, width, depth) for _ in levels)

    def forward(self, input: Tensor) -> Tensor:
        image, features = input, self._activated(self.head(input))
        for level in self.levels:
            assert isinstance(level, _LapSrnLevel)
            for conv in level.body:
                features = self._activated(conv(features))
            features = self._activated(level.enlarge(features)[:, :, :-1, :-1])
            image = level.enlarge_image(image) + level.residual(features)
        return image

    def _activated(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope)

    def definition(self, input: Tensor) -> Tensor:
        image, features = input, self.head(input)
        for level in self.levels:
            assert isinstance(level, _LapSrnLevel)
            for conv in level.body:
                features = conv(leaky_relu_by_definition(features, self.negative_slope))
            features = leaky_relu_by_definition(features, self.negative_slope)
            features = zero_stuffed_conv(features, level.enlarge.weight, level.enlarge.bias)[:, :, :-1, :-1]
            residual = level.residual(leaky_relu_by_definition(features, self.negative_slope))
            image = zero_stuffed_conv(image, level.enlarge_image.weight)[:, :, 1:-1, 1:-1] + residual
        return image

    def work(self, batch: int, height: int, width: int) -> Work:
        images, channels, positions = self.in_channels, self.head.out_channels, height * width
        work = conv_work(batch, images, channels, positions, 3) + Work(elementwise=batch * channels * positions)
        for level in self.levels:
            assert isinstance(level, _LapSrnLevel)
            body = conv_work(batch, channels, channels, len(level.body) * positions, 3)
            enlarge = conv_work(batch, channels, channels, positions, 3)
            image = conv_work(batch, images, images, positions, 4) + conv_work(
                batch, channels, images, 4 * positions, 3
            )
            activations = batch * channels * (len(level.body) + 4) * positions
            work += body + enlarge + image + Work(elementwise=activations + batch * images * 4 * positions)
            positions *= 4
        return work
