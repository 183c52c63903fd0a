"""Upsampling with a guide: high-resolution features, or an image, say where the edges are.

A decoder's low-resolution features and an encoder's high-resolution ones meet in each of these operators. The guide
decides the kernel with which every output pixel is reassembled from its neighbourhood
(:mod:`upsample.families.reassembly`).

Sources: Lu et al. (SAPA), NeurIPS 2022; Lu et al. (FADE), ECCV 2022; Kopf et al., SIGGRAPH 2007, for joint bilateral
upsampling, in the learned form of Fu et al. (FeatUp), ICLR 2024; Badrinarayanan et al. (SegNet), TPAMI 2017, for
unpooling with indices.

Traps: "guided" costs a high-resolution convolution or projection that unguided operators do not have. A neighbour
beyond the edge takes part in the softmax, in SAPA with a score of 0 and in FADE with its predicted one, and contributes
nothing, so that outputs shrink towards zero at the border.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.channel_norm import ChannelNorm
from upsample.contract import (
    Card,
    GuidedUpsampler,
    Work,
    conv_work,
    softmax_work,
    stage_factors,
)
from upsample.families.reassembly import (
    affinity,
    affinity_by_definition,
    by_phase,
    neighbourhood_work,
    reassemble,
    reassemble_by_definition,
)
from upsample.registry import register
from upsample.resampling import interpolate, interpolate_by_definition, interpolation_work

KERNEL_SIZE = 5
"""Side of the neighbourhoods of SAPA and FADE."""


@register(
    Card(
        name="sapa_b",
        family="guided",
        title="SAPA-B",
        paper="Lu et al. (SAPA), NeurIPS",
        year=2022,
        advice="For decoders with skip connections: kernels from the likeness of guide and input; sharp boundaries.",
        preset="full",
    )
)
class Sapa(GuidedUpsampler):
    """Similarity-aware point affiliation with embeddings: a softmax over the likeness of guide pixel and neighbours.

    ``(1+s²)·C·d + k²·s²·(d+C)`` multiply-accumulates per low-resolution pixel for a guide of C channels, d = 32, k = 5.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.AnyUpsampler`; as many channels come out as go in.
        guide_channels: of the guide; as many as the input's unless given.
        embedding: d, channels in which guide and input are compared.
    """

    keeps_channels = True

    def __init__(
        self, in_channels: int, out_channels: int, scale: int, guide_channels: int | None = None, embedding: int = 32
    ) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.guide_channels = in_channels if guide_channels is None else guide_channels
        self.norm_input, self.norm_guide = ChannelNorm(in_channels), ChannelNorm(self.guide_channels)
        self.key = nn.Conv2d(in_channels, embedding, 1)
        self.query = nn.Conv2d(self.guide_channels, embedding, 1)
        for layer in (self.key, self.query):
            assert layer.bias is not None
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, input: Tensor, guide: Tensor) -> Tensor:
        query = self.query(self.norm_guide(guide))
        key = self.key(self.norm_input(input))
        return reassemble(input, affinity(query, key, KERNEL_SIZE).softmax(1), KERNEL_SIZE)

    def definition(self, input: Tensor, guide: Tensor) -> Tensor:
        query = self.query(self.norm_guide.definition(guide))
        key = self.key(self.norm_input.definition(input))
        kernels = affinity_by_definition(query, key, KERNEL_SIZE).softmax(1)
        return reassemble_by_definition(input, kernels, KERNEL_SIZE)

    def work(self, batch: int, height: int, width: int) -> Work:
        low, embedding = height * width, self.key.out_channels
        high = low * self.scale**2
        return (
            self.norm_input.work(batch * low)
            + self.norm_guide.work(batch * high)
            + conv_work(batch, self.in_channels, embedding, low, 1)
            + conv_work(batch, self.guide_channels, embedding, high, 1)
            + neighbourhood_work(batch, embedding, high, KERNEL_SIZE)
            + softmax_work(batch * KERNEL_SIZE**2 * high)
            + neighbourhood_work(batch, self.in_channels, high, KERNEL_SIZE)
        )


@register(
    Card(
        name="fade",
        family="guided",
        title="FADE",
        paper="Lu et al. (FADE), ECCV",
        year=2022,
        advice="For decoders with skip connections: mixes the guide itself into the output through a gate; ×2 only.",
        preset="full",
    )
)
class Fade(GuidedUpsampler):
    """Kernels from guide and input through one shared convolution, and a gate between the guide and the reassembly.

    With d = 64 and k = 5, ``(1+s²)·(C·d + 9·k²·d) + C + s²·k²·C`` multiply-accumulates per low-resolution pixel.

    The shared ("semi-shift") convolution runs on the compressed guide at high and on the compressed input at low
    resolution; the sums of both are the scores of the kernels. The guide must have the input's channels, as it is mixed
    into the output.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.AnyUpsampler`; scale 2 only, as many channels come out
            as go in.
        embedding: d, channels of the compressed features.
    """

    keeps_channels = True

    def __init__(self, in_channels: int, out_channels: int, scale: int, embedding: int = 64) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.guide_channels = in_channels
        self.compress_guide = nn.Conv2d(in_channels, embedding, 1)
        self.compress_input = nn.Conv2d(in_channels, embedding, 1, bias=False)
        self.encode = nn.Conv2d(embedding, KERNEL_SIZE**2, 3, padding=1)
        self.gate = nn.Conv2d(in_channels, 1, 1)
        for layer in (self.compress_guide, self.compress_input, self.encode, self.gate):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    @classmethod
    def refusal(cls, scale: object) -> str | None:
        return super().refusal(scale) or (None if scale == 2 else f"{cls.__name__} doubles the size; got {scale}.")

    def forward(self, input: Tensor, guide: Tensor) -> Tensor:
        of_guide = self.encode(self.compress_guide(guide))
        of_input = self.encode(self.compress_input(input))
        kernels = (by_phase(of_guide, 2) + of_input[:, :, :, None, :, None]).softmax(1)
        gate = interpolate(self.gate(input).sigmoid(), "nearest", (2, 2))
        return torch.lerp(reassemble(input, kernels, KERNEL_SIZE), guide, gate)

    def definition(self, input: Tensor, guide: Tensor) -> Tensor:
        of_input = interpolate_by_definition(self.encode(self.compress_input(input)), "nearest", (2, 2))
        kernels = (self.encode(self.compress_guide(guide)) + of_input).softmax(1)
        reassembled = reassemble_by_definition(input, by_phase(kernels, 2), KERNEL_SIZE)
        gate = torch.sigmoid(interpolate_by_definition(self.gate(input), "nearest", (2, 2)))
        return gate * guide + (1 - gate) * reassembled

    def work(self, batch: int, height: int, width: int) -> Work:
        low, taps, embedding = height * width, KERNEL_SIZE**2, self.encode.in_channels
        high = 4 * low
        add, gate, mix = batch * taps * high, batch * low, 3 * batch * self.in_channels * high
        return (
            conv_work(batch, self.in_channels, embedding, high + low, 1)
            + conv_work(batch, embedding, taps, high + low, 3)
            + conv_work(batch, self.in_channels, 1, low, 1)
            + softmax_work(batch * taps * high)
            + neighbourhood_work(batch, self.in_channels, high, KERNEL_SIZE)
            + Work(elementwise=add + gate + mix)
        )


class _BilateralStage(nn.Module):
    """One doubling of joint bilateral upsampling with a learned range, as published with FeatUp, its dropout left out.

    Bicubic upsampling, then a 7×7 kernel for each pixel: a softmax over the likeness of the projected guide, times a
    Gaussian over distance, normalised, plus a small learned correction.
    """

    radius, embedding, guide_channels = 3, 32, 3
    kernel_size = 2 * radius + 1
    taps = kernel_size**2

    squared_distance: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Conv2d(self.guide_channels, self.embedding, 1), nn.GELU(), nn.Conv2d(self.embedding, self.embedding, 1)
        )
        self.correct = nn.Sequential(
            nn.Conv2d(self.taps + self.guide_channels, self.taps, 1), nn.GELU(), nn.Conv2d(self.taps, self.taps, 1)
        )
        self.log_temperature = nn.Parameter(torch.zeros(()))
        self.sigma = nn.Parameter(torch.ones(()))
        line = torch.linspace(-1, 1, self.kernel_size)
        self.register_buffer("squared_distance", (line[:, None] ** 2 + line**2).reshape(1, -1, 1, 1), persistent=False)

    def forward(self, input: Tensor, guide: Tensor) -> Tensor:
        projected = self.project(guide)
        likeness = affinity(projected, projected, self.kernel_size, border="reflect").flatten(2, 3).flatten(3, 4)
        weights = self._weights(likeness, guide)
        doubled = interpolate(input, "bicubic", (2, 2))
        return reassemble(doubled, by_phase(weights, 1), self.kernel_size, border="reflect")

    def definition(self, input: Tensor, guide: Tensor) -> Tensor:
        projected = self.project(guide)
        likeness = affinity_by_definition(projected, projected, self.kernel_size, border="reflect").squeeze((3, 5))
        weights = self._weights(likeness, guide)
        doubled = interpolate_by_definition(input, "bicubic", (2, 2))
        return reassemble_by_definition(doubled, by_phase(weights, 1), self.kernel_size, border="reflect")

    def _weights(self, likeness: Tensor, guide: Tensor) -> Tensor:
        """From scores of ``(N, 49, H, W)`` to weights of the same shape."""
        temperature = self.log_temperature.exp().clamp(1e-4, 1e4)
        near = torch.exp(self.squared_distance / (-2 * self.sigma**2))
        weights = (likeness * temperature).softmax(1) * near
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-7)
        return torch.add(weights, self.correct(torch.cat([weights, guide], dim=1)), alpha=0.1)

    def work(self, batch: int, channels: int, height: int, width: int) -> Work:
        high, taps = 4 * height * width, self.taps
        # Scalars: exp and clamp of the temperature, square and factor of sigma; quotient and exp of each distance.
        scalars = 4 + 2 * taps
        # Temperature, distance, sum, quotient, GELU and correction of each weight; one clamp a pixel.
        weigh = batch * high * (6 * taps + 1)
        return (
            conv_work(batch, self.guide_channels, self.embedding, high, 1)
            + conv_work(batch, self.embedding, self.embedding, high, 1)
            + Work(elementwise=batch * self.embedding * high + scalars + weigh)
            + neighbourhood_work(batch, self.embedding, high, self.kernel_size)
            + softmax_work(batch * taps * high)
            + conv_work(batch, taps + self.guide_channels, taps, high, 1)
            + conv_work(batch, taps, taps, high, 1)
            + interpolation_work("bicubic", batch * channels, height, width, (2, 2))
            + neighbourhood_work(batch, channels, high, self.kernel_size)
        )


@register(
    Card(
        name="joint_bilateral",
        family="guided",
        title="Joint bilateral, learned range",
        paper="Fu et al. (FeatUp), ICLR",
        year=2024,
        advice="Sharpens the features of a frozen backbone along an image's edges; channels are not mixed.",
        preset="full",
    )
)
class JointBilateral(GuidedUpsampler):
    """Doublings by a bilateral filter whose range kernel compares the pixels of an RGB guide.

    The guide of each doubling is the given one, averaged down to its size. Scales: powers of two. Reflection at the
    border needs an input of at least 2×2 pixels. FeatUp's stack ends with a small 1×1 convolution, left out here.
    """

    keeps_channels = True
    stages_of = (2,)
    guide_channels = 3
    guided_by_image = True

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.stages = nn.ModuleList(_BilateralStage() for _ in stage_factors(scale, self.stages_of))

    def forward(self, input: Tensor, guide: Tensor) -> Tensor:
        features, factor = input, self.scale
        for stage in self.stages:
            factor //= 2
            features = stage(features, F.avg_pool2d(guide, factor) if factor > 1 else guide)
        return features

    def definition(self, input: Tensor, guide: Tensor) -> Tensor:
        features, factor = input, self.scale
        for stage in self.stages:
            assert isinstance(stage, _BilateralStage)
            factor //= 2
            batch, channels, high, wide = guide.shape
            blocks = guide.reshape(batch, channels, high // factor, factor, wide // factor, factor)
            features = stage.definition(features, blocks.mean((3, 5)))
        return features

    def work(self, batch: int, height: int, width: int) -> Work:
        work, factor, guide_values = Work(), self.scale, batch * 3 * height * width * self.scale**2
        for stage in self.stages:
            assert isinstance(stage, _BilateralStage)
            factor //= 2
            work += stage.work(batch, self.in_channels, height, width)
            if factor > 1:
                work += Work(elementwise=guide_values)
            height, width = 2 * height, 2 * width
        return work


@register(
    Card(
        name="max_unpooling",
        family="guided",
        title="Max-unpooling with indices",
        paper="Badrinarayanan et al. (SegNet), TPAMI",
        year=2017,
        advice="Puts each value back where the encoder's maximum was, zeros elsewhere; free, but a conv must follow.",
        preset="full",
    )
)
class MaxUnpooling(GuidedUpsampler):
    """Scatter each input value to the position at which the encoder's max-pooling found its maximum; no arithmetic.

    The guide is not the encoder's features but the indices of its pooling, ``(N, C, H, W)`` in int64, as
    ``torch.nn.functional.max_pool2d(features, s, return_indices=True)`` gives them. They count the pixels of the whole
    image.
    """

    keeps_channels = True
    local = False

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.guide_channels = in_channels

    def guide_from(self, features: Tensor) -> Tensor:
        return F.max_pool2d(features, self.scale, return_indices=True)[1]

    def forward(self, input: Tensor, guide: Tensor) -> Tensor:
        return F.max_unpool2d(input, guide, [self.scale, self.scale])

    def definition(self, input: Tensor, guide: Tensor) -> Tensor:
        batch, channels, height, width = input.shape
        output = input.new_zeros(batch, channels, height * width * self.scale**2)
        output = output.scatter(2, guide.flatten(2), input.flatten(2))
        return output.view(batch, channels, height * self.scale, width * self.scale)

    def work(self, batch: int, height: int, width: int) -> Work:
        return Work()
