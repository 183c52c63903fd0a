"""The polyphase normal form: every linear upsampler with its convolutions is one bank of s² small kernels.

Along one axis, a convolution, a transposed convolution, an interpolation or a shuffle is a stack of matrices, one for
each tap α of its kernel, ``B[α, Y, i]``, that say which input i tap α brings to output Y, borders and padding included.
Both axes are independent of each other, so that the whole layer is

    ``y[o, Y, X] = Σ W[o, c, α, β] · B_v[α, Y, i] · B_h[β, X, j] · x[c, i, j]``

and layers in a row are a product of such stacks. Away from the borders every matrix repeats itself: output ``Y + s``
reads input ``i + 1`` as output Y reads i. There it is known by its response to one impulse, ``T[α, l]``, which makes
the layer a transposed convolution with the kernel ``K = Σ W·T_v·T_h`` (identity C for nearest), and its s² phases small
convolutions at low resolution. Near a border some outputs differ: an interpolation stands its edge for what lies
outside while the convolution after it reads zeros there. Those outputs, a ring a few pixels wide, get kernels of
their own from the same sum, with the rows of B that do not repeat.

Sources: Vaidyanathan, "Multirate Systems and Filter Banks", 1993, for polyphase components; Shi et al., "Is the
deconvolution layer the same as a convolutional layer?", 2016, for the case of the transposed convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from upsample.contract import UnsupportedError
from upsample.exact.axis import Axis, in_a_row, periodic
from upsample.exact.layers import stage


@dataclass(frozen=True)
class Kernels:
    """The bank: what every output is made from. L: taps of the response, R: outputs of the ring, Z: its sources.

    Attributes:
        interior: ``(O, C/groups, L, L)``, the kernel of the transposed convolution, not flipped.
        rows: ``(O, C/groups, R, Z, L)``, of the ring's rows.
        columns: ``(O, C/groups, L, R, Z)``, of its columns.
        corners: ``(O, C/groups, R, Z, R, Z)``.
        bias: ``(O, s, s)``, of each phase, and of the ring: ``(O, R, s)``, ``(O, s, R)``, ``(O, R, R)``.
    """

    interior: Tensor
    rows: Tensor
    columns: Tensor
    corners: Tensor
    bias: Tensor | None = None
    row_bias: Tensor | None = None
    column_bias: Tensor | None = None
    corner_bias: Tensor | None = None


class NormalForm:
    """The polyphase normal form of layers in a row.

    Args:
        layers: what :func:`stage` knows, first to last.
        channels: of the input, where the layers do not tell.

    Attributes:
        axes: vertical and horizontal.
        groups: of channels that do not meet.
        in_channels, out_channels: of the whole.

    Raises:
        NotPeriodicError: the outputs do not repeat, as with ``align_corners=True``.
        UnsupportedError: a layer is not known to be linear, or groups follow on another convolution.
    """

    def __init__(self, layers: Sequence[nn.Module], channels: int | None = None) -> None:
        self.layers, self._stages = list(layers), [stage(layer) for layer in layers]
        groups = {each.groups for each in self._stages if each.mix is not None}
        shuffles = any(each.shuffle > 1 for each in self._stages)
        self.in_channels = self._channels(channels)
        # Groups of more than one kind, or moved by a shuffle, are written out with zeros between them.
        self.groups = groups.pop() if len(groups) == 1 and not shuffles else 1
        if not groups and not shuffles and all(each.mix is None for each in self._stages):
            self.groups = self.in_channels
        self.out_channels = self._out_channels()
        self.axes = tuple(self._axis(index) for index in (0, 1))

    def _channels(self, told: int | None) -> int:
        factor = 1
        for layer in self.layers:
            if isinstance(layer, nn.PixelShuffle):
                factor *= layer.upscale_factor**2
            elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                return layer.in_channels * factor
        if told is None:
            raise UnsupportedError("layers without weights do not tell how many channels they have.")
        return told

    def _out_channels(self) -> int:
        channels = self.in_channels
        for layer in self.layers:
            if isinstance(layer, nn.PixelShuffle):
                channels //= layer.upscale_factor**2
            elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                channels = layer.out_channels
        return channels

    def _axis(self, index: int) -> Axis:
        layers = tuple((each.axes[index].func, each.axes[index].args) for each in self._stages)
        adds = tuple(each.adds for each in self._stages)
        return _axis_of(layers, adds, prod(each.scales[index] for each in self._stages))

    def kernel_of_taps(self) -> Tensor:
        """``(O, C/groups, taps, taps)`` in float64, from the layers' present weights, differentiable."""
        kernel: Tensor | None = None
        for each in self._stages:
            if each.shuffle > 1:
                if kernel is None:
                    kernel = torch.eye(self.in_channels, dtype=torch.float64)[:, :, None, None]
                split = kernel.unflatten(0, (-1, each.shuffle, each.shuffle)).permute(0, 3, 1, 4, 2, 5)
                kernel = split.flatten(4, 5).flatten(2, 3)
            elif each.mix is not None:
                own = _with_groups(each.mix(), each.groups, self.groups)
                kernel = own if kernel is None else _contract(kernel, own, self.groups)
        return torch.ones(self.in_channels, 1, 1, 1, dtype=torch.float64) if kernel is None else kernel

    def kernels(self, taps: Tensor | None = None) -> Kernels:
        """Work the kernels out from the layers' present weights; differentiable.

        Args:
            taps: other weights for the layers' taps, ``(O, any, taps, taps)``; the biases stay the layers' own.
        """
        if taps is None:
            taps = self.kernel_of_taps()
        (impulse_v, edge_v), (impulse_h, edge_h) = (
            (axis.impulse.to(taps.device), axis.edge.to(taps.device)) for axis in self.axes
        )
        along_h = torch.einsum("ocab,by->ocay", taps, impulse_h)
        at_edge_h = torch.einsum("ocab,brz->ocarz", taps, edge_h)
        return Kernels(
            interior=torch.einsum("ocay,ax->ocxy", along_h, impulse_v),
            rows=torch.einsum("ocay,arz->ocrzy", along_h, edge_v),
            columns=torch.einsum("ocarz,ax->ocxrz", at_edge_h, impulse_v),
            corners=torch.einsum("ocarz,asw->ocswrz", at_edge_h, edge_v),
            **self._biases(),
        )

    def _biases(self) -> dict[str, Tensor]:
        """What the layers make of zeros, read where every part of the output is seen."""
        if all(each.adds == "nothing" for each in self._stages):
            return {}
        weight = next(
            (layer.weight for layer in self.layers if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)),
            torch.zeros((), dtype=torch.float64),
        )
        first, sizes = [], []
        for axis in self.axes:
            start = -(-axis.ring[0] // axis.scale) * axis.scale
            needed = -(-(start + axis.scale + axis.ring[1] - axis.extra) // axis.scale)
            first.append(start)
            sizes.append(max(axis.least, needed))
        made = nn.Sequential(*self.layers)(weight.new_zeros(1, self.in_channels, *sizes))[0]
        period_v, period_h = (slice(start, start + axis.scale) for start, axis in zip(first, self.axes, strict=True))
        ring_v, ring_h = (Axis.ends(made.shape[1 + index], axis.ring) for index, axis in enumerate(self.axes))
        rows, columns = made[:, ring_v], made[:, :, ring_h]
        return {
            "bias": made[:, period_v, period_h],
            "row_bias": rows[:, :, period_h],
            "column_bias": columns[:, period_v],
            "corner_bias": rows[:, :, ring_h],
        }


def _with_groups(weight: Tensor, groups: int, wanted: int) -> Tensor:
    """A kernel as it is, or with zeros where its groups do not meet if one group is wanted."""
    if groups == wanted:
        return weight
    split = weight.unflatten(0, (groups, -1))
    blocks = split.new_zeros(*split.shape[:2], groups, *split.shape[2:])
    group, output = torch.arange(groups)[:, None], torch.arange(split.shape[1])[None]
    whole: Tensor = blocks.index_put((group, output, group), split).flatten(2, 3).flatten(0, 1)
    return whole


def _contract(before: Tensor, weight: Tensor, groups: int) -> Tensor:
    """The kernel of two layers for every pair of their taps, the second's outermost, as the axes have them."""
    first, second = (each.unflatten(0, (groups, -1)) for each in (before, weight))
    both = torch.einsum("gomby,gmcax->gocbayx", second, first)
    contracted: Tensor = both.flatten(5, 6).flatten(3, 4).flatten(0, 1)
    return contracted


@lru_cache(maxsize=256)
def _axis_of(
    layers: tuple[tuple[Callable[..., Tensor], tuple[Any, ...]], ...], adds: tuple[str, ...], scale: int
) -> Axis:
    """One axis of layers in a row, each a function with its first arguments; it depends on no weight."""
    # Read from values, which tensors on the meta device have not; and kept for whoever wants gradients later.
    with torch.device("cpu"), torch.inference_mode(False), torch.no_grad():
        own = [partial(function, *arguments) for function, arguments in layers]
        matrices, rest = in_a_row(own)

        def constants(size: int) -> Tensor:
            made = []
            for number, (each, after) in enumerate(zip(adds, rest, strict=True)):
                given = matrices[number - 1](size).shape[1] if number else size
                inside = own[number](given).sum(2)
                everywhere = torch.ones_like(inside[:1])
                if each == "outside":
                    # All but the product of what is inside along both axes.
                    made.append(inside if after is None else after(inside.shape[1]) @ inside[0])
                if each != "nothing" and after is not None:
                    made.append(after(inside.shape[1]) @ everywhere[0])
            return torch.cat(made)

        constant = any(
            each == "outside" or (each == "everywhere" and after is not None)
            for each, after in zip(adds, rest, strict=True)
        )
        return periodic(matrices[-1], scale, constants if constant else None)
