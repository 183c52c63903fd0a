"""Forms that end in a shuffle: one convolution makes the outputs of every phase, and the shuffle puts them in place."""

from __future__ import annotations

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.contract import UnsupportedError, Work, conv_work
from upsample.exact.blocks import Window, all_phases, by_output, by_phase, cropped, interleave, mixed, part, shuffle
from upsample.exact.exact_form import exporting
from upsample.exact.normal_form import Kernels
from upsample.exact.polyphase import PolyphaseForm

LARGEST_BANK = 2**23
"""Of one bank of kernels: 64 MiB in float64, in which they are worked out."""

LARGEST_CORNERS = 2**26
"""Of the ring's corners, 512 MiB: with circular padding twice in a row the ring is so wide that they took gigabytes."""


class Shuffled(PolyphaseForm):
    """One convolution with s²·O outputs, and the shuffle.

    The blocks are laid so that the fewest taps suffice, ``ceil(L/s)`` an axis, and what sticks out is cropped.
    """

    title = "as one conv + shuffle"

    _windows: tuple[Window, Window]
    """Of the blocks."""

    def _prepare(self, channels: int | None) -> None:
        super()._prepare(channels)
        vertical, horizontal = (all_phases(axis, axis.origin) for axis in self.normal.axes)
        self._windows = vertical, horizontal

    def _of_interior(self, kernels: Kernels) -> dict[str, Tensor | None]:
        vertical, horizontal = self._windows
        split = horizontal.split(vertical.split(kernels.interior, 2), 4)  # (O, C, taps, s, taps, s)
        named: dict[str, Tensor | None] = {"kernel": by_phase(split, (3, 5), self.normal.groups)}
        if kernels.bias is not None:
            of_blocks = kernels.bias.roll((vertical.shift, horizontal.shift), (1, 2))
            named["bias"] = by_phase(of_blocks, (1, 2), self.normal.groups)
        return named

    def _interior(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        (vertical, horizontal), (height, width) = self._windows, input.shape[2:]
        scales, groups, kernel, bias = self._scales, self.normal.groups, weights["kernel"], weights.get("bias")
        if exporting():
            kernel = by_output(kernel, scales, groups)
            bias = None if bias is None else by_output(bias, scales, groups)
        made = F.conv2d(input, kernel, bias, padding=(vertical.padding, horizontal.padding), groups=groups)
        made = part(made, vertical.blocks(height), horizontal.blocks(width))
        # Under the same name, so that the memory before is free for the crop.
        made = shuffle(made, scales) if exporting() else interleave(made, scales, groups)
        return cropped(made, vertical.outputs(height), horizontal.outputs(width))

    def _interior_work(self, batch: int, height: int, width: int) -> Work:
        vertical, horizontal = self._windows
        return Work(flops=2 * batch * self._pairs() * vertical.macs(height) * horizontal.macs(width))


class ShuffledInPlace(Shuffled):
    """The same with blocks that are the input's own pixels: more taps where phases lean both ways, and no crop."""

    title = "as one conv + shuffle in place"

    def _prepare(self, channels: int | None) -> None:
        super()._prepare(channels)
        if all(window.crop == 0 and window.axis.extra % window.axis.scale == 0 for window in self._windows):
            raise UnsupportedError("the blocks with the fewest taps are the pixels already.")
        self._windows = self._along


class MixedShuffled(Shuffled):
    """A 1×1 convolution with an output for each tap and output channel, then one with s²·O outputs, and the shuffle.

    The layers' weights only mix channels, ``Σ_c W[o, c, α, β] x[c]``; where the taps α and β go is the same for all of
    them. So the bank has O inputs for each tap in the place of C, and its kernels are those of a layer whose weights
    are a single one for each tap. It pays where C is many and O few.
    """

    title = "with channels mixed first, as two convs + shuffle"

    def _prepare(self, channels: int | None) -> None:
        super()._prepare(channels)
        if self.normal.groups > 1:
            raise UnsupportedError("channels are mixed first where all of them meet, without groups.")
        places = prod(axis.length for axis in self.normal.axes)
        corners = prod(sum(axis.ring) * sum(axis.sources) for axis in self.normal.axes)
        if self._pairs() * places > LARGEST_BANK or self._pairs() * corners > LARGEST_CORNERS:
            raise UnsupportedError("a bank with an input for each tap and output channel would be too large.")
        self._windows = min(self._along, self._windows, key=lambda windows: prod(window.taps for window in windows))

    @property
    def _planes(self) -> int:
        taps = prod(axis.impulse.shape[0] for axis in self.normal.axes)
        return self.normal.out_channels * taps

    def _kernels(self) -> Kernels:
        # Each tap is an input of its own.
        one_each = torch.eye(self._planes, dtype=torch.float64)
        taps = [axis.impulse.shape[0] for axis in self.normal.axes]
        return self.normal.kernels(one_each.unflatten(0, (-1, *taps)).movedim(-1, 1))

    def _weights(self) -> dict[str, Tensor]:
        weights = super()._weights()
        mixing = self.normal.kernel_of_taps().movedim(1, -1).flatten(0, 2)[:, :, None, None]
        return {"mixing": mixing.to(weights["kernel"]).contiguous(), **weights}

    def _run(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        return super()._run(mixed(input, weights["mixing"]), weights)

    def work(self, batch: int, height: int, width: int) -> Work:
        mixing = conv_work(batch, self.normal.in_channels, self._planes, height * width, 1)
        return mixing + super().work(batch, height, width)

    def _pairs(self) -> int:
        return self.normal.out_channels * self._planes
