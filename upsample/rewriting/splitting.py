"""The fastest way to run layers in a row: all splits of them, each part in every form or as it is, measured in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from torch import Tensor, nn

from upsample.contract import UnsupportedError
from upsample.exact.exact_form import ExactForm, Row
from upsample.exact.forms import each_form
from upsample.exact.layers import usual_work
from upsample.rewriting import proof
from upsample.rewriting.rows import GivenRow
from upsample.rewriting.sites import Part, grows
from upsample.rewriting.substitution import Measured

MOST_WORK = 2.0
"""A form with more arithmetic than this times the layers' own is not measured."""

MOST_WEIGHTS = 1 << 24
"""Nor is one whose kernels hold more values."""

FormNames = tuple[tuple[int, int, str | None], ...]
"""A row's split: from which layer to before which, and the name of the form."""


@dataclass(frozen=True)
class Splitter:
    """Compares the splits of rows; the attributes are those of :func:`upsample.rewrite`."""

    prepare: proof.Prepare
    seconds: float

    def best(self, part: Part, measured: Measured, must: bool, reasons: dict[str, bool]) -> FormNames | None:
        """The fastest way to run a row; None where that is the usual one.

        Args:
            part: whose row it is.
            measured: graphs of its site.
            must: whether it is a part of a sum, of which each layer by itself is not the usual way.
            reasons: gets why forms are no choice, and whether that is for the runtime's sake.
        """
        row, given = row_with_weights(part, measured)
        size = _size(part, measured)
        layers, inputs = row.layers, [given]
        for number, layer in enumerate(layers[:-1]):
            inputs.append(Row(layer)(inputs[-1], size if number == 0 else None))
        best: list[tuple[float, FormNames]] = [(0.0, ())]
        options: dict[tuple[int, int], tuple[float, str | None]] = {}
        for first, last in _segments(len(layers)):
            options |= self._fastest(layers, inputs, first, last, size, reasons)
        for last in range(1, len(layers) + 1):
            ways = [
                (best[first][0] + taken, (*best[first][1], (first, last, form)))
                for first in range(last)
                if (first, last) in options
                for taken, form in [options[first, last]]
            ]
            # A layer that the runtime cannot run by itself is left as it is.
            best.append(min(ways, key=lambda way: way[0], default=(inf, (*best[-1][1], (last - 1, last, None)))))
        split = best[-1][1]
        if all(form is None for _, _, form in split):
            if not must and not part.functions:
                return None
            # A function at low resolution may pay by itself, and so may fewer channels side by side.
            forms = [(taken, form) for (a, b), (taken, form) in options.items() if (a, b) == (0, len(layers)) and form]
            return ((0, len(layers), min(forms)[1]),) if must and forms else split if part.functions else None
        return split

    def _fastest(
        self,
        layers: Sequence[nn.Module],
        inputs: Sequence[Tensor],
        first: int,
        last: int,
        size: tuple[int, ...] | None,
        reasons: dict[str, bool],
    ) -> dict[tuple[int, int], tuple[float, str | None]]:
        """The fastest way to do some of the layers: its seconds, and its form unless it is the usual one."""
        part, input = list(layers[first:last]), inputs[first]
        single = last - first == 1
        forms: dict[str, nn.Module] = {}
        if any(grows(layer) for layer in part):
            forms = dict(_forms(part, input, reasons))
        if not single and not forms:
            return {}
        told = size if first == 0 else None
        ways: dict[str, nn.Module] = {"usual": Row(*part), **forms}
        calls = {}
        for name, way in ways.items():
            try:
                calls[name] = self.prepare(_Sized(way, told) if told is not None else way, (input,))
            except Exception as error:
                reasons[f"{name.capitalize()}: {error}."] = True
        if not calls:
            return {}
        if len(calls) == 1 and single and len(layers) == 1:
            return {(first, last): (0.0, None if "usual" in calls else next(iter(calls)))}
        name, taken = proof.fastest(calls, self.seconds)
        if name == "usual" and not single:
            # Its layers one by one are among the other splits.
            return {}
        return {(first, last): (taken, None if name == "usual" else name)}


class _Sized(nn.Module):
    """A row of which the interpolation is told a size that stays."""

    def __init__(self, row: nn.Module, size: tuple[int, ...]) -> None:
        super().__init__()
        self.row, self.size = row, size

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.row(input, self.size)
        return output


def row_with_weights(part: Part, measured: Measured) -> tuple[GivenRow, Tensor]:
    """A part's row with its layers' weights in place, and what it is given."""
    row = GivenRow(part.row)
    given: Tensor = measured.started(part)(*measured.example)
    row.follow([measured.seen(source) for source in GivenRow.sources(part.row)])
    return row, given


def _size(part: Part, measured: Measured) -> tuple[int, ...] | None:
    size = part.row[0].size
    return None if size is None else tuple(int(measured.seen(side)) for side in size)


def _segments(length: int) -> Iterator[tuple[int, int]]:
    """All parts in a row of so many layers."""
    return ((first, last) for first in range(length) for last in range(first + 1, length + 1))


def _forms(layers: Sequence[nn.Module], input: Tensor, reasons: dict[str, bool]) -> Iterator[tuple[str, ExactForm]]:
    """The exact forms of layers that are worth measuring."""
    own = usual_work(layers, input).flops
    taps = 1
    for layer in layers:
        sides = getattr(layer, "kernel_size", None) or (getattr(layer, "upscale_factor", 1),) * 2
        taps *= sides[0] * sides[1]
    channels = [getattr(layer, "out_channels", 0) for layer in layers]
    if taps * input.shape[1] * max(channels) > MOST_WEIGHTS:
        reasons["Its kernels would be too large."] = False
        return
    # The kernels of a form with far too much arithmetic may take seconds to work out.
    for name, form in each_form(layers, input.shape[1], owned=False, ready=False):
        if isinstance(form, UnsupportedError):
            reasons[f"{name.capitalize()}: {form}"] = False
        elif form.work(input.shape[0], *input.shape[2:]).flops <= MOST_WORK * max(own, 1):
            form.refresh()
            yield name, form
