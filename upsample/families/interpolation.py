"""Interpolation and convolution, in either order, in one step or staged.

Interpolation (:mod:`upsample.resampling`) has no parameters, so a convolution before or after it does the learning.
Interpolate-then-convolve costs s² times as much as convolve-then-interpolate and is a different operator.

Sources: Odena et al., "Deconvolution and checkerboard artifacts", Distill 2016, for interpolate + conv; Wang et al.
(ESRGAN), ECCV Workshops 2018, for stages of nearest + conv; Wojna et al., "The devil is in the decoder", BMVC 2017, for
bilinear additive upsampling.

Trap: which interpolation is meant by a name differs between libraries; see :mod:`upsample.resampling`.
"""

from __future__ import annotations

from typing import ClassVar, get_args

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
    same_padding,
    stage_factors,
)
from upsample.registry import register
from upsample.resampling import WHOLE_SCALES_ONLY, Mode, interpolate, interpolate_by_definition, interpolation_work


class _ModeAndConv(Upsampler):
    """What both orders share: a mode and one convolution.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`; fractional scales for bilinear and bicubic.
        mode: how to interpolate.
        kernel_size: odd side of the convolution's kernel.
    """

    fractional = True
    interpolates_first: ClassVar[bool]

    def __init__(
        self, in_channels: int, out_channels: int, scale: Scale, mode: Mode = "nearest", kernel_size: int = 3
    ) -> None:
        super().__init__(in_channels, out_channels, scale)
        if mode not in get_args(Mode):
            raise UpsampleError(f"mode must be one of {', '.join(get_args(Mode))}; got {mode!r}.")
        if mode in WHOLE_SCALES_ONLY and not isinstance(scale, int):
            raise UnsupportedError(f"interpolation by {mode} takes whole scales of at least 2; got {scale!r}.")
        self.mode: Mode = mode
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=same_padding(kernel_size))

    def linear_layers(self) -> list[nn.Module]:
        # Lanczos' kernels are no layer of torch's.
        if self.mode == "lanczos":
            return []
        interpolation = nn.Upsample(scale_factor=self.factors, mode=self.mode)
        return [interpolation, self.conv] if self.interpolates_first else [self.conv, interpolation]


@register(
    Card(
        name="nearest_conv",
        family="interpolation",
        title="Nearest + conv",
        paper="Odena et al., Distill",
        year=2016,
        advice="Free of checkerboard by construction; s² times the work of the same convolution at low resolution.",
        options={"mode": "nearest"},
    ),
    Card(
        name="nearest_exact_conv",
        family="interpolation",
        title="Nearest-exact + conv",
        paper="Odena et al., Distill",
        year=2016,
        advice="At whole scales the same output as nearest + conv.",
        preset="full",
        options={"mode": "nearest-exact"},
    ),
    Card(
        name="bilinear_conv",
        family="interpolation",
        title="Bilinear + conv",
        paper="Odena et al., Distill",
        year=2016,
        advice="Smooth and free of checkerboard; common in U-Net decoders.",
        options={"mode": "bilinear"},
    ),
    Card(
        name="bicubic_conv",
        family="interpolation",
        title="Bicubic + conv",
        paper="Keys, IEEE TASSP",
        year=1981,
        advice="Four times the taps of bilinear; PyTorch's kernel has a = -0.75, not MATLAB's -0.5.",
        preset="full",
        options={"mode": "bicubic"},
    ),
    Card(
        name="area_conv",
        family="interpolation",
        title="Area + conv",
        paper="Odena et al., Distill",
        year=2016,
        advice="At whole scales the same output as nearest + conv, by way of an average over one pixel.",
        preset="full",
        options={"mode": "area"},
    ),
    Card(
        name="lanczos_conv",
        family="interpolation",
        title="Lanczos + conv",
        paper="Turkowski, Graphics Gems",
        year=1990,
        advice="The sharpest fixed kernel, six taps an axis; rings at edges; torch has it on the CPU only.",
        preset="full",
        options={"mode": "lanczos"},
    ),
)
class InterpolateConv(_ModeAndConv):
    """Interpolate to the output size, then convolve there: k²·s²·C·O multiply-accumulates a pixel + interpolation."""

    interpolates_first = True

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.conv(interpolate(input, self.mode, self.factors))
        return output

    def definition(self, input: Tensor) -> Tensor:
        output: Tensor = self.conv(interpolate_by_definition(input, self.mode, self.factors))
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        high, wide = self.output_size(height, width)
        convolution = conv_work(batch, self.in_channels, self.out_channels, high * wide, self.conv.kernel_size[0])
        return interpolation_work(self.mode, batch * self.in_channels, height, width, self.factors) + convolution


@register(
    Card(
        name="conv_nearest",
        family="interpolation",
        title="Conv + nearest",
        paper="Odena et al., Distill",
        year=2016,
        advice="The cheap order, equal to ICNR sub-pixel at initialisation; every pixel becomes a block of copies.",
        preset="full",
        options={"mode": "nearest"},
    ),
    Card(
        name="conv_bilinear",
        family="interpolation",
        title="Conv + bilinear",
        paper="Odena et al., Distill",
        year=2016,
        advice="The cheap order, common in segmentation heads; learns nothing at the output resolution.",
        options={"mode": "bilinear"},
    ),
    Card(
        name="conv_bicubic",
        family="interpolation",
        title="Conv + bicubic",
        paper="Keys, IEEE TASSP",
        year=1981,
        advice="The cheap order with a sharper kernel; learns nothing at the output resolution.",
        preset="full",
        options={"mode": "bicubic"},
    ),
)
class ConvInterpolate(_ModeAndConv):
    """Convolve at low resolution, then interpolate: k²·C·O multiply-accumulates a pixel + interpolation of O planes."""

    interpolates_first = False

    def forward(self, input: Tensor) -> Tensor:
        return interpolate(self.conv(input), self.mode, self.factors)

    def definition(self, input: Tensor) -> Tensor:
        return interpolate_by_definition(self.conv(input), self.mode, self.factors)

    def work(self, batch: int, height: int, width: int) -> Work:
        convolution = conv_work(batch, self.in_channels, self.out_channels, height * width, self.conv.kernel_size[0])
        return convolution + interpolation_work(self.mode, batch * self.out_channels, height, width, self.factors)


@register(
    Card(
        name="nearest_conv_staged",
        family="interpolation",
        title="Nearest + conv, staged",
        paper="Wang et al. (ESRGAN), ECCVW",
        year=2018,
        advice="Real-ESRGAN's and SwinIR's upsampler: good quality for two or three convolutions at full resolution.",
    )
)
class NearestConvStaged(Upsampler):
    """Stages of nearest ×2, conv C→C and LeakyReLU(0.2), then conv C→C with LeakyReLU and a last conv C→O.

    As in Real-ESRGAN's RRDBNet; code bases differ in where the activation stands. At scale 4 and O = 3:
    324·C² + 432·C multiply-accumulates per low-resolution pixel. Scales: powers of two.
    """

    stages_of = (2,)
    negative_slope = 0.2

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.stages = nn.ModuleList(
            nn.Conv2d(in_channels, in_channels, 3, padding=1) for _ in stage_factors(scale, self.stages_of)
        )
        self.full_resolution = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.last = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        features = input
        for stage in self.stages:
            features = F.leaky_relu(stage(interpolate(features, "nearest", (2, 2))), self.negative_slope)
        output: Tensor = self.last(F.leaky_relu(self.full_resolution(features), self.negative_slope))
        return output

    def definition(self, input: Tensor) -> Tensor:
        features = input
        for stage in self.stages:
            features = self._activated(stage(interpolate_by_definition(features, "nearest", (2, 2))))
        output: Tensor = self.last(self._activated(self.full_resolution(features)))
        return output

    def _activated(self, input: Tensor) -> Tensor:
        return leaky_relu_by_definition(input, self.negative_slope)

    def work(self, batch: int, height: int, width: int) -> Work:
        work, positions = Work(), height * width
        for _ in self.stages:
            positions *= 4
            work += self._conv_and_activation(batch, positions)
        work += self._conv_and_activation(batch, positions)
        return work + conv_work(batch, self.in_channels, self.out_channels, positions, 3)

    def _conv_and_activation(self, batch: int, positions: int) -> Work:
        activation = Work(elementwise=batch * self.in_channels * positions)
        return conv_work(batch, self.in_channels, self.in_channels, positions, 3) + activation


@register(
    Card(
        name="bilinear_additive",
        family="interpolation",
        title="Bilinear additive + conv",
        paper="Wojna et al., BMVC",
        year=2017,
        advice="Bilinear with s² channels summed into one, then a small convolution; cheap, parameter-free upsampling.",
        preset="full",
    )
)
class BilinearAdditive(Upsampler):
    """Bilinear interpolation, the sum of every s² consecutive channels, and a convolution C/s²→O.

    The sum is over channels and the interpolation over space, so that their order is free: summing first saves s² times
    the interpolation. ``k²·C·O`` multiply-accumulates per input pixel.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`; s² must divide the input's channels.
        kernel_size: odd side of the convolution's kernel.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int, kernel_size: int = 3) -> None:
        super().__init__(in_channels, out_channels, scale)
        if in_channels % scale**2:
            raise UnsupportedError(
                f"BilinearAdditive sums every {scale**2} channels, which must divide its input's; got {in_channels}."
            )
        summed = in_channels // scale**2
        self.conv = nn.Conv2d(summed, out_channels, kernel_size, padding=same_padding(kernel_size))

    def forward(self, input: Tensor) -> Tensor:
        summed = input.unflatten(1, (-1, self.scale**2)).sum(2)
        output: Tensor = self.conv(interpolate(summed, "bilinear", self.factors))
        return output

    def definition(self, input: Tensor) -> Tensor:
        interpolated = interpolate_by_definition(input, "bilinear", self.factors)
        summed = sum(interpolated[:, first :: self.scale**2] for first in range(self.scale**2))
        output: Tensor = self.conv(summed)
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        sums, channels = Work(elementwise=batch * self.in_channels * height * width), self.conv.in_channels
        outputs = height * width * self.scale**2
        convolution = conv_work(batch, channels, self.out_channels, outputs, self.conv.kernel_size[0])
        return sums + interpolation_work("bilinear", batch * channels, height, width, self.factors) + convolution
