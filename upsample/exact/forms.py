"""One linear upsampler, written in ways that differ in cost and not in output.

All follow from the polyphase normal form (:mod:`upsample.exact.normal_form`), which has every border right:

- :class:`Shuffled`: one convolution at low resolution that makes all s² phases, then the shuffle;
- :class:`TransposedForm`: one transposed convolution;
- :class:`Phases`: a convolution for each set of phases that read the same inputs, with no tap too many;
- :class:`MixedShuffled`: channels are mixed by a 1×1 convolution with an output for every tap, and one convolution with
  the bank of the taps alone and the shuffle put them together;
- :class:`MixedFirst`: channels are mixed at low resolution, interpolated, and summed tap by tap, which asks of the
  interpolation only that it treats channels alike (``align_corners=True`` and fractional scales included).

Which is fastest depends on the runtime and is measured, not assumed; their arithmetic is stated in closed form.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from copy import deepcopy
from math import prod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import UnsupportedError, Work, conv_work
from upsample.exact.axis import Axis
from upsample.exact.blocks import Window, all_phases, interleave, phase_sets
from upsample.exact.exact_form import ExactForm, exporting
from upsample.exact.layers import conv_padding
from upsample.exact.normal_form import Kernels, NormalForm
from upsample.resampling import FLOPS_PER_OUTPUT, Mode

LARGEST_BANK = 2**23
"""Of one bank of kernels: 64 MiB in float64, in which they are worked out."""


class PolyphaseForm(ExactForm):
    """A form that computes all outputs but the ring from one bank of kernels."""

    normal: NormalForm

    def _prepare(self, channels: int | None) -> None:
        self.normal = NormalForm(list(self.usual), channels)
        self.vertical, self.horizontal = self.normal.axes
        # The ring's rows are made along their length like any other output, by the window with the fewest taps.
        vertical, horizontal = (all_phases(axis, axis.origin) for axis in self.normal.axes)
        self._along = vertical, horizontal

    def _fits(self, input: Tensor) -> bool:
        return bool(input.shape[2] >= self.vertical.least and input.shape[3] >= self.horizontal.least)

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
            named["row_bias"] = _of_blocks(kernels.row_bias, (0, horizontal.shift))
        if self.horizontal.edge.shape[1]:
            columns = vertical.split(kernels.columns, 2)  # (O, C, taps, s, R, Z)
            named["column_kernel"] = columns.permute(0, 3, 4, 1, 2, 5).flatten(0, 2)
            named["column_bias"] = _of_blocks(kernels.column_bias, (vertical.shift, 0))
        if self.vertical.edge.shape[1] and self.horizontal.edge.shape[1]:
            named["corner_kernel"] = kernels.corners.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
            named["corner_bias"] = _of_blocks(kernels.corner_bias, (0, 0))
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


def _of_blocks(bias: Tensor | None, shifts: tuple[int, int]) -> Tensor | None:
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


def _cropped(output: Tensor, rows: slice, columns: slice, like: Tensor) -> Tensor:
    """A part of ``output`` as a tensor of its own, in the layout of ``like``."""
    if rows == slice(0, output.shape[2]) and columns == slice(0, output.shape[3]):
        return output
    nhwc = like.is_contiguous(memory_format=torch.channels_last) and not like.is_contiguous()
    layout = torch.channels_last if nhwc else torch.contiguous_format
    return output[:, :, rows, columns].contiguous(memory_format=layout)


class Shuffled(PolyphaseForm):
    """One convolution with s²·O outputs, and the shuffle.

    The blocks are laid so that the fewest taps suffice, ``ceil(L/s)`` an axis, and what sticks out is cropped.
    """

    title = "as one conv + shuffle"

    _windows: tuple[Window, Window]
    """Of the blocks."""

    def _prepare(self, channels: int | None) -> None:
        super()._prepare(channels)
        self._windows = self._along

    @property
    def _in_place(self) -> tuple[Window, Window]:
        """Blocks that are the input's own pixels."""
        return all_phases(self.vertical, 0), all_phases(self.horizontal, 0)

    def _of_interior(self, kernels: Kernels) -> dict[str, Tensor | None]:
        vertical, horizontal = self._windows
        split = horizontal.split(vertical.split(kernels.interior, 2), 4)  # (O, C, taps, s, taps, s)
        return {
            "kernel": split.permute(0, 3, 5, 1, 2, 4).flatten(0, 2),
            "bias": _of_blocks(kernels.bias, (vertical.shift, horizontal.shift)),
        }

    def _interior(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        (vertical, horizontal), (height, width) = self._windows, input.shape[2:]
        padding = (vertical.padding, horizontal.padding)
        made = F.conv2d(input, weights["kernel"], weights.get("bias"), padding=padding, groups=self.normal.groups)
        made = made[:, :, vertical.blocks(height), horizontal.blocks(width)]
        # Under the same name, so that the memory before is free for the crop.
        made = interleave(made, (self.vertical.scale, self.horizontal.scale))
        return _cropped(made, vertical.outputs(height), horizontal.outputs(width), input)

    def _interior_work(self, batch: int, height: int, width: int) -> Work:
        vertical, horizontal = self._windows
        return Work(flops=2 * batch * self._pairs() * vertical.macs(height) * horizontal.macs(width))


class ShuffledInPlace(Shuffled):
    """The same with blocks that are the input's own pixels: more taps where phases lean both ways, and no crop."""

    title = "as one conv + shuffle in place"

    def _prepare(self, channels: int | None) -> None:
        super()._prepare(channels)
        if all(window.crop == 0 and window.axis.extra % window.axis.scale == 0 for window in self._along):
            raise UnsupportedError("the blocks with the fewest taps are the pixels already.")
        self._windows = self._in_place


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
        if self._planes * self.normal.out_channels * places > LARGEST_BANK:
            raise UnsupportedError("a bank with an input for each tap and output channel would be too large.")
        self._windows = min(self._in_place, self._along, key=lambda windows: prod(window.taps for window in windows))

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
        return super()._run(F.conv2d(input, weights["mixing"]), weights)

    def work(self, batch: int, height: int, width: int) -> Work:
        mixing = conv_work(batch, self.normal.in_channels, self._planes, height * width, 1)
        return mixing + super().work(batch, height, width)

    def _pairs(self) -> int:
        return self.normal.out_channels * self._planes


class TransposedForm(PolyphaseForm):
    """One transposed convolution with the response to an impulse as its kernel (identities B, C and D)."""

    title = "as one transposed conv"

    def _of_interior(self, kernels: Kernels) -> dict[str, Tensor | None]:
        kernel = kernels.interior.unflatten(0, (self.normal.groups, -1)).transpose(1, 2).flatten(0, 1)
        if kernels.bias is None or self._uniform:
            return {"kernel": kernel, "bias": None if kernels.bias is None else kernels.bias[:, 0, 0]}
        return {"kernel": kernel, "phase_bias": kernels.bias}

    @property
    def _uniform(self) -> bool:
        """Whether all phases have the same bias: nothing comes after it."""
        return all(getattr(layer, "bias", None) is None for layer in list(self.usual)[:-1])

    def _interior(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        (before_v, after_v, pad_v, out_v), (before_h, after_h, pad_h, out_h) = map(
            _transposed_padding, self.normal.axes
        )
        output = F.conv_transpose2d(
            input,
            weights["kernel"],
            weights.get("bias"),
            (self.vertical.scale, self.horizontal.scale),
            (pad_v, pad_h),
            (out_v, out_h),
            self.normal.groups,
        )
        if any((before_v, after_v, before_h, after_h)):
            output = F.pad(output, (before_h, after_h, before_v, after_v))
        if "phase_bias" in weights:
            repeats = (1, -(-output.shape[2] // self.vertical.scale), -(-output.shape[3] // self.horizontal.scale))
            output = output + weights["phase_bias"].repeat(repeats)[:, : output.shape[2], : output.shape[3]]
        return output

    def _interior_work(self, batch: int, height: int, width: int) -> Work:
        taps = self.vertical.length * self.horizontal.length
        added = 0
        if not self._uniform:
            added = prod(axis.output_size(size) for axis, size in zip(self.normal.axes, (height, width), strict=True))
        return Work(2 * batch * self._pairs() * height * width * taps, batch * self.normal.out_channels * added)

    def _prepare(self, channels: int | None) -> None:
        super()._prepare(channels)
        if any(max(_transposed_padding(axis)[:2]) > 0 for axis in self.normal.axes):
            raise UnsupportedError("some outputs lie beyond the reach of a transposed convolution.")


def _transposed_padding(axis: Axis) -> tuple[int, int, int, int]:
    """Zeros to add before and after a transposed convolution's output, negative to crop; padding; output padding."""
    after = axis.length - axis.scale - axis.origin - axis.extra
    padding = max(axis.origin, 0)
    if not 0 <= padding - after < axis.scale:
        padding = max(0, min(axis.origin, after))
        return padding - axis.origin, padding - after, padding, 0
    return padding - axis.origin, 0, padding, padding - after


class Phases(PolyphaseForm):
    """A convolution for each set of phases that read the same inputs: the fewest multiply-accumulates of all forms."""

    title = "as a conv for each phase"

    def _prepare(self, channels: int | None) -> None:
        super()._prepare(channels)
        self._sets = [(v, h) for v in phase_sets(self.vertical) for h in phase_sets(self.horizontal)]

    def _of_interior(self, kernels: Kernels) -> dict[str, Tensor | None]:
        named: dict[str, Tensor | None] = {}
        for number, (vertical, horizontal) in enumerate(self._sets):
            split = horizontal.split(vertical.split(kernels.interior, 2), 4)  # (O, C, taps, phases, taps, phases)
            named[f"kernel_{number}"] = split.permute(0, 3, 5, 1, 2, 4).flatten(0, 2)
            if kernels.bias is not None:
                phases = kernels.bias[:, list(vertical.phases)][:, :, list(horizontal.phases)]
                named[f"bias_{number}"] = phases.flatten()
        return named

    def _interior(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        height, width = input.shape[2:]
        made = []
        for number, (vertical, horizontal) in enumerate(self._sets):
            kernel, bias = weights[f"kernel_{number}"], weights.get(f"bias_{number}")
            padding = (vertical.padding, horizontal.padding)
            blocks = F.conv2d(input, kernel, bias, padding=padding, groups=self.normal.groups)
            blocks = blocks[:, :, vertical.blocks(height), horizontal.blocks(width)]
            made.append(blocks.unflatten(1, (-1, len(vertical.phases), len(horizontal.phases))))
        output = self._shuffled(made) if exporting() else self._written(made)
        vertical, horizontal = self._sets[0]
        return _cropped(output, vertical.outputs(height), horizontal.outputs(width), input)

    def _shuffled(self, made: Sequence[Tensor]) -> Tensor:
        """Put ``(N, O, phases, phases, H, W)`` of each set in their places by one shuffle."""
        scales = (self.vertical.scale, self.horizontal.scale)
        by_phase = {
            (phase_v, phase_h): blocks[:, :, index_v, index_h]
            for (vertical, horizontal), blocks in zip(self._sets, made, strict=True)
            for index_v, phase_v in enumerate(vertical.phases)
            for index_h, phase_h in enumerate(horizontal.phases)
        }
        return interleave(torch.stack([by_phase[key] for key in sorted(by_phase)], 2).flatten(1, 2), scales)

    def _written(self, made: Sequence[Tensor]) -> Tensor:
        """Put them in their places one by one."""
        batch, channels, _, _, height, width = made[0].shape
        output = made[0].new_empty(batch, channels, height, self.vertical.scale, width, self.horizontal.scale)
        for (vertical, horizontal), blocks in zip(self._sets, made, strict=True):
            rows = output[:, :, :, vertical.phases[0] : vertical.phases[-1] + 1]
            place = rows[..., horizontal.phases[0] : horizontal.phases[-1] + 1]
            place.copy_(blocks.permute(0, 1, 4, 2, 5, 3))
        placed: Tensor = output.flatten(4, 5).flatten(2, 3)
        return placed

    def _interior_work(self, batch: int, height: int, width: int) -> Work:
        macs = sum(vertical.macs(height) * horizontal.macs(width) for vertical, horizontal in self._sets)
        return Work(flops=2 * batch * self._pairs() * macs)


class MixedFirst(ExactForm):
    """Interpolation + convolution with the channels mixed first, by a 1×1 convolution for every tap at low resolution.

    An interpolation treats channels alike, so that mixing them commutes with it; what is left for the output's
    resolution is a sum over the k² taps, each shifted to its place. It pays where the output has few channels, and asks
    nothing of the interpolation.
    """

    title = "with channels mixed first"

    def _prepare(self, channels: int | None) -> None:
        kinds = [type(layer) for layer in self.usual]
        if kinds not in ([nn.Upsample, nn.Conv2d], [nn.UpsamplingBilinear2d, nn.Conv2d]):
            raise UnsupportedError("channels are mixed first for an interpolation and the convolution after it.")
        conv = self._conv
        if conv.stride != (1, 1) or conv.groups > 1:
            raise UnsupportedError("channels are mixed first for convolutions with stride 1 and without groups.")
        self._padding = conv_padding(conv)
        self._reaches = [(k - 1) * dilation for k, dilation in zip(conv.kernel_size, conv.dilation, strict=True)]
        by_hand = [low != high or low > reach for (low, high), reach in zip(self._padding, self._reaches, strict=True)]
        self._inside = conv.padding_mode != "zeros" or any(by_hand)
        done = [0 if self._inside else low for low, _ in self._padding]
        self._rest = [reach - padding for reach, padding in zip(self._reaches, done, strict=True)]

    @property
    def _conv(self) -> nn.Conv2d:
        conv = self.usual[1]
        assert isinstance(conv, nn.Conv2d)
        return conv

    def _fits(self, input: Tensor) -> bool:
        return True

    def _weights(self) -> dict[str, Tensor]:
        kernel = self._conv.weight.flip(2, 3).permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None]
        named = {"kernel": kernel.contiguous()}
        return named if self._conv.bias is None else {**named, "bias": self._conv.bias[:, None, None]}

    def _run(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        conv = self._conv
        planes: Tensor = self.usual[0](F.conv2d(input, weights["kernel"]))
        if self._inside:
            mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
            (top, bottom), (left, right) = self._padding
            planes = F.pad(planes, (left, right, top, bottom), mode=mode)
        (rest_v, rest_h), (reach_v, reach_h) = self._rest, self._reaches
        size = (planes.shape[2] + reach_v - 2 * rest_v, planes.shape[3] + reach_h - 2 * rest_h)
        output = F.fold(planes.flatten(2), size, conv.kernel_size, conv.dilation, (rest_v, rest_h))
        return output + weights["bias"] if "bias" in weights else output

    def work(self, batch: int, height: int, width: int) -> Work:
        conv, planes = self._conv, self._conv.out_channels * prod(self._conv.kernel_size)
        with torch.device("meta"):
            high, wide = self.usual[0](torch.empty(1, 1, height, width)).shape[2:]
        mixing = conv_work(batch, conv.in_channels, planes, height * width, 1)
        interpolating = _flops_per_output(self.usual[0]) * batch * planes * high * wide
        padding = self._padding if self._inside else ((0, 0), (0, 0))
        summed = planes * (high + sum(padding[0])) * (wide + sum(padding[1]))
        (top, bottom), (left, right), (reach_v, reach_h) = *self._padding, self._reaches
        outputs = (high + top + bottom - reach_v) * (wide + left + right - reach_h)
        biased = conv.out_channels * outputs if conv.bias is not None else 0
        return mixing + Work(interpolating, batch * (summed + biased))


FORMS: dict[str, type[ExactForm]] = {
    "shuffled": Shuffled,
    "shuffled_in_place": ShuffledInPlace,
    "transposed": TransposedForm,
    "phases": Phases,
    "mixed_shuffled": MixedShuffled,
    "mixed_first": MixedFirst,
}
"""The forms by name, beside the usual one."""


def exact_forms(layers: Sequence[nn.Module], channels: int | None = None) -> dict[str, ExactForm]:
    """Return every exact form of layers in a row, by name: modules that take the layers' place.

    Args:
        layers: an upsampler and what is convolved with it, first to last: ``nn.Conv2d`` with stride 1,
            ``nn.ConvTranspose2d``, ``nn.PixelShuffle``, ``nn.Upsample``, :class:`upsample.exact.ZeroStuff`. The forms
            share their parameters.
        channels: of the input, where no layer tells.

    Raises:
        UnsupportedError: there is none; the message says why for each.
    """
    forms, reasons = {}, []
    for name, form in each_form(layers, channels):
        if isinstance(form, UnsupportedError):
            reasons.append(f"{name}: {form}")
        else:
            forms[name] = form
    if not forms:
        raise UnsupportedError(" ".join(reasons))
    return forms


def each_form(
    layers: Sequence[nn.Module], channels: int | None = None, owned: bool = True
) -> Iterator[tuple[str, ExactForm | UnsupportedError]]:
    """Yield the name of every form, and the form itself or why it does not exist.

    The arguments are those of :class:`upsample.exact.exact_form.ExactForm`.
    """
    for name, form in FORMS.items():
        try:
            yield name, form(layers, channels, owned)
        except UnsupportedError as error:
            yield name, error


def usual_work(layers: Sequence[nn.Module], input: Tensor) -> Work:
    """Return the arithmetic of the layers themselves on an input like this one."""
    work, meta = Work(), input.to("meta")
    for layer in layers:
        before = meta
        with torch.no_grad():
            meta = deepcopy(layer).to("meta")(before)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            positions = (before if isinstance(layer, nn.ConvTranspose2d) else meta)[:, 0].numel()
            pairs = layer.in_channels * layer.out_channels // layer.groups
            work += Work(flops=2 * positions * pairs * prod(layer.kernel_size))
        elif isinstance(layer, nn.Upsample):
            work += Work(flops=_flops_per_output(layer) * meta.numel())
    return work


def _flops_per_output(layer: nn.Module) -> int:
    assert isinstance(layer, nn.Upsample)
    return FLOPS_PER_OUTPUT[cast(Mode, layer.mode)]
