"""Interpolation and convolution, in either order, in one step or staged.

Interpolation reads the input at fractional positions with fixed weights; along each axis it is a matrix with one row
per output position, :func:`sampling_matrix`. It has no parameters, so a convolution before or after it does the
learning. Interpolate-then-convolve costs s² times as much as convolve-then-interpolate and is a different operator.

Sources: Odena et al., "Deconvolution and checkerboard artifacts", Distill 2016, for interpolate + conv; Wang et al.
(ESRGAN), ECCV Workshops 2018, for stages of nearest + conv; Keys, IEEE TASSP 1981, for the cubic kernel.

Traps: PyTorch's bicubic uses a = -0.75 where MATLAB and PIL use -0.5; all modes here use half-pixel centres
(``align_corners=False``), and ``nearest`` takes the floor of the position while ``nearest-exact`` rounds its centre.
At whole scales the windows of ``area`` hold one pixel each, which makes it nearest by another name.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.catalogue import register
from upsample.contract import Card, UpsampleError, Upsampler, Work, conv_work, power_of_two, same_padding

Mode = Literal["nearest", "nearest-exact", "bilinear", "bicubic", "area"]

FLOPS_PER_OUTPUT: dict[Mode, int] = {"nearest": 0, "nearest-exact": 0, "bilinear": 8, "bicubic": 32, "area": 0}
"""FLOPs for one interpolated value; ``area`` only copies at the whole scales that this family does."""


def sampling_matrix(mode: Mode, size: int, scale: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return the ``(scale*size, size)`` matrix that interpolates one axis, from the textbook formula of ``mode``."""
    matrix = torch.zeros(size * scale, size, dtype=dtype)
    for position in range(size * scale):
        for source, weight in _taps(mode, position, size, scale):
            matrix[position, min(max(source, 0), size - 1)] += weight
    return matrix


def _taps(mode: Mode, position: int, size: int, scale: int) -> list[tuple[int, float]]:
    """The sources of one output position and their weights; sources beyond the edge stand for the edge."""
    if mode == "nearest":
        return [(position // scale, 1.0)]
    if mode == "area":
        first, last = position // scale, -(-(position + 1) // scale)
        return [(source, 1 / (last - first)) for source in range(first, last)]
    centre = (position + 0.5) / scale
    if mode == "nearest-exact":
        return [(int(centre), 1.0)]
    left = (centre - 0.5) // 1
    offset = centre - 0.5 - left
    if mode == "bilinear":
        return [(int(left), 1 - offset), (int(left) + 1, offset)]
    return [(int(left) + tap, _cubic(offset - tap)) for tap in (-1, 0, 1, 2)]


def _cubic(distance: float, a: float = -0.75) -> float:
    """Keys' cubic convolution kernel with PyTorch's a."""
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def interpolate(input: Tensor, mode: Mode, scale: int) -> Tensor:
    """Interpolate ``(N, C, H, W)`` to ``(N, C, s·H, s·W)`` with the framework's operator, half-pixel centres."""
    align_corners = False if mode in ("bilinear", "bicubic") else None
    return F.interpolate(input, scale_factor=float(scale), mode=mode, align_corners=align_corners)


def interpolate_by_definition(input: Tensor, mode: Mode, scale: int) -> Tensor:
    """The same output from two sampling matrices: ``R_h · input · R_wᵀ``."""
    rows, columns = (
        sampling_matrix(mode, size, scale).to(device=input.device, dtype=input.dtype) for size in input.shape[2:]
    )
    return rows @ input @ columns.T


def interpolation_work(mode: Mode, batch: int, channels: int, positions: int) -> Work:
    """Work of interpolating to ``positions`` output positions in each of ``batch * channels`` planes."""
    return Work(flops=FLOPS_PER_OUTPUT[mode] * batch * channels * positions)


class _ModeAndConv(Upsampler):
    """What both orders share: a mode and one convolution.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
        mode: how to interpolate.
        kernel_size: odd side of the convolution's kernel.
    """

    def __init__(
        self, in_channels: int, out_channels: int, scale: int, mode: Mode = "nearest", kernel_size: int = 3
    ) -> None:
        super().__init__(in_channels, out_channels, scale)
        if mode not in get_args(Mode):
            raise UpsampleError(f"mode must be one of {', '.join(get_args(Mode))}; got {mode!r}.")
        self.mode: Mode = mode
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=same_padding(kernel_size))


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
        advice="Smooth and free of checkerboard; the usual choice of U-Net decoders.",
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
)
class InterpolateConv(_ModeAndConv):
    """Interpolate to the output size, then convolve there: k²·s²·C·O multiply-accumulates a pixel + interpolation."""

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.conv(interpolate(input, self.mode, self.scale))
        return output

    def definition(self, input: Tensor) -> Tensor:
        output: Tensor = self.conv(interpolate_by_definition(input, self.mode, self.scale))
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        positions = height * width * self.scale**2
        convolution = conv_work(batch, self.in_channels, self.out_channels, positions, self.conv.kernel_size[0])
        return interpolation_work(self.mode, batch, self.in_channels, positions) + convolution


@register(
    Card(
        name="conv_nearest",
        family="interpolation",
        title="Conv + nearest",
        paper="Odena et al., Distill",
        year=2016,
        advice="The cheap order, equal to ICNR sub-pixel at initialisation; every output pixel is a block of copies.",
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

    def forward(self, input: Tensor) -> Tensor:
        return interpolate(self.conv(input), self.mode, self.scale)

    def definition(self, input: Tensor) -> Tensor:
        return interpolate_by_definition(self.conv(input), self.mode, self.scale)

    def work(self, batch: int, height: int, width: int) -> Work:
        positions = height * width
        convolution = conv_work(batch, self.in_channels, self.out_channels, positions, self.conv.kernel_size[0])
        outputs = positions * self.scale**2
        return convolution + interpolation_work(self.mode, batch, self.out_channels, outputs)


@register(
    Card(
        name="nearest_conv_staged",
        family="interpolation",
        title="Nearest + conv, staged",
        paper="Wang et al. (ESRGAN), ECCVW",
        year=2018,
        advice="Real-ESRGAN's and SwinIR's upsampler: good quality, and the most work at full resolution of all.",
    )
)
class NearestConvStaged(Upsampler):
    """Stages of nearest ×2, conv C→C and LeakyReLU(0.2), then conv C→C with LeakyReLU and a last conv C→O.

    As in Real-ESRGAN's RRDBNet; code bases differ in where the activation stands. At scale 4 and O = 3:
    324·C² + 432·C multiply-accumulates per low-resolution pixel. Scales: powers of two.
    """

    negative_slope = 0.2

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.stages = nn.ModuleList(
            nn.Conv2d(in_channels, in_channels, 3, padding=1) for _ in range(scale.bit_length() - 1)
        )
        self.full_resolution = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.last = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    @classmethod
    def refusal(cls, scale: object) -> str | None:
        reason = super().refusal(scale)
        if reason is None and isinstance(scale, int) and not power_of_two(scale):
            return f"{cls.__name__} is built from stages of 2: scales 2, 4, 8, …; got {scale}."
        return reason

    def forward(self, input: Tensor) -> Tensor:
        features = input
        for stage in self.stages:
            features = F.leaky_relu(stage(interpolate(features, "nearest", 2)), self.negative_slope)
        output: Tensor = self.last(F.leaky_relu(self.full_resolution(features), self.negative_slope))
        return output

    def definition(self, input: Tensor) -> Tensor:
        features = input
        for stage in self.stages:
            features = self._activated(stage(interpolate_by_definition(features, "nearest", 2)))
        output: Tensor = self.last(self._activated(self.full_resolution(features)))
        return output

    def _activated(self, input: Tensor) -> Tensor:
        return torch.where(input >= 0, input, self.negative_slope * input)

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
