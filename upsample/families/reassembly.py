"""Content-aware reassembly: every output pixel is its own weighted sum over a k×k neighbourhood of the input.

Output pixel ``(Y, X)`` belongs to the low-resolution pixel ``(Y // s, X // s)``; its kernel, one weight for each of the
k² neighbours of that pixel, is predicted from the content and is the same for all channels. CARAFE predicts the kernels
from the input itself; the guided operators use the same :func:`reassemble` with kernels from elsewhere.

Source: Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures", ICCV 2019.

Traps: spelt with ``unfold`` the sum needs the input k² = 25 times over, in memory that is written once and read once.
Neighbours beyond the edge count as zero here, as in the authors' code; other code bases reflect.
"""

from __future__ import annotations

from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import Card, Upsampler, Work, conv_work, same_padding, softmax_work
from upsample.families.subpixel import pixel_shuffle
from upsample.registry import register

BLOCK_VALUES = 2**18
"""Accumulators of this many values, a megabyte of float32, stay in a core's cache and are few enough to be quick."""

GPU_BLOCK_VALUES = 2**22
"""The same where each pass over a block is a kernel to launch, which takes the host some ten microseconds: 16 MiB of
float32 take a GPU as long, and fit into its second cache. CARAFE was seen to take 100 ms on an H200: at ×2, 64
channels, 256×256 and batch 4 it is 7,040 passes over the CPU's blocks, and 440 over these; counted, not timed."""

Border = Literal["constant", "reflect"]
"""What lies beyond the edge: zeros, or the mirrored input."""


def reassemble(input: Tensor, kernels: Tensor, kernel_size: int, border: Border = "constant") -> Tensor:
    """Weigh the k×k neighbourhoods of ``input`` by ``kernels``, without unfolding the input.

    The sums of one output phase and some channels at a time are accumulated in place, tap by tap, which takes
    ``s² * k²`` passes over low-resolution planes and, without gradients, no memory beyond the output and two blocks:
    small ones for a CPU's caches, and larger ones elsewhere, where each pass is a kernel to launch.

    Args:
        input: ``(N, C, H, W)``.
        kernels: ``(N, k², H, s, W, s)``, those of output pixel ``(y*s + dy, x*s + dx)`` at ``[:, :, y, dy, x, dx]``.
        kernel_size: k, odd.
        border: what lies beyond the edge.

    Returns:
        ``(N, C, s*H, s*W)``, contiguous.
    """
    batch, channels, height, width = input.shape
    scale, margin = kernels.shape[3], same_padding(kernel_size)
    output = input.new_empty(batch, channels, height, scale, width, scale)
    block_values = BLOCK_VALUES if input.device.type == "cpu" else GPU_BLOCK_VALUES
    at_once = max(1, block_values // (batch * height * width))
    for first in range(0, channels, at_once):
        block = slice(first, first + at_once)
        padded = F.pad(input[:, block].contiguous(), (margin, margin, margin, margin), mode=border)
        for dy, dx in product(range(scale), repeat=2):
            sums = input.new_zeros(batch, padded.shape[1], height, width)
            for tap, (y, x) in enumerate(product(range(kernel_size), repeat=2)):
                neighbour = padded[:, :, y : y + height, x : x + width]
                sums.addcmul_(neighbour, kernels[:, tap, None, :, dy, :, dx])
            output[:, block, :, dy, :, dx] = sums
    return output.reshape(batch, channels, height * scale, width * scale)


def reassemble_by_definition(input: Tensor, kernels: Tensor, kernel_size: int, border: Border = "constant") -> Tensor:
    """The same output as the textbook has it: unfold, repeat for each output pixel, multiply, and sum."""
    batch, channels, height, width = input.shape
    scale = kernels.shape[3]
    neighbours = _unfold(input, kernel_size, border).reshape(batch, channels, kernel_size**2, height, 1, width, 1)
    return (neighbours * kernels[:, None]).sum(2).reshape(batch, channels, height * scale, width * scale)


def _unfold(input: Tensor, kernel_size: int, border: Border) -> Tensor:
    margin = same_padding(kernel_size)
    return F.unfold(F.pad(input, (margin, margin, margin, margin), mode=border), kernel_size)


def affinity(query: Tensor, key: Tensor, kernel_size: int, border: Border = "constant") -> Tensor:
    """Inner products of each high-resolution query with the keys around its low-resolution pixel.

    Args:
        query: ``(N, d, s*H, s*W)``.
        key: ``(N, d, H, W)``.
        kernel_size: k, odd.
        border: what lies beyond the edge.

    Returns:
        ``(N, k², H, s, W, s)``, as :func:`reassemble` takes its kernels.
    """
    batch, embedding, height, width = key.shape
    scale, margin = query.shape[2] // height, same_padding(kernel_size)
    padded = F.pad(key.contiguous(), (margin, margin, margin, margin), mode=border)
    neighbours = padded.unfold(2, kernel_size, 1).unfold(3, kernel_size, 1).permute(0, 1, 4, 5, 2, 3)
    phases = by_phase(query, scale)
    output = key.new_empty(batch, kernel_size**2, height, scale, width, scale)
    for dy, dx in product(range(scale), repeat=2):
        phase = phases[:, :, :, dy, :, dx].contiguous()
        sums = key.new_zeros(batch, kernel_size, kernel_size, height, width)
        for channel in range(embedding):
            sums.addcmul_(neighbours[:, channel], phase[:, channel, None, None])
        output[:, :, :, dy, :, dx] = sums.flatten(1, 2)
    return output


def affinity_by_definition(query: Tensor, key: Tensor, kernel_size: int, border: Border = "constant") -> Tensor:
    """The same output from the unfolded keys: multiply and sum over the embedding."""
    batch, embedding, height, width = key.shape
    neighbours = _unfold(key, kernel_size, border).reshape(batch, embedding, kernel_size**2, height, 1, width, 1)
    return (neighbours * by_phase(query, query.shape[2] // height).unsqueeze(2)).sum(1)


def by_phase(input: Tensor, scale: int) -> Tensor:
    """View ``(N, C, s*H, s*W)`` as ``(N, C, H, s, W, s)``: its pixels by the input pixel that they belong to."""
    batch, channels, height, width = input.shape
    return input.reshape(batch, channels, height // scale, scale, width // scale, scale)


def neighbourhood_work(batch: int, channels: int, positions: int, kernel_size: int) -> Work:
    """Work of k² multiply-accumulates for each channel of each high-resolution position: reassembly, or affinity."""
    return Work(flops=2 * batch * channels * positions * kernel_size**2)


@register(
    Card(
        name="carafe",
        family="reassembly",
        title="CARAFE",
        paper="Wang et al. (CARAFE), ICCV",
        year=2019,
        advice="A 5×5 view of the content; its cost lies in predicting and applying 25·s² weights for each pixel.",
    )
)
class Carafe(Upsampler):
    """Predict a softmax-normalised k×k kernel for each output pixel from compressed features, and reassemble.

    ``C·m + 9·m·k²·s² + k²·s²·C`` multiply-accumulates per low-resolution pixel with m compressed channels, k = 5: at
    C = 256 and s = 2 the published 199,496 FLOPs with the additions of biases, and 74,148 parameters.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`; as many channels come out as go in.
        kernel_size: odd side k of the reassembly kernels.
        compressed_channels: m, of the features that the kernels are predicted from.
        encoder_kernel_size: odd side of the convolution that predicts them.
    """

    keeps_channels = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int = 5,
        compressed_channels: int = 64,
        encoder_kernel_size: int = 3,
    ) -> None:
        super().__init__(in_channels, out_channels, scale)
        same_padding(kernel_size)
        self.kernel_size = kernel_size
        padding = same_padding(encoder_kernel_size)
        self.compress = nn.Conv2d(in_channels, compressed_channels, 1)
        self.encode = nn.Conv2d(compressed_channels, kernel_size**2 * scale**2, encoder_kernel_size, padding=padding)
        nn.init.xavier_uniform_(self.compress.weight)
        nn.init.normal_(self.encode.weight, std=0.001)
        for layer in (self.compress, self.encode):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, input: Tensor) -> Tensor:
        return reassemble(input, self._kernels(input), self.kernel_size)

    def _kernels(self, input: Tensor) -> Tensor:
        """Predict the kernels; the scores before the softmax, as large as they, are given back on return."""
        scores: Tensor = self.encode(self.compress(input)).contiguous()
        by_tap = scores.view(scores.shape[0], self.kernel_size**2, self.scale, self.scale, *scores.shape[2:])
        return by_tap.softmax(1).permute(0, 1, 4, 2, 5, 3)

    def definition(self, input: Tensor) -> Tensor:
        kernels = pixel_shuffle(self.encode(self.compress(input)), self.scale).softmax(1)
        return reassemble_by_definition(input, by_phase(kernels, self.scale), self.kernel_size)

    def work(self, batch: int, height: int, width: int) -> Work:
        positions, taps = height * width, self.kernel_size**2
        compress = conv_work(batch, self.in_channels, self.compress.out_channels, positions, 1)
        encode = conv_work(
            batch, self.compress.out_channels, taps * self.scale**2, positions, self.encode.kernel_size[0]
        )
        normalise = softmax_work(batch * taps * self.scale**2 * positions)
        apply = neighbourhood_work(batch, self.in_channels, positions * self.scale**2, self.kernel_size)
        return compress + encode + normalise + apply


@register(
    Card(
        name="carafe_unfolded",
        family="reassembly",
        title="CARAFE, unfolded",
        paper="Wang et al. (CARAFE), ICCV",
        year=2019,
        advice="CARAFE as public code without a compiled operator spells it: 25 copies of the input, a control.",
        kind="definition",
        preset="full",
    )
)
class CarafeUnfolded(Carafe):
    """CARAFE by ``unfold`` and one matrix product a pixel: the same output and arithmetic, many times the memory."""

    def forward(self, input: Tensor) -> Tensor:
        batch, channels, height, width = input.shape
        kernels = F.pixel_shuffle(self.encode(self.compress(input)), self.scale).softmax(1)
        unfolded = F.unfold(input, self.kernel_size, padding=same_padding(self.kernel_size))
        neighbours = unfolded.view(batch, channels, self.kernel_size**2, height, width)
        output = torch.einsum("nkyaxb,nckyx->ncyaxb", by_phase(kernels, self.scale), neighbours)
        return output.reshape(batch, channels, height * self.scale, width * self.scale)
