"""What the forms share that compute from one bank of kernels: all but the interior, which each does in its own way.

The ring of outputs at the borders has kernels of its own (:mod:`upsample.exact.normal_form`). They are few, and small
convolutions make them whatever the form.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.contract import Work
from upsample.exact.blocks import all_phases
from upsample.exact.exact_form import ExactForm, exporting
from upsample.exact.normal_form import Kernels, NormalForm


class PolyphaseForm(ExactForm):
    """A form that computes all outputs but the ring from one bank of kernels."""

    normal: NormalForm

    def _prepare(self, channels: int | None) -> None:
        self.normal = NormalForm(list(self.usual), channels)
        self.vertical, self.horizontal = self.normal.axes
        # The ring's rows are made along their length like any other output, by the window with the fewest taps.
        vertical, horizontal = (all_phases(axis, axis.origin) for axis in self.normal.axes)
        self._along = vertical, horizontal

    def fits(self, height: int, width: int) -> bool:
        return bool(height >= self.vertical.least and width >= self.horizontal.least)

    def _weights(self) -> dict[str, Tensor]:
        kernels = self._kernels()
        like = next((parameter for parameter in self.usual.parameters()), kernels.interior)
        named = {**self._of_interior(kernels), **self._of_ring(kernels)}
        return {name: weight.to(like).contiguous() for name, weight in named.items() if weight is not None}

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
        vertical, horizontal = self._along
        if self.vertical.edge.shape[1]:
            rows = horizontal.split(kernels.rows, 4)  # (O, C, R, Z, taps, s)
            named["row_kernel"] = rows.permute(0, 2, 5, 1, 3, 4).flatten(0, 2)
            named["row_bias"] = of_blocks(kernels.row_bias, (0, horizontal.shift))
        if self.horizontal.edge.shape[1]:
            columns = vertical.split(kernels.columns, 2)  # (O, C, taps, s, R, Z)
            named["column_kernel"] = columns.permute(0, 3, 4, 1, 2, 5).flatten(0, 2)
            named["column_bias"] = of_blocks(kernels.column_bias, (vertical.shift, 0))
        if self.vertical.edge.shape[1] and self.horizontal.edge.shape[1]:
            named["corner_kernel"] = kernels.corners.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
            named["corner_bias"] = of_blocks(kernels.corner_bias, (0, 0))
        return named

    def _run(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        output, ring_v, ring_h = self._interior(input, weights), self.vertical.ring, self.horizontal.ring
        if any(ring_h):
            output = _with_ends(output, self._columns(input, weights), 3, ring_h)
        if any(ring_v):
            rows = self._rows(input, weights)
            if any(ring_h):
                rows = _with_ends(rows, self._corners(input, weights), 3, ring_h)
            output = _with_ends(output, rows, 2, ring_v)
        return output

    def _rows(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """``(N, O, R, s·W)``, right but for the corners."""
        window, width = self._along[1], input.shape[3]
        sources = _ends(input, 2, self.vertical.sources)
        made = self._convolve(sources, weights, "row", (0, window.padding))[..., 0, window.blocks(width)]
        blocks: Tensor = made.unflatten(1, (-1, sum(self.vertical.ring), self.horizontal.scale))
        return blocks.transpose(3, 4).flatten(3, 4)[..., window.outputs(width)]

    def _columns(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """``(N, O, s·H, R)``, right but for the corners."""
        window, height = self._along[0], input.shape[2]
        sources = _ends(input, 3, self.horizontal.sources)
        made = self._convolve(sources, weights, "column", (window.padding, 0))[:, :, window.blocks(height), 0]
        blocks: Tensor = made.unflatten(1, (-1, self.vertical.scale, sum(self.horizontal.ring)))
        return blocks.permute(0, 1, 4, 2, 3).flatten(2, 3)[:, :, window.outputs(height)]

    def _corners(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """``(N, O, R, R)``."""
        sources = _ends(_ends(input, 2, self.vertical.sources), 3, self.horizontal.sources)
        made = self._convolve(sources, weights, "corner", (0, 0))
        rings: Tensor = made.unflatten(1, (-1, sum(self.vertical.ring), sum(self.horizontal.ring)))
        return rings[..., 0, 0]

    def _convolve(self, input: Tensor, weights: dict[str, Tensor], name: str, padding: tuple[int, int]) -> Tensor:
        kernel, bias = weights[f"{name}_kernel"], weights.get(f"{name}_bias")
        return F.conv2d(input, kernel, bias, padding=padding, groups=self.normal.groups)

    def work(self, batch: int, height: int, width: int) -> Work:
        work = self._interior_work(batch, height, width)
        pairs, (along_v, along_h) = batch * self._pairs(), self._along
        ring_v, ring_h = sum(self.vertical.ring), sum(self.horizontal.ring)
        sources_v, sources_h = sum(self.vertical.sources), sum(self.horizontal.sources)
        in_rows = ring_v * sources_v * along_h.macs(width)
        in_columns = ring_h * sources_h * along_v.macs(height)
        in_corners = ring_v * sources_v * ring_h * sources_h
        return work + Work(flops=2 * pairs * (in_rows + in_columns + in_corners))

    @abstractmethod
    def _interior_work(self, batch: int, height: int, width: int) -> Work:
        """Arithmetic of :meth:`_interior`."""

    def _pairs(self) -> int:
        """Pairs of an input and an output channel that meet."""
        return self.normal.out_channels * self.normal.in_channels // self.normal.groups


def of_blocks(bias: Tensor | None, shifts: tuple[int, int]) -> Tensor | None:
    """Biases of the phases of blocks that stand ``shifts`` into the output, one for each of their channels."""
    return None if bias is None else bias.roll(shifts, (1, 2)).flatten()


def _ends(input: Tensor, dim: int, counts: tuple[int, int]) -> Tensor:
    """The first and the last of ``dim``, side by side."""
    first, last = input.narrow(dim, 0, counts[0]), input.narrow(dim, input.shape[dim] - counts[1], counts[1])
    return torch.cat([first, last], dim)


def _with_ends(output: Tensor, ends: Tensor, dim: int, counts: tuple[int, int]) -> Tensor:
    """``output``, which may be overwritten, with the first and the last of ``dim`` taken from ``ends``."""
    low, high = counts
    size = output.shape[dim]
    if exporting():
        middle = output.narrow(dim, low, size - low - high)
        return torch.cat([ends.narrow(dim, 0, low), middle, ends.narrow(dim, low, high)], dim)
    output.narrow(dim, 0, low).copy_(ends.narrow(dim, 0, low))
    output.narrow(dim, size - high, high).copy_(ends.narrow(dim, low, high))
    return output


def cropped(output: Tensor, rows: slice, columns: slice, like: Tensor) -> Tensor:
    """A part of ``output`` as a tensor of its own, in the layout of ``like``."""
    if rows == slice(0, output.shape[2]) and columns == slice(0, output.shape[3]):
        return output
    nhwc = like.is_contiguous(memory_format=torch.channels_last) and not like.is_contiguous()
    layout = torch.channels_last if nhwc else torch.contiguous_format
    return output[:, :, rows, columns].contiguous(memory_format=layout)
