"""Upsampling with attention: weights that the content decides, for each pixel or between neighbouring ones.

Pixel attention multiplies every value by a gate computed from its own pixel. Local deformable attention lets each
output pixel, as a query, look at a few neighbours of the input whose positions it has moved, and averages them by
likeness.

Sources: Zhao et al., "Efficient image super-resolution using pixel attention" (PAN), ECCV Workshops 2020; Du et al.,
"LDA-AQU: Adaptive query-guided upsampling via local deformable attention", ACM MM 2024.

Traps: in PAN the gate stands before the activation. LDA-AQU aligns the corner pixels (``align_corners=True``), so that
what an output pixel sees depends on the size of the image, and its offsets are in pixels of the output.
"""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.channel_norm import ChannelNorm
from upsample.contract import (
    Card,
    Scale,
    UnsupportedError,
    Upsampler,
    Work,
    conv_work,
    leaky_relu_by_definition,
    softmax_work,
    stage_factors,
)
from upsample.families.sampling import FLOPS_PER_SAMPLE, precise, sample_bilinear_by_definition
from upsample.registry import register
from upsample.resampling import interpolate, interpolate_by_definition


class _PixelAttentionStage(nn.Module):
    """Nearest, conv3, pixel attention, LeakyReLU, conv3, LeakyReLU: 19·C² multiply-accumulates per output pixel."""

    negative_slope = 0.2

    def __init__(self, in_channels: int, width: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.before = nn.Conv2d(in_channels, width, 3, padding=1)
        self.attention = nn.Conv2d(width, width, 1)
        self.after = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        features = self.before(interpolate(input, "nearest", (self.scale, self.scale)))
        attended = features * self.attention(features).sigmoid()
        return F.leaky_relu(self.after(F.leaky_relu(attended, self.negative_slope)), self.negative_slope)

    def definition(self, input: Tensor) -> Tensor:
        features = self.before(interpolate_by_definition(input, "nearest", (self.scale, self.scale)))
        attended = features / (1 + torch.exp(-self.attention(features)))
        return self._activated(self.after(self._activated(attended)))

    def _activated(self, input: Tensor) -> Tensor:
        return leaky_relu_by_definition(input, self.negative_slope)

    def work(self, batch: int, positions: int) -> Work:
        """Work for ``positions`` pixels of the stage's output."""
        width = self.before.out_channels
        return (
            conv_work(batch, self.before.in_channels, width, positions, 3)
            + conv_work(batch, width, width, positions, 1)
            + conv_work(batch, width, width, positions, 3)
            + Work(elementwise=4 * batch * width * positions)
        )


@register(
    Card(
        name="pixel_attention",
        family="attention",
        title="PA-up (pixel attention)",
        paper="Zhao et al. (PAN), ECCVW",
        year=2020,
        advice="Nearest + conv with a gate for each value; for small networks, and more work at full resolution.",
    )
)
class PixelAttention(Upsampler):
    """PAN's upsampler: stages of ×2, or one of ×3, then a convolution to the output's channels.

    PAN adds the bilinearly enlarged image to the output, which an upsampler of features does not have.

    ``s²·19·C²`` multiply-accumulates per input pixel of a stage of C channels. Scales: powers of two, and 3.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
        width: channels of the stages; as many as go in unless given (PAN goes from 40 to 24).
    """

    stages_of = (2, 3)

    def __init__(self, in_channels: int, out_channels: int, scale: int, width: int | None = None) -> None:
        super().__init__(in_channels, out_channels, scale)
        width = in_channels if width is None else width
        factors = stage_factors(scale, self.stages_of)
        ins = [in_channels] + [width] * (len(factors) - 1)
        self.stages = nn.ModuleList(_PixelAttentionStage(c, width, s) for c, s in zip(ins, factors, strict=True))
        self.last = nn.Conv2d(width, out_channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        features = input
        for stage in self.stages:
            features = stage(features)
        output: Tensor = self.last(features)
        return output

    def definition(self, input: Tensor) -> Tensor:
        features = input
        for stage in self.stages:
            assert isinstance(stage, _PixelAttentionStage)
            features = stage.definition(features)
        output: Tensor = self.last(features)
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        work, positions = Work(), height * width
        for stage in self.stages:
            assert isinstance(stage, _PixelAttentionStage)
            positions *= stage.scale**2
            work += stage.work(batch, positions)
        return work + conv_work(batch, self.last.in_channels, self.out_channels, positions, 3)


@register(
    Card(
        name="lda_aqu",
        family="attention",
        title="LDA-AQU",
        paper="Du et al. (LDA-AQU), ACM MM",
        year=2024,
        advice="Attention over nine moved neighbours, without a guide; among the dearest in time and memory.",
        preset="full",
    )
)
class LdaAqu(Upsampler):
    """Local deformable attention: each output pixel attends to nine sampled neighbours.

    Queries are made at low resolution, brought to the output's size bilinearly, and predict in each of g groups how far
    the nine neighbours are moved. Keys of d = C/4 channels are compared, and the unprojected input is averaged.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`; fractional scales too; as many channels come
            out as go in, divisible by 4·groups.
        groups: g, groups of channels with offsets of their own.
        reach: the offsets are at most so many pixels of the output.
    """

    fractional = True
    keeps_channels = True
    local = False

    reduction, kernel_size = 4, 3
    taps = kernel_size**2

    base: Tensor

    def __init__(self, in_channels: int, out_channels: int, scale: Scale, groups: int = 2, reach: float = 11.0) -> None:
        super().__init__(in_channels, out_channels, scale)
        if in_channels % (self.reduction * groups):
            raise UnsupportedError(
                f"LdaAqu needs channels divisible by {self.reduction * groups}; got {in_channels} channels."
            )
        self.groups, self.reach = groups, reach
        self.hidden = in_channels // self.reduction
        each = self.hidden // groups
        self.norm = ChannelNorm(in_channels)
        self.query = nn.Conv2d(in_channels, self.hidden, 1, bias=False)
        self.key = nn.Conv2d(in_channels, self.hidden, 1, bias=False)
        self.depthwise = nn.Conv2d(each, each, 3, padding=1, groups=each, bias=False)
        self.offset_norm = ChannelNorm(each)
        self.offset = nn.Conv2d(each, 2 * self.taps, 3, padding=1)
        self.position_bias = nn.Parameter(torch.empty(self.taps, self.hidden))
        for layer in (self.query, self.key, self.depthwise):
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(self.offset.weight)
        assert self.offset.bias is not None
        nn.init.zeros_(self.offset.bias)
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        taps = torch.tensor(list(product((-1.0, 0.0, 1.0), repeat=2)))
        self.register_buffer("base", taps, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        batch, channels, height, width = input.shape
        high, wide = self.output_size(height, width)
        normalised = self.norm(input)
        query, key = self.query(normalised), self.key(normalised)
        query = F.interpolate(query, size=(high, wide), mode="bilinear", align_corners=True)
        grid = self._grid(query)
        found = F.grid_sample(self._in_groups(precise(key)), grid.flatten(1, 2), align_corners=True).to(query.dtype)
        biased = found.reshape(batch, self.hidden, self.taps, high, wide) + self.position_bias.T[:, :, None, None]
        scaled = query * self.hidden**-0.5
        scores = query.new_zeros(batch, self.taps, high, wide)
        for channel in range(self.hidden):
            scores.addcmul_(scaled[:, channel, None], biased[:, channel])
        weights = scores.softmax(1)
        values = self._in_groups(precise(input))
        output = input.new_zeros(batch, channels, high, wide)
        for tap in range(self.taps):
            found = F.grid_sample(values, grid[:, tap], align_corners=True).reshape(batch, channels, high, wide)
            output.addcmul_(found.to(input.dtype), weights[:, tap, None])
        return output

    def _in_groups(self, input: Tensor) -> Tensor:
        """View ``(N, C, H, W)`` as ``(N*g, C/g, H, W)``."""
        batch, channels, height, width = input.shape
        return input.reshape(batch * self.groups, channels // self.groups, height, width)

    def _offsets(self, query: Tensor) -> Tensor:
        """How far each neighbour is moved, ``(N*g, taps, 2, H, W)`` with y first, before the reach is applied."""
        features = self.offset_norm(self.depthwise(self._in_groups(query)))
        shares: Tensor = precise(self.offset(F.gelu(features)).tanh())
        return shares.reshape(-1, self.taps, 2, *query.shape[2:])

    def _grid(self, query: Tensor) -> Tensor:
        """The sampling positions of all taps, ``(N*g, taps, H, W, 2)`` with x first, corner pixels at -1 and 1."""
        high, wide = query.shape[2:]
        offsets = self._offsets(query)
        step = offsets.new_tensor([2 / max(1, high - 1), 2 / max(1, wide - 1)]).view(2, 1, 1)
        rows = torch.linspace(-1, 1, high, dtype=offsets.dtype, device=offsets.device)
        columns = torch.linspace(-1, 1, wide, dtype=offsets.dtype, device=offsets.device)
        centres = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
        moved: Tensor = (offsets * self.reach + self.base[:, :, None, None]) * step + centres
        return moved.flip(2).permute(0, 1, 3, 4, 2)

    def definition(self, input: Tensor) -> Tensor:
        _, channels, height, width = input.shape
        high, wide = self.output_size(height, width)
        normalised = self.norm.definition(input)
        rows, columns = (_corner_matrix(size, length, input) for size, length in ((height, high), (width, wide)))
        query, key = rows @ self.query(normalised) @ columns.T, self.key(normalised)
        each, output = channels // self.groups, []
        moved = [self._moved(part) for part in query.chunk(self.groups, dim=1)]
        keys = [self._look_up(part, *moved[g]) for g, part in enumerate(key.chunk(self.groups, dim=1))]
        biased = torch.cat(keys, dim=1) + self.position_bias.T[:, :, None, None]
        weights = ((query * self.hidden**-0.5)[:, :, None] * biased).sum(1).softmax(1)
        for group, part in enumerate(input.split(each, dim=1)):
            output.append((self._look_up(part, *moved[group]) * weights[:, None]).sum(2))
        return torch.cat(output, dim=1)

    def _moved(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and columns of all taps in pixels of the output, each ``(N, taps, H, W)``."""
        features = self.offset_norm.definition(self.depthwise(query))
        offsets = self.reach * self.offset(F.gelu(features)).tanh()
        rows = torch.arange(query.shape[2], dtype=query.dtype, device=query.device)[:, None]
        columns = torch.arange(query.shape[3], dtype=query.dtype, device=query.device)
        base = self.base[:, :, None, None].to(query.dtype)
        return offsets[:, 0::2] + base[:, 0] + rows, offsets[:, 1::2] + base[:, 1] + columns

    @staticmethod
    def _look_up(part: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Sample ``(N, C, h, w)`` at positions in output pixels, zeros beyond the edge: ``(N, C, taps, H, W)``."""
        height, width = part.shape[2:]
        y = rows * (height - 1) / (rows.shape[2] - 1)
        x = columns * (width - 1) / (columns.shape[3] - 1)
        # One ring of zeros stands for everything beyond the edge.
        return sample_bilinear_by_definition(F.pad(part, (1, 1, 1, 1)), x + 1, y + 1)

    def work(self, batch: int, height: int, width: int) -> Work:
        high, wide = self.output_size(height, width)
        low, outputs, each = batch * height * width, batch * high * wide, self.hidden // self.groups
        coordinates = 2 * self.taps * self.groups * outputs
        predict = (
            conv_work(batch * self.groups, 1, each, high * wide, 3)
            + self.offset_norm.work(outputs * self.groups)
            + Work(elementwise=self.hidden * outputs)
            + conv_work(batch * self.groups, each, 2 * self.taps, high * wide, 3)
            # tanh, reach, base, step and centre of each coordinate.
            + Work(elementwise=5 * coordinates)
        )
        attend = Work(
            flops=self.taps * outputs * (FLOPS_PER_SAMPLE + 2) * (self.hidden + self.in_channels),
            elementwise=self.hidden * outputs * (1 + self.taps),
        )
        return (
            self.norm.work(low)
            + conv_work(batch, self.in_channels, 2 * self.hidden, height * width, 1)
            + Work(flops=FLOPS_PER_SAMPLE * self.hidden * outputs)
            + predict
            + attend
            + softmax_work(self.taps * outputs)
        )


def _corner_matrix(size: int, length: int, like: Tensor) -> Tensor:
    """The ``(length, size)`` matrix of linear interpolation with the corner pixels aligned."""
    matrix = torch.zeros(length, size, dtype=like.dtype, device=like.device)
    for position in range(length):
        centre = position * (size - 1) / (length - 1)
        left = min(int(centre), max(0, size - 2))
        matrix[position, left] += 1 - (centre - left)
        matrix[position, min(left + 1, size - 1)] += centre - left
    return matrix
