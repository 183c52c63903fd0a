"""How convolutions at low resolution make the phases of an axis: which inputs they read, and what is cut off."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.exact.axis import Axis
from upsample.exact.exact_form import exporting

BAND_VALUES = 2**17
"""Copied at once: 512 KiB in float32, which caches hold."""

ONEDNN = torch.backends.mkldnn.is_available()

WORTH_ONEDNN = 2**18
"""Values of an input for which what oneDNN takes to start with does not matter."""


@dataclass(frozen=True)
class Window:
    """A convolution at low resolution that makes some phases of one axis.

    The output stands ``shift`` into a grid of blocks: phase φ of block q is the output ``s*q + φ - shift``. Every phase
    of the window reads the inputs ``q - last`` to ``q - first``.

    Attributes:
        axis: whose outputs they are.
        shift: as above.
        phases: the phases made, one after another.
        first, last: as above.
    """

    axis: Axis
    shift: int
    phases: tuple[int, ...]
    first: int
    last: int

    @property
    def taps(self) -> int:
        """Inputs read."""
        return self.last - self.first + 1

    @property
    def start(self) -> int:
        """The first block's number."""
        return self.shift // self.axis.scale

    @property
    def end(self) -> int:
        """The last block is number ``size - 1 + end``."""
        return (self.axis.extra - 1 + self.shift) // self.axis.scale + 1

    @property
    def crop(self) -> int:
        """Outputs of the first block that do not exist."""
        return self.shift % self.axis.scale

    @property
    def padding(self) -> int:
        """Zeros on both sides of the input; what is made too much is left out by :meth:`blocks`."""
        return max(0, self.last - self.start, self.end - self.first)

    def blocks(self, size: int) -> slice:
        """Of the convolution's outputs on an input of this size."""
        begin = self.padding - (self.last - self.start)
        return slice(begin, begin + size + self.end - self.start)

    def outputs(self, size: int) -> slice:
        """Of the blocks, when all phases are in their places."""
        return slice(self.crop, self.crop + self.axis.output_size(size))

    def macs(self, size: int) -> int:
        """Multiply-accumulates along the axis for each pair of channels."""
        return len(self.phases) * self.taps * (size + 2 * self.padding - self.taps + 1)

    def split(self, kernel: Tensor, dim: int) -> Tensor:
        """Split the response along ``dim`` into ``(taps, phases)``, the taps in the order a convolution reads."""
        # The last is a zero, for taps that a phase does not have.
        padded, zero = F.pad(kernel.movedim(dim, -1), (0, 1)), self.axis.length
        wanted = [
            [self.axis.scale * tap + phase + self.axis.origin - self.shift for phase in self.phases]
            for tap in range(self.last, self.first - 1, -1)
        ]
        index = torch.tensor(
            [[place if 0 <= place < zero else zero for place in places] for places in wanted], device=kernel.device
        )
        split: Tensor = padded[..., index.flatten()].movedim(-1, dim).unflatten(dim, index.shape)
        return split


def all_phases(axis: Axis, shift: int) -> Window:
    """One window for all phases: what any of them may read."""
    first = -((axis.origin - shift + axis.scale - 1) // axis.scale)
    last = (axis.length - 1 - axis.origin + shift) // axis.scale
    return Window(axis, shift, tuple(range(axis.scale)), first, last)


def phase_sets(axis: Axis) -> list[Window]:
    """A window for each set of phases that read the same inputs, with no tap too many."""
    present = axis.impulse.abs().amax(0) > 0
    reach = []
    for phase in range(axis.scale):
        taps = [
            tap
            for tap in range(-axis.length - abs(axis.origin), axis.length + abs(axis.origin) + 1)
            if 0 <= (index := axis.scale * tap + phase + axis.origin) < axis.length and present[index]
        ]
        # A phase that reads nothing, where the kernel is smaller than the stride, reads a zero.
        reach.append((min(taps, default=0), max(taps, default=0)))
    return [
        Window(axis, 0, tuple(phases), first, last)
        for (first, last), phases in groupby(range(axis.scale), key=reach.__getitem__)
    ]


def by_phase(kernel: Tensor, of_output: tuple[int, int], groups: int) -> Tensor:
    """Put what belongs to an output and a phase in the order that :func:`interleave` wants, ``(G·s_y·s_x·O/G, …)``.

    Args:
        kernel: any tensor with outputs and phases among its dimensions.
        of_output: the dimensions of the vertical and the horizontal phase; the outputs are the first.
        groups: of channels that do not meet.
    """
    # Outputs last, so that those of a pixel lie together once more where the channels are the last in memory.
    split: Tensor = kernel.movedim(of_output, (0, 1)).unflatten(2, (groups, -1))
    return split.movedim(2, 0).flatten(0, 3)


def by_output(kernel: Tensor, scales: tuple[int, int], groups: int) -> Tensor:
    """Put what is in the order of :func:`by_phase` in that of ``PixelShuffle``, ``(O·s_y·s_x, …)``."""
    split: Tensor = kernel.unflatten(0, (groups, *scales, -1))
    return split.movedim(3, 1).flatten(0, 3)


def interleave(blocks: Tensor, scales: tuple[int, int], groups: int) -> Tensor:
    """Put phases in their places, ``(N, G·s_y·s_x·O/G, H, W)`` to ``(N, O, s_y·H, s_x·W)``.

    One copy that torch vectorises: three to four times as fast on CPUs as its ``pixel_shuffle``.
    """
    batch, channels, height, width = blocks.shape
    outputs = channels // (scales[0] * scales[1])
    split = blocks.view(batch, groups, *scales, outputs // groups, height, width)
    if layout_of(blocks) is torch.channels_last:
        placed = split.permute(0, 5, 2, 6, 3, 1, 4).reshape(batch, scales[0] * height, scales[1] * width, outputs)
        return placed.permute(0, 3, 1, 2)
    return split.permute(0, 1, 4, 5, 2, 6, 3).reshape(batch, outputs, scales[0] * height, scales[1] * width)


def shuffle(blocks: Tensor, scales: tuple[int, int]) -> Tensor:
    """``PixelShuffle`` with a factor for each axis, which other runtimes know: from ``(N, O·s_y·s_x, H, W)``."""
    if scales[0] == scales[1]:
        return F.pixel_shuffle(blocks, scales[0])
    batch, channels, height, width = blocks.shape
    outputs = channels // (scales[0] * scales[1])
    split = blocks.reshape(batch, outputs, *scales, height, width).permute(0, 1, 4, 2, 5, 3)
    return split.reshape(batch, outputs, scales[0] * height, scales[1] * width)


def mixed(input: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 1×1 convolution without groups, ``(O, C, 1, 1)``."""
    large = input.numel() >= WORTH_ONEDNN and layout_of(input) is torch.channels_last
    if exporting() or not large or not onednn_takes(input):
        return F.conv2d(input, kernel, bias)
    # A dilation means nothing to a single tap, but makes torch ask oneDNN on one thread as it does on several. The
    # plain matrix product that it takes otherwise needs up to twice as long for a number of outputs such as 27.
    return F.conv2d(input, kernel, bias, dilation=2)


def onednn_takes(input: Tensor) -> bool:
    """Whether torch has oneDNN convolve it."""
    return ONEDNN and input.is_cpu and input.dtype is torch.float32


def layout_of(tensor: Tensor) -> torch.memory_format:
    """``channels_last`` where the channels of a pixel lie together, also in a part of a tensor."""
    together = tensor.shape[1] > 1 and tensor.stride(1) == 1 and not tensor.is_contiguous()
    return torch.channels_last if together else torch.contiguous_format


def channels_first(tensor: Tensor) -> Tensor:
    """A contiguous copy, made band by band: one copy of all reads every line of the cache once for each channel."""
    if tensor.is_contiguous() or tensor.requires_grad:
        return tensor.contiguous()
    batch, channels, height, width = tensor.shape
    copy = tensor.new_empty(tensor.shape)
    band = max(1, BAND_VALUES // (batch * channels * width))
    for top in range(0, height, band):
        copy[:, :, top : top + band] = tensor[:, :, top : top + band]
    return copy


def part(made: Tensor, rows: slice, columns: slice) -> Tensor:
    """Some of the rows and columns, or all of them at no cost."""
    every = rows == slice(0, made.shape[2]) and columns == slice(0, made.shape[3])
    return made if every else made[:, :, rows, columns]


def cropped(output: Tensor, rows: slice, columns: slice) -> Tensor:
    """A part of ``output`` as a tensor of its own, in the same layout."""
    wanted = part(output, rows, columns)
    return wanted if wanted is output else wanted.contiguous(memory_format=layout_of(output))
