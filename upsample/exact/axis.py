"""One axis of a linear layer: for each tap of its kernel, the matrix that takes inputs to outputs.

``B[α, Y, i]`` says which input i tap α brings to output Y, borders and padding included; torch's own padding and
interpolation are asked for it, so that whatever they do at a border is in it. Away from the borders the matrices
repeat: output ``Y + s`` reads input ``i + 1`` as output Y reads i.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.contract import UnsupportedError

Matrices = Callable[[int], Tensor]
"""From the size of an axis to its ``(taps, output size, size)`` matrices in float64."""

SIZES = (8, 16, 32, 64, 128)
"""Sizes at which an axis is looked at until its middle is out of reach of both borders."""

TOLERANCE = 1e-13


class NotPeriodicError(UnsupportedError):
    """An operator's outputs do not repeat with its scale, so that no finite bank of kernels stands for it."""


def convolution_axis(kernel: int, padding: tuple[int, int], dilation: int, mode: str, size: int) -> Tensor:
    """Of a convolution with stride 1: the input that each tap reads, through torch's own padding."""
    identity = torch.eye(size, dtype=torch.float64)[None]
    padded = F.pad(identity, padding, mode="constant" if mode == "zeros" else mode)[0]
    length = padded.shape[1] - (kernel - 1) * dilation
    if length < 1:
        raise UnsupportedError(f"a kernel of {kernel} does not fit an input of {size}.")
    return torch.stack([padded[:, tap * dilation :][:, :length].T for tap in range(kernel)])


def padding_axis(padding: tuple[int, int], mode: str, size: int) -> Tensor:
    """Of padding, or of cropping where a number is negative, through torch's own; what a constant adds is no part."""
    identity = torch.eye(size, dtype=torch.float64)[None]
    return F.pad(identity, padding, mode=mode).transpose(1, 2)


def transposed_axis(kernel: int, stride: int, padding: int, output_padding: int, dilation: int, size: int) -> Tensor:
    """Of a transposed convolution: tap t writes input i to output ``i*s - p + t*d``."""
    length = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1
    matrices = torch.zeros(kernel, length, size, dtype=torch.float64)
    for tap in range(kernel):
        for source in range(size):
            target = source * stride - padding + tap * dilation
            if 0 <= target < length:
                matrices[tap, target, source] = 1.0
    return matrices


def interpolation_axis(scale: int, mode: str, align_corners: bool | None, size: int) -> Tensor:
    """Of ``torch.nn.functional.interpolate``, read from what it makes of every unit vector."""
    columns = torch.eye(size, dtype=torch.float64)[:, None, :, None]
    made = F.interpolate(columns, scale_factor=(float(scale), 1.0), mode=mode, align_corners=align_corners)
    return made[:, 0, :, 0].T[None]


def shuffle_axis(scale: int, size: int) -> Tensor:
    """Of ``PixelShuffle``: tap φ, a channel, writes input i to output ``i*s + φ``."""
    return transposed_axis(scale, scale, 0, 0, 1, size)


def in_turn(first: Matrices, second: Matrices, size: int) -> Tensor:
    """The matrices of two layers, for every pair of their taps, the second's taps outermost."""
    before = first(size)
    after = second(before.shape[1])
    return torch.einsum("byz,azi->bayi", after, before).flatten(0, 1)


def in_a_row(axes: Sequence[Matrices]) -> tuple[Sequence[Matrices], Sequence[Matrices | None]]:
    """For each layer, the matrices of all layers up to it, and of all after it, if there are any."""
    first: Sequence[Matrices] = list(accumulate(axes, lambda before, layer: partial(in_turn, before, layer)))
    last: Sequence[Matrices] = list(accumulate(reversed(axes), lambda after, layer: partial(in_turn, layer, after)))
    return first, [*reversed(last[:-1]), None]


@dataclass(frozen=True)
class Axis:
    """What is known of one axis for every size of at least ``least``.

    Attributes:
        scale: s; the output has ``s*size + extra`` positions.
        extra: positions more than s times the input's.
        impulse: ``(taps, L)``, the response to one input.
        origin: away from the borders, input i reaches the outputs ``s*i - origin`` to ``s*i - origin + L - 1``.
        ring: how many outputs at the low and at the high border are not what an input continued by zeros would give.
        sources: how many inputs at the low and at the high border those outputs are made from.
        edge: ``(taps, sum(ring), sum(sources))``, the matrices of those outputs.
        least: the smallest size for which all this holds.
    """

    scale: int
    extra: int
    impulse: Tensor
    origin: int
    ring: tuple[int, int]
    sources: tuple[int, int]
    edge: Tensor
    least: int = 1

    @property
    def length(self) -> int:
        """How many outputs one input reaches."""
        return self.impulse.shape[1]

    def output_size(self, size: int) -> int:
        """Return how many outputs so many inputs have."""
        return self.scale * size + self.extra

    def matrices(self, size: int) -> Tensor:
        """The ``(taps, output size, size)`` matrices put together again."""
        length = self.output_size(size)
        index = torch.arange(length)[:, None] - self.scale * torch.arange(size) + self.origin
        inside = (index >= 0) & (index < self.length)
        matrices = self.impulse[:, index.clamp(0, self.length - 1)] * inside
        rows, columns = self.ends(length, self.ring), self.ends(size, self.sources)
        matrices[:, rows] = 0
        matrices[:, rows[:, None], columns] = self.edge
        return matrices

    @staticmethod
    def ends(size: int, counts: tuple[int, int]) -> Tensor:
        """Return the first and the last positions of an axis, as many as ``counts`` says."""
        return torch.cat([torch.arange(counts[0]), torch.arange(size - counts[1], size)])


def periodic(matrices: Matrices, scale: int, constants: Matrices | None = None) -> Axis:
    """Find what repeats along an axis, and what does not at its borders.

    Args:
        matrices: of the axis.
        scale: with which they may repeat.
        constants: from the axis' size to ``(any, output size)`` vectors that have to repeat as well, outside the ring:
            what is made of biases.

    Raises:
        NotPeriodicError: nothing repeats with this scale.
    """
    for size in SIZES:
        try:
            axis = _look(matrices(size), None if constants is None else constants(size), scale)
        except (RuntimeError, UnsupportedError):
            # Nothing comes out at this size, or torch refuses, for one, to reflect more than there is.
            continue
        if axis is not None and _holds(axis, matrices, constants, size + 1):
            least = size
            while least > 1 and _holds(axis, matrices, constants, least - 1):
                least -= 1
            return replace(axis, least=least)
    raise NotPeriodicError(f"its outputs do not repeat with the scale {scale}.")


def _look(matrices: Tensor, constants: Tensor | None, scale: int) -> Axis | None:
    """Read an axis off its matrices at one size; None if the borders reach its middle."""
    _, length, size = matrices.shape
    middle = size // 2
    reached = _used(matrices[:, :, middle].abs().amax(0))
    if not reached:
        return None
    first, last = reached[0], reached[-1]
    impulse, origin, extra = matrices[:, first : last + 1, middle], scale * middle - first, length - scale * size
    none = Axis(scale, extra, impulse, origin, (0, 0), (0, 0), matrices[:, :0, :0])
    wrong = _used((matrices - none.matrices(size)).abs().amax((0, 2)))
    if constants is not None:
        wrong += _used(_irregular(constants, scale))
    low, high = _at_ends(wrong, length)
    if first < low or last >= length - high or 4 * (low + high) > length:
        return None
    rows = matrices[:, Axis.ends(length, (low, high))]
    sources = _at_ends(_used(rows.abs().amax((0, 1))) if low + high else [], size)
    if low + high and not any(sources):
        # Made of biases alone; one input, which it ignores, spares everybody a special case.
        sources = (1, 0)
    edge = rows[:, :, Axis.ends(size, sources)]
    return replace(none, ring=(low, high), sources=sources, edge=edge) if 2 * sum(sources) <= size else None


def _irregular(constants: Tensor, scale: int) -> Tensor:
    """How far each position is from what its phase is in the middle."""
    length = constants.shape[1]
    start = length // (2 * scale) * scale
    middle = constants[:, start : start + scale]
    # The last period may be cut short.
    repeated = middle.repeat(1, length // scale + 1)[:, :length] if middle.shape[1] == scale else constants + 1
    return (constants - repeated).abs().amax(0)


def _holds(axis: Axis, matrices: Matrices, constants: Matrices | None, size: int) -> bool:
    """Whether an axis of this size is what was read off another."""
    if size < sum(axis.sources) or axis.output_size(size) < max(1, sum(axis.ring)):
        return False
    try:
        true = matrices(size)
    except (RuntimeError, UnsupportedError):
        return False
    if true.shape[1] != axis.output_size(size) or not torch.allclose(true, axis.matrices(size), rtol=0, atol=TOLERANCE):
        return False
    if constants is None:
        return True
    irregular = _irregular(constants(size), axis.scale)
    return not irregular[axis.ring[0] : len(irregular) - axis.ring[1]].gt(TOLERANCE).any()


def _used(magnitudes: Tensor) -> list[int]:
    positions: list[int] = magnitudes.gt(TOLERANCE).nonzero()[:, 0].tolist()
    return positions


def _at_ends(positions: Sequence[int], length: int) -> tuple[int, int]:
    """How many positions at either end contain all of these."""
    low = max((position + 1 for position in positions if position < length // 2), default=0)
    high = max((length - position for position in positions if position >= length // 2), default=0)
    return low, high
