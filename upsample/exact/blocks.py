"""How convolutions at low resolution make the phases of an axis: which inputs they read, and what is cut off."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.exact.axis import Axis


@dataclass(frozen=True)
class Window:
    """How a convolution at low resolution makes one axis of the output, which stands ``shift`` into a grid of blocks.

    Block q holds the outputs ``s*q - shift`` to ``s*q - shift + s - 1`` and reads the inputs ``q - last`` to
    ``q - first``.

    Attributes:
        first, last: as above.
        start: the first block's number.
        beyond: blocks more than inputs.
        crop: outputs of the first block that do not exist.
        front: what stands before the response's first tap in its first block.
    """

    axis: Axis
    shift: int

    @property
    def first(self) -> int:
        return -((self.axis.origin - self.shift + self.axis.scale - 1) // self.axis.scale)

    @property
    def last(self) -> int:
        return (self.axis.length - 1 - self.axis.origin + self.shift) // self.axis.scale

    @property
    def taps(self) -> int:
        return self.last - self.first + 1

    @property
    def start(self) -> int:
        return self.shift // self.axis.scale

    @property
    def crop(self) -> int:
        return self.shift % self.axis.scale

    @property
    def padding(self) -> int:
        """Zeros on both sides of the input; what is made too much is left out by :meth:`blocks`."""
        return max(0, self.last - self.start, self.end - self.first)

    @property
    def end(self) -> int:
        """The last block is number ``size - 1 + end``."""
        return (self.axis.extra - 1 + self.shift) // self.axis.scale + 1

    def blocks(self, size: int) -> slice:
        """Of the convolution's outputs on an input of this size."""
        begin = self.padding - (self.last - self.start)
        return slice(begin, begin + size + self.end - self.start)

    def outputs(self, size: int) -> slice:
        """Of the shuffled blocks."""
        return slice(self.crop, self.crop + self.axis.output_size(size))

    def macs(self, size: int) -> int:
        """Multiply-accumulates along the axis for each pair of channels."""
        return self.axis.scale * self.taps * (size + 2 * self.padding - self.taps + 1)

    def split(self, kernel: Tensor, dim: int) -> Tensor:
        """Split the response along ``dim`` into ``(taps, s)``, the taps in the order in which a convolution reads."""
        scale = self.axis.scale
        front = self.shift - self.axis.origin - scale * self.first
        back = scale * self.taps - front - self.axis.length
        dim %= kernel.dim()
        padded = F.pad(kernel.movedim(dim, -1), (front, back)).movedim(-1, dim)
        split: Tensor = padded.unflatten(dim, (self.taps, scale))
        return split.flip(dim)


def interleave(blocks: Tensor, scales: tuple[int, int]) -> Tensor:
    """``PixelShuffle`` with a factor for each axis: ``(N, O·s_y·s_x, H, W)`` to ``(N, O, s_y·H, s_x·W)``."""
    if scales[0] == scales[1]:
        return F.pixel_shuffle(blocks, scales[0])
    split: Tensor = blocks.unflatten(1, (-1, *scales)).permute(0, 1, 4, 2, 5, 3)
    return split.flatten(4, 5).flatten(2, 3)


@dataclass(frozen=True)
class PhaseSet:
    """Phases of one axis that read the same inputs, ``q - last`` to ``q - first`` for block q.

    Attributes:
        axis: whose phases.
        phases: their numbers, one after another.
        first, last: as above.
    """

    axis: Axis
    phases: tuple[int, ...]
    first: int
    last: int

    @property
    def taps(self) -> int:
        """Inputs read."""
        return self.last - self.first + 1

    @property
    def beyond(self) -> int:
        """Blocks more than inputs."""
        return -(-self.axis.extra // self.axis.scale)

    @property
    def padding(self) -> int:
        """Zeros on both sides of the input; what is made too much is left out by :meth:`blocks`."""
        return max(0, self.last, self.beyond - self.first)

    def blocks(self, size: int) -> slice:
        """Of the convolution's outputs on an input of this size."""
        begin = self.padding - self.last
        return slice(begin, begin + size + self.beyond)

    def macs(self, size: int) -> int:
        """Multiply-accumulates along the axis for each pair of channels."""
        return len(self.phases) * self.taps * (size + 2 * self.padding - self.taps + 1)

    def of(self, kernel: Tensor, dim: int) -> Tensor:
        """Split the response along ``dim`` into ``(taps, phases)``, the taps in the order a convolution reads."""
        wanted = [
            [self.axis.scale * tap + phase + self.axis.origin for phase in self.phases]
            for tap in range(self.last, self.first - 1, -1)
        ]
        index = torch.tensor(wanted, device=kernel.device) + 1
        index = torch.where((index < 1) | (index > self.axis.length), 0, index)
        # The first is a zero, for taps that a phase of the set does not have.
        padded = F.pad(kernel.movedim(dim, -1), (1, 0))
        split: Tensor = padded[..., index.flatten()].movedim(-1, dim).unflatten(dim, index.shape)
        return split


def phase_sets(axis: Axis) -> list[PhaseSet]:
    """Sort the phases of an axis by what they read."""
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
    sets = []
    for (first, last), numbers in groupby(range(axis.scale), key=reach.__getitem__):
        sets.append(PhaseSet(axis, tuple(numbers), first, last))
    return sets
