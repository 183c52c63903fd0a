"""What the forms share that compute from one bank of kernels: all but the interior, which each does in its own way.

The ring of outputs at the borders has kernels of its own (:mod:`upsample.exact.ring`). They are few, and small
convolutions make what they add, whatever the form.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.contract import Work
from upsample.exact.blocks import all_phases, layout_of, part
from upsample.exact.exact_form import ExactForm, recording
from upsample.exact.normal_form import Kernels, NormalForm
from upsample.exact.ring import as_difference, bias_differences, sides_of

WORTH_TWO_CALLS = 2**10
"""Pairs of an input and an output channel from which the zeros in one kernel for both borders cost more than a call."""


class PolyphaseForm(ExactForm):
    """A form that computes all outputs but the ring from one bank of kernels."""

    normal: NormalForm

    def _prepare(self, channels: int | None) -> None:
        self.normal = NormalForm(list(self.usual), channels)
        self.normal.axes = tuple(as_difference(axis) for axis in self.normal.axes)
        self.vertical, self.horizontal = self.normal.axes
        self._scales = self.vertical.scale, self.horizontal.scale
        # The ring's rows are made along their length like any other output, with blocks that are the input's pixels.
        self._along = all_phases(self.vertical, 0), all_phases(self.horizontal, 0)
        apart = self._pairs() >= WORTH_TWO_CALLS
        self._sides = sides_of(self.vertical, apart), sides_of(self.horizontal, apart)

    def fits(self, height: int, width: int) -> bool:
        return bool(height >= self.vertical.least and width >= self.horizontal.least)

    def _weights(self) -> dict[str, Tensor]:
        kernels = self._kernels()
        like = next((parameter for parameter in self.usual.parameters()), kernels.interior)
        ring = bias_differences(kernels, self.vertical, self.horizontal)
        named = {**self._of_interior(kernels), **self._of_ring(ring)}
        # In the layout of the layers' own weights, into which torch would otherwise bring them in every call.
        layouts = {4: layout_of(like) if like.dim() == 4 else torch.contiguous_format}
        return {
            name: weight.to(like).contiguous(memory_format=layouts.get(weight.dim(), torch.contiguous_format))
            for name, weight in named.items()
            if weight is not None
        }

    def _kernels(self) -> Kernels:
        """The bank, from the layers' present weights."""
        return self.normal.kernels()

    @abstractmethod
    def _of_interior(self, kernels: Kernels) -> dict[str, Tensor | None]:
        """What :meth:`_interior` needs."""

    @abstractmethod
    def _interior(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """The output as if the input went on with zeros."""

    def _of_ring(self, kernels: Kernels) -> dict[str, Tensor | None]:
        named: dict[str, Tensor | None] = {}
        # All as (O, C, R, Z, L) and (O, R, s), whose last dimension is the one along the border.
        columns, column_bias = kernels.columns.movedim(2, 4), kernels.column_bias
        of_axes = (kernels.rows, columns), (kernels.row_bias, None if column_bias is None else column_bias.mT)
        for axis, (kernel, bias) in enumerate(zip(*of_axes, strict=True)):
            split = self._along[1 - axis].split(kernel, 4)  # (O, C, R, Z, taps, s)
            for number, side in enumerate(self._sides[axis]):
                own = split[:, :, side.outputs, side.used]
                named[f"side_kernel_{axis}_{number}"] = own.permute(0, 2, 5, 1, 3, 4).flatten(0, 2)
                named[f"side_bias_{axis}_{number}"] = None if bias is None else bias[:, side.outputs].flatten()
        if all(self._sides):
            named["corner_kernel"] = kernels.corners.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
            named["corner_bias"] = None if kernels.corner_bias is None else kernels.corner_bias.flatten()
        return named

    def _run(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        output, ring_v, ring_h = self._interior(input, weights), self.vertical.ring, self.horizontal.ring
        if any(ring_h):
            output = _added_at_ends(output, self._along_borders(1, input, weights).transpose(2, 3), 3, ring_h)
        if any(ring_v):
            rows = self._along_borders(0, input, weights)
            if any(ring_h):
                rows = _added_at_ends(rows, self._corners(input, weights), 3, ring_h)
            output = _added_at_ends(output, rows, 2, ring_v)
        return output

    def _along_borders(self, axis: int, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """``(N, O, R, s·W)`` of the rows, or ``(N, O, R, s·H)`` of the columns, but for what the corners add."""
        window, size, scale = self._along[1 - axis], input.shape[3 - axis], self._scales[1 - axis]
        made = []
        for number, side in enumerate(self._sides[axis]):
            sources = _ends(input, 2 + axis, side.sources)
            if axis == 1:
                sources = sources.transpose(2, 3)
            blocks = self._convolve(sources, weights, "side", f"_{axis}_{number}", (0, window.padding))
            blocks = part(blocks, slice(0, 1), window.blocks(size))
            batch, _, _, length = blocks.shape
            made.append(blocks.reshape(batch, self.normal.out_channels, side.size, scale, length))
        together = (torch.cat(made, 2) if len(made) > 1 else made[0]).transpose(3, 4)
        ring = sum(side.size for side in self._sides[axis])
        borders = together.reshape(batch, self.normal.out_channels, ring, length * scale)
        return part(borders, slice(0, ring), window.outputs(size))

    def _corners(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """``(N, O, R, R)``."""
        sources = _ends(_ends(input, 2, self.vertical.sources), 3, self.horizontal.sources)
        made = self._convolve(sources, weights, "corner", "", (0, 0))
        rings: Tensor = made.unflatten(1, (-1, sum(self.vertical.ring), sum(self.horizontal.ring)))
        return rings[..., 0, 0]

    def _convolve(
        self, input: Tensor, weights: dict[str, Tensor], name: str, which: str, padding: tuple[int, int]
    ) -> Tensor:
        kernel, bias = weights[f"{name}_kernel{which}"], weights.get(f"{name}_bias{which}")
        return F.conv2d(input, kernel, bias, padding=padding, groups=self.normal.groups)

    def work(self, batch: int, height: int, width: int) -> Work:
        work = self._interior_work(batch, height, width)
        pairs, (along_v, along_h) = batch * self._pairs(), self._along
        ring_v, ring_h = sum(self.vertical.ring), sum(self.horizontal.ring)
        sources_v, sources_h = sum(self.vertical.sources), sum(self.horizontal.sources)
        in_rows, in_columns = (sum(side.pairs for side in sides) for sides in self._sides)
        in_rows, in_columns = in_rows * along_h.macs(width), in_columns * along_v.macs(height)
        in_corners = ring_v * sources_v * ring_h * sources_h
        size_v, size_h = self.vertical.output_size(height), self.horizontal.output_size(width)
        added = batch * self.normal.out_channels * (ring_v * size_h + ring_h * size_v + ring_v * ring_h)
        return work + Work(2 * pairs * (in_rows + in_columns + in_corners), added)

    @abstractmethod
    def _interior_work(self, batch: int, height: int, width: int) -> Work:
        """Arithmetic of :meth:`_interior`."""

    def _pairs(self) -> int:
        """Pairs of an input and an output channel that meet."""
        return self.normal.out_channels * self.normal.in_channels // self.normal.groups


def _ends(input: Tensor, dim: int, counts: tuple[int, int]) -> Tensor:
    """The first and the last of ``dim``, side by side."""
    first, last = input.narrow(dim, 0, counts[0]), input.narrow(dim, input.shape[dim] - counts[1], counts[1])
    return torch.cat([first, last], dim) if all(counts) else first if counts[0] else last


def _added_at_ends(output: Tensor, ends: Tensor, dim: int, counts: tuple[int, int]) -> Tensor:
    """``output``, which may be overwritten, with ``ends`` added to the first and the last of ``dim``."""
    low, high = counts
    size = output.shape[dim]
    if recording():
        first = output.narrow(dim, 0, low) + ends.narrow(dim, 0, low)
        last = output.narrow(dim, size - high, high) + ends.narrow(dim, low, high)
        return torch.cat([first, output.narrow(dim, low, size - low - high), last], dim)
    if low:
        output.narrow(dim, 0, low).add_(ends.narrow(dim, 0, low))
    if high:
        output.narrow(dim, size - high, high).add_(ends.narrow(dim, low, high))
    return output
