"""Upsampling by sampling points: look up the input, by bilinear interpolation, at positions that are learned.

A 1×1 convolution predicts for each output pixel, and for each group of channels, how far its sampling point is moved
from where bilinear upsampling would put it, so that offsets of zero are bilinear upsampling with half-pixel centres.
The offsets are predicted at low resolution and shuffled (LP: linear, then pixel shuffle), or predicted from the
shuffled input (PL). A fixed factor, 0.25, keeps neighbouring points apart; the variants with a plus predict it too.

Source: Liu et al., "Learning to Upsample by Learning to Sample", ICCV 2023.

Traps: all C channels are sampled at the output's resolution, so that memory grows with s²·C even where three channels
would do. Positions need more precision than half-precision numbers have; they are kept in float32 at least. With
bilinear lookup the gradient jumps where a sampling point passes a pixel's centre.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import Card, UnsupportedError, UpsampleError, Upsampler, Work, conv_work
from upsample.families.subpixel import pixel_shuffle
from upsample.registry import register

FLOPS_PER_SAMPLE = 8
"""Of one value looked up bilinearly at an arbitrary position."""


def precise(input: Tensor) -> Tensor:
    """Return ``input`` in float32 if it has half precision: too few bits to tell positions apart."""
    return input.float() if input.dtype in (torch.bfloat16, torch.float16) else input


def sample_bilinear_by_definition(input: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Look up ``(N, C, H, W)`` at positions ``x``, ``y`` of ``(N, *size)`` in pixels, clamped to the edge.

    Position 0 is the centre of the first pixel. Returns ``(N, C, *size)``.
    """
    batch, channels, height, width = input.shape
    x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    left, top = x.floor().long(), y.floor().long()
    pixels = input.flatten(2)

    def at(row: Tensor, column: Tensor) -> Tensor:
        index = row.clamp(max=height - 1) * width + column.clamp(max=width - 1)
        found = pixels.gather(2, index.flatten(1)[:, None].expand(-1, channels, -1))
        return found.reshape(batch, channels, *index.shape[1:])

    right_share, bottom_share = (x - left)[:, None], (y - top)[:, None]
    upper = at(top, left) * (1 - right_share) + at(top, left + 1) * right_share
    lower = at(top + 1, left) * (1 - right_share) + at(top + 1, left + 1) * right_share
    return upper * (1 - bottom_share) + lower * bottom_share


@register(
    Card(
        name="dysample_lp",
        family="sampling",
        title="DySample (LP)",
        paper="Liu et al. (DySample), ICCV",
        year=2023,
        advice="A learned bilinear: hardly any parameters; its time and memory are those of sampling all channels.",
        options={"order": "lp"},
    ),
    Card(
        name="dysample_pl",
        family="sampling",
        title="DySample (PL)",
        paper="Liu et al. (DySample), ICCV",
        year=2023,
        advice="Fewer parameters still, as the shuffle comes first; 4 groups as in the authors' code, 8 in the paper.",
        preset="full",
        options={"order": "pl"},
    ),
    Card(
        name="dysample_lp_plus",
        family="sampling",
        title="DySample+ (LP)",
        paper="Liu et al. (DySample), ICCV",
        year=2023,
        advice="The offsets' range is predicted too: twice the parameters of LP, a little better in the paper.",
        preset="full",
        options={"order": "lp", "dynamic": True},
    ),
    Card(
        name="dysample_pl_plus",
        family="sampling",
        title="DySample+ (PL)",
        paper="Liu et al. (DySample), ICCV",
        year=2023,
        advice="PL with a predicted range: twice its parameters.",
        preset="full",
        options={"order": "pl", "dynamic": True},
    ),
)
class DySample(Upsampler):
    """Sampling points that are moved by predicted offsets, in groups of channels.

    LP takes ``2·g·s²·C`` multiply-accumulates per low-resolution pixel and as many weights, PL ``2·g·C`` and
    ``2·g·C/s²`` weights, both twice that with a dynamic range; sampling adds 8 FLOPs for each of the ``s²·C`` values.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`; as many channels come out as go in.
        order: ``lp`` to predict offsets and shuffle them, ``pl`` to shuffle the input and predict from that.
        dynamic: predict the range of each offset, ``0.5·sigmoid``, instead of 0.25.
        groups: g, groups of channels that share their sampling points; the channels must be divisible by it. The
            paper's PL variants (DySample-S) have 8.
        range_bias: whether the predicted range has a bias, as in one version of the authors' code.
    """

    keeps_channels = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        order: Literal["lp", "pl"] = "lp",
        dynamic: bool = False,
        groups: int = 4,
        range_bias: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, scale)
        if order not in ("lp", "pl"):
            raise UpsampleError(f"order must be 'lp' or 'pl'; got {order!r}.")
        if in_channels % groups:
            raise UnsupportedError(f"DySample samples in {groups} groups of channels; got {in_channels} channels.")
        if order == "pl" and in_channels % scale**2:
            raise UnsupportedError(
                f"DySample (PL) shuffles its input, whose channels must be divisible by {scale**2}; got {in_channels}."
            )
        self.order, self.dynamic, self.groups = order, dynamic, groups
        ends = (in_channels, 2 * groups * scale**2) if order == "lp" else (in_channels // scale**2, 2 * groups)
        self.offset = nn.Conv2d(*ends, 1)
        nn.init.normal_(self.offset.weight, std=0.001)
        assert self.offset.bias is not None
        nn.init.zeros_(self.offset.bias)
        self.range = nn.Conv2d(*ends, 1, bias=range_bias) if dynamic else None
        if self.range is not None:
            for parameter in self.range.parameters():
                nn.init.zeros_(parameter)

    def forward(self, input: Tensor) -> Tensor:
        batch, channels, height, width = input.shape
        high, wide = self.output_size(height, width)
        if self.order == "lp":
            offsets, largest = self._offsets(input)
            offsets = F.pixel_shuffle(offsets, self.scale)
        else:
            offsets, largest = self._offsets(F.pixel_shuffle(input, self.scale))
        features, offsets = precise(input), precise(offsets)
        # grid_sample has its edges at -1 and 1, so that a pixel of the input is 2/W wide.
        step = offsets.new_tensor([2 * largest / width, 2 * largest / height]).view(2, 1, 1, 1)
        grid = offsets.reshape(batch, 2, self.groups, high, wide) * step + self._centres(offsets, high, wide)
        sampled = F.grid_sample(
            features.reshape(batch * self.groups, channels // self.groups, height, width),
            grid.permute(0, 2, 3, 4, 1).reshape(batch * self.groups, high, wide, 2),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return sampled.reshape(batch, channels, high, wide).to(input.dtype)

    def _offsets(self, input: Tensor) -> tuple[Tensor, float]:
        """The predicted offsets and the factor that turns them into pixels of the input."""
        if self.range is None:
            return self.offset(input), 0.25
        return self.offset(input) * self.range(input).sigmoid(), 0.5

    @staticmethod
    def _centres(like: Tensor, high: int, wide: int) -> Tensor:
        """The centres of the output's pixels, ``(2, 1, high, wide)`` with x first, edges at -1 and 1."""
        x = torch.linspace(1 / wide - 1, 1 - 1 / wide, wide, dtype=like.dtype, device=like.device)
        y = torch.linspace(1 / high - 1, 1 - 1 / high, high, dtype=like.dtype, device=like.device)
        return torch.stack(torch.meshgrid(x, y, indexing="xy"))[:, None]

    def definition(self, input: Tensor) -> Tensor:
        channels, height, width = input.shape[1:]
        high, wide = self.output_size(height, width)
        source = input if self.order == "lp" else pixel_shuffle(input, self.scale)
        offsets = self.offset(source) * (0.25 if self.range is None else 0.5 * self.range(source).sigmoid())
        if self.order == "lp":
            offsets = pixel_shuffle(offsets, self.scale)
        x_offsets, y_offsets = offsets.chunk(2, dim=1)
        x = (torch.arange(wide, dtype=input.dtype, device=input.device) + 0.5) / self.scale - 0.5
        y = (torch.arange(high, dtype=input.dtype, device=input.device) + 0.5) / self.scale - 0.5
        each = channels // self.groups
        parts = [
            sample_bilinear_by_definition(part, x + x_offsets[:, group], y[:, None] + y_offsets[:, group])
            for group, part in enumerate(input.split(each, dim=1))
        ]
        return torch.cat(parts, dim=1)

    def work(self, batch: int, height: int, width: int) -> Work:
        positions = height * width if self.order == "lp" else height * width * self.scale**2
        predict = conv_work(batch, self.offset.in_channels, self.offset.out_channels, positions, 1)
        outputs = batch * height * width * self.scale**2
        values = 2 * self.groups * outputs
        sample = Work(FLOPS_PER_SAMPLE * self.in_channels * outputs, elementwise=2 * values)
        if self.dynamic:
            return predict + predict + sample + Work(elementwise=2 * values)
        return predict + sample


@register(
    Card(
        name="dysample_last",
        family="sampling",
        title="Conv, DySample+, 1×1 conv",
        paper="Liu et al. (DySample), ICCV",
        year=2023,
        advice="Instead of a sub-pixel convolution at a network's end: samples s² channels for each that comes out.",
        preset="full",
    )
)
class DySampleLast(Upsampler):
    """A convolution C→O·s², DySample+ (LP) of all of these channels, and a 1×1 convolution to O.

    As public trainers of super-resolution end their networks, RealPLKSR for one: the last convolution is that of a
    sub-pixel convolution, and where that shuffles, this samples ``O·s²`` channels at the output's resolution. Per
    low-resolution pixel ``9·C·O·s²`` multiply-accumulates, then those of DySample+ for ``O·s²`` channels, and
    ``O²·s⁴``.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
        groups: of channels that share their sampling points; 4 unless given, and O for odd scales.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int, groups: int | None = None) -> None:
        super().__init__(in_channels, out_channels, scale)
        channels = out_channels * scale**2
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1)
        default = out_channels if scale % 2 else 4
        self.sample = DySample(channels, channels, scale, dynamic=True, groups=groups or default)
        self.last = nn.Conv2d(channels, out_channels, 1)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.last(self.sample(self.conv(input)))
        return output

    def definition(self, input: Tensor) -> Tensor:
        output: Tensor = self.last(self.sample.definition(self.conv(input)))
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        channels, positions = self.sample.in_channels, height * width
        return (
            conv_work(batch, self.in_channels, channels, positions, 3)
            + self.sample.work(batch, height, width)
            + conv_work(batch, channels, self.out_channels, positions * self.scale**2, 1)
        )
