"""The ring of outputs next to the borders, as what is added there to what an input continued by zeros gives.

An axis says of these outputs what they are made from. The difference takes less: bilinear interpolation and the
convolution after it differ from a zero border by the outermost input alone, so that the kernels of rows and columns are
half as large, and those of corners, which are made of the differences of both axes, a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from upsample.exact.axis import TOLERANCE, Axis
from upsample.exact.normal_form import Kernels


@lru_cache(maxsize=64)
def as_difference(axis: Axis) -> Axis:
    """The same axis, whose ``edge`` and ``sources`` are those of the difference.

    Its ``least`` may be larger, where the interior reaches from one border to the other.
    """
    if not any(axis.ring):
        return axis
    with torch.device("cpu"), torch.inference_mode(False), torch.no_grad():
        bare = replace(axis, ring=(0, 0), sources=(0, 0), edge=axis.edge[:, :0, :0])
        # So large that no output of the ring is in reach of the other border.
        large = axis.least + sum(axis.sources) + axis.length + sum(axis.ring)
        wrong = axis.matrices(large) - bare.matrices(large)
        used = wrong.abs().amax((0, 1)).gt(TOLERANCE).nonzero()[:, 0].tolist()
        low = max((position + 1 for position in used if position < large // 2), default=0)
        high = max((large - position for position in used if position >= large // 2), default=0)
        if not used:
            # Made of biases alone; one input, which it ignores, spares everybody a special case.
            low = 1
        edge = wrong[:, Axis.ends(axis.output_size(large), axis.ring)][:, :, Axis.ends(large, (low, high))]
        difference = replace(axis, sources=(low, high), edge=edge)
        least = large
        while least > max(axis.least, low + high) and _holds(difference, bare, axis, least - 1):
            least -= 1
        return replace(difference, least=least)


@dataclass(frozen=True)
class RingSide:
    """The outputs of the ring at one border of an axis, or at both.

    Attributes:
        outputs: which they are of the axis' ``edge``.
        sources: how many inputs at the low and at the high border they are made from.
        used: which those are of the axis' ``edge``.
    """

    outputs: slice
    sources: tuple[int, int]
    used: slice

    @property
    def size(self) -> int:
        """Of the ring there."""
        return len(range(self.outputs.stop)[self.outputs])

    @property
    def pairs(self) -> int:
        """Of an output and an input that it is made from."""
        return self.size * sum(self.sources)


def sides_of(axis: Axis, apart: bool) -> tuple[RingSide, ...]:
    """The borders of an axis that have a ring.

    Args:
        axis: whose borders.
        apart: whether each is made on its own; most borders read no input at the other one.
    """
    sides, (low, high) = [], axis.sources
    if any(axis.ring) and not apart:
        return (RingSide(slice(0, sum(axis.ring)), axis.sources, slice(0, low + high)),)
    for outputs in (slice(0, axis.ring[0]), slice(axis.ring[0], sum(axis.ring))):
        if outputs.start == outputs.stop:
            continue
        reads = axis.edge[:, outputs].abs().amax((0, 1)).gt(TOLERANCE)
        at_low, at_high = bool(reads[:low].any()), bool(reads[low:].any())
        if not at_low and not at_high:
            # Made of biases alone.
            at_low, at_high = low > 0, low == 0
        used = slice(0 if at_low else low, low + high if at_high else low)
        sides.append(RingSide(outputs, (low if at_low else 0, high if at_high else 0), used))
    return tuple(sides)


def _holds(difference: Axis, bare: Axis, axis: Axis, size: int) -> bool:
    made = bare.matrices(size)
    rows, columns = Axis.ends(axis.output_size(size), axis.ring), Axis.ends(size, difference.sources)
    made[:, rows[:, None], columns] += difference.edge
    return torch.allclose(made, axis.matrices(size), rtol=0, atol=TOLERANCE)


def bias_differences(kernels: Kernels, vertical: Axis, horizontal: Axis) -> Kernels:
    """The same kernels, with the biases of the ring as differences."""
    if kernels.bias is None or kernels.row_bias is None or kernels.column_bias is None or kernels.corner_bias is None:
        return kernels
    phases_v, phases_h = _phases(vertical), _phases(horizontal)
    rows = kernels.row_bias - kernels.bias[:, phases_v]
    columns = kernels.column_bias - kernels.bias[:, :, phases_h]
    corners = kernels.corner_bias - kernels.row_bias[:, :, phases_h] - columns[:, phases_v]
    return replace(kernels, row_bias=rows, column_bias=columns, corner_bias=corners)


def _phases(axis: Axis) -> list[int]:
    """Of the ring's outputs."""
    low, high = axis.ring
    return [output % axis.scale for output in (*range(low), *range(axis.extra - high, axis.extra))]
