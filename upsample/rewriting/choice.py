"""Which way to compute a site is the fastest here: every split of it, every form of each part, measured in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import inf
from statistics import median
from typing import Any

import torch
from torch import Tensor, fx, nn

from upsample.contract import UnsupportedError
from upsample.exact.exact_form import ExactForm, Row
from upsample.exact.forms import FORMS, each_form
from upsample.exact.layers import usual_work
from upsample.rewriting import proof
from upsample.rewriting.report import SiteReport
from upsample.rewriting.rows import SUMS, GivenRow
from upsample.rewriting.sites import Part, Site, computed, grows
from upsample.rewriting.substitution import Measured, Term, joint_term, own_term
from upsample.rewriting.vocabulary import operation

MOST_WORK = 2.0
"""A form with more arithmetic than this times the layers' own is not measured."""

MOST_WEIGHTS = 1 << 24
"""Nor is one whose kernels hold more values."""

FormNames = tuple[tuple[int, int, str | None], ...]
"""A row's split: from which layer to before which, and the name of the form."""


@dataclass(frozen=True)
class Way:
    """How a site is computed, whatever its weights are.

    Attributes:
        splits: of the parts that are computed by themselves, by their number.
        sum: the name of the way to add, for a site that only adds.
    """

    splits: Mapping[int, FormNames] = field(default_factory=dict)
    sum: str = ""


@dataclass
class Chooser:
    """How ways are compared; the attributes are those of :func:`upsample.rewrite`."""

    prepare: proof.Prepare
    least_gain: float
    seconds: float
    _known: dict[Any, tuple[SiteReport, Way | None]] = field(default_factory=dict)

    def best(self, site: Site, measured: Measured, name: str) -> tuple[SiteReport, list[Term] | None, str]:
        """Measure what a site could be instead; whatever goes wrong with it is why it is left alone.

        Returns:
            what there is to say of it, its terms if it is to be rewritten, and the name of the sum if it is one.
        """
        first = measured.seen(site.parts[0].start)
        said = SiteReport(name, site.text, shape=tuple(first.shape) if isinstance(first, Tensor) else ())
        if (reason := why_not_input(first)) is not None:
            return replace(said, reason=reason), None, ""
        if computed(site) is not None:
            return replace(said, reason="its weight is computed in the forward pass."), None, ""
        try:
            key = _key(site, measured)
            if key in self._known:
                known, way = self._known[key]
                said = replace(known, name=name, measured_as=known.name)
            else:
                said, way = self._measured(site, measured, said)
                self._known[key] = said, way
            if way is None:
                return said, None, ""
            if way.sum:
                return said, [], way.sum
            terms = _terms(site, measured, way)
            if said.measured_as:
                apart, where = _furthest_apart(measured.usual(), measured.way(terms), measured.example)
                if apart > proof.tolerance(measured.example):
                    return replace(said, after="", reason=_differs(apart, where)), None, ""
            return said, terms, ""
        except Exception as error:  # layers and runtimes may raise anything
            return replace(said, reason=f"it could not be examined: {type(error).__name__}: {error}."), None, ""

    def _measured(self, site: Site, measured: Measured, said: SiteReport) -> tuple[SiteReport, Way | None]:
        usual, given = measured.usual(), measured.example
        ways, reasons = self._ways(site, measured)
        if not ways:
            return replace(said, reason=" ".join(["no exact form is faster here.", *reasons])), None
        modules = {number: self._module(site, measured, way) for number, way in enumerate(ways)}
        calls: dict[str, proof.Call] = {}
        for number, module in modules.items():
            try:
                calls[str(number)] = self.prepare(module, given)
            except Exception as error:
                reasons[f"{_called(site, ways[number])}: {error}."] = None
        try:
            before = self.prepare(usual, given)
        except Exception as error:
            return replace(said, reason=f"the runtime cannot run it by itself: {error}."), None
        if not calls:
            return replace(said, reason=" ".join(["no exact form is faster here.", *reasons])), None
        if len(calls) > 1:
            times = proof.interleaved(calls, self.seconds)
            number = int(min(times, key=lambda each: median(times[each])))
        else:
            number = int(next(iter(calls)))
        way, module = ways[number], modules[number]
        apart, where = _furthest_apart(usual, module, given)
        if apart > proof.tolerance(given):
            return replace(said, reason=_differs(apart, where)), None
        times = proof.interleaved({"a": before, "b": calls[str(number)]}, self.seconds)
        gained = proof.gain(times["a"], times["b"])
        said = replace(said, gain=gained, difference=apart, expected=_fewer(site, measured, way))
        if gained[1] <= 1 + self.least_gain:
            return replace(said, reason=f"no exact form is certainly faster here (at best {gained[0]:.2f}x)."), None
        return replace(said, after=_called(site, way)), way

    def _ways(self, site: Site, measured: Measured) -> tuple[list[Way], dict[str, None]]:
        """All that the site could be computed by: the fastest split of every part, and every choice of parts."""
        reasons: dict[str, None] = {}
        if site.other is not None:
            return [Way(sum=name) for name in SUMS if name != "added_by_rows" or _nearest(site)], reasons
        splits: dict[int, FormNames] = {}
        for number, part in enumerate(site.parts):
            if part.grows and (split := self._split(part, measured, len(site.parts) > 1, reasons)) is not None:
                splits[number] = split
        chosen = [choice for size in range(len(splits), 0, -1) for choice in combinations(splits, size)]
        # All of them, and every one alone: what the others cost is nearly a matter of its own.
        kept = [choice for choice in chosen if len(choice) in (len(splits), 1)]
        return [Way({number: splits[number] for number in choice}) for choice in kept], reasons

    def _split(self, part: Part, measured: Measured, must: bool, reasons: dict[str, None]) -> FormNames | None:
        """The fastest way to run a row; None where that is the usual one.

        Args:
            part: whose row it is.
            measured: graphs of its site.
            must: whether it is a part of a sum, of which each layer by itself is not the usual way.
            reasons: gets what cannot be run, and why.
        """
        row, given = _row_with_weights(part, measured)
        size = _size(part, measured)
        layers, inputs = row.layers, [given]
        for number, layer in enumerate(layers):
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
        reasons: dict[str, None],
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
                reasons[f"{name.capitalize()}: {error}."] = None
        if not calls:
            return {}
        if len(calls) == 1:
            times = {next(iter(calls)): [0.0]}
            if single and len(layers) == 1:
                return {(first, last): (0.0, None if "usual" in calls else next(iter(calls)))}
        times = proof.interleaved(calls, self.seconds)
        name = min(times, key=lambda each: median(times[each]))
        if name == "usual" and not single:
            # Its layers one by one are among the other splits.
            return {}
        return {(first, last): (median(times[name]), None if name == "usual" else name)}

    def _module(self, site: Site, measured: Measured, way: Way) -> fx.GraphModule:
        if way.sum:
            return measured.sums(SUMS[way.sum](site.parts[0].row[0].layer), site)  # type: ignore[arg-type]
        return measured.way(_terms(site, measured, way))


class _Sized(nn.Module):
    """A row of which the interpolation is told a size that stays."""

    def __init__(self, row: nn.Module, size: tuple[int, ...]) -> None:
        super().__init__()
        self.row, self.size = row, size

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.row(input, self.size)
        return output


def _row_with_weights(part: Part, measured: Measured) -> tuple[GivenRow, Tensor]:
    """A part's row with its layers' weights in place, and what it is given."""
    row = GivenRow(part.row)
    given: Tensor = measured.started(part)(*measured.example)
    row.follow([measured.seen(source) for source in GivenRow.sources(part.row)])
    return row, given


def _terms(site: Site, measured: Measured, way: Way) -> list[Term]:
    """What a site becomes: the parts that are computed by themselves, and the rest side by side."""
    terms: list[Term] = []
    for number, split in way.splits.items():
        term = own_term(site.parts[number], biased=not terms)
        row = term.row
        assert isinstance(row, GivenRow)
        row.follow([measured.seen(source) for source in GivenRow.sources(term.links)])
        channels = measured.channels(site.parts[number])
        made: list[tuple[int, int, ExactForm | None]] = []
        for first, last, form in split:
            layers = row.layers[first:last]
            made.append((first, last, None if form is None else FORMS[form](layers, channels, owned=False)))
            channels = _channels_after(layers, channels)
        row.split(made)
        terms.append(term)
    rest = [part for number, part in enumerate(site.parts) if number not in way.splits]
    if rest:
        terms.append(_rest(rest))
    return terms


def _rest(parts: Sequence[Part]) -> Term:
    if len(parts) == 1:
        return own_term(parts[0], biased=False)
    return joint_term(parts, biased=False)


def _channels_after(layers: Sequence[nn.Module], channels: int) -> int:
    for layer in layers:
        if isinstance(layer, nn.PixelShuffle):
            channels //= layer.upscale_factor**2
        channels = getattr(layer, "out_channels", channels)
    return channels


def _key(site: Site, measured: Measured) -> Any:
    """What the time of a site depends on, but for the values of its weights."""
    parts = tuple(
        (
            tuple((repr(link.layer), link.size is not None) for link in part.row),
            tuple((operation(each.node), str(each.node.args[1:]), each.channels.count) for each in part.functions),
        )
        for part in site.parts
    )
    tensors = tuple((each.shape, each.stride(), each.dtype, each.device) for each in measured.example)
    operations = tuple(map(operation, site.nodes))
    # As parameters have names of their own, arguments of functions are no part of it but for numbers.
    return repr((parts, tensors, operations, site.other is not None))


def _nearest(site: Site) -> bool:
    layer = site.parts[0].row[0].layer
    return isinstance(layer, nn.Upsample) and layer.mode == "nearest" and layer.scale_factor is not None


def _called(site: Site, way: Way) -> str:
    """The names of a way's forms."""
    if way.sum:
        return way.sum
    names = []
    for number, split in way.splits.items():
        row = site.parts[number].row
        names += [form or type(row[first].layer).__name__ for first, _, form in split]
    rest = len(site.parts) - len(way.splits)
    return " + ".join([*names, *(["the rest as before"] if rest else [])])


def _size(part: Part, measured: Measured) -> tuple[int, ...] | None:
    size = part.row[0].size
    return None if size is None else tuple(int(measured.seen(side)) for side in size)


def why_not_input(input: Any) -> str | None:
    """Say why no form is right for what a site is given, or return None."""
    if not isinstance(input, Tensor) or input.dim() != 4:
        dims = input.dim() if isinstance(input, Tensor) else 0
        return f"it is given {dims} dimensions, and forms are known for four, the first of them a batch."
    if not input.is_floating_point():
        return f"it is given {input.dtype} values, and forms are known for floating-point ones."
    if input.numel() == 0:
        return "it is given nothing."
    return None


def _differs(apart: float, where: str) -> str:
    return f"the output would differ by {apart:.1e} on {where}."


OTHER_SIZES = ((1, 0), (0, -1), (-1, 1))
"""By how much height and width differ from the example's where a form is held against the layers once more."""


def _furthest_apart(usual: nn.Module, after: nn.Module, given: tuple[Tensor, ...]) -> tuple[float, str]:
    """How far the outputs differ at most, at the example's size and at others, odd ones among them; and at which."""
    apart = {"the example": proof.difference([usual(*given)], [after(*given)])}
    if len(given) == 1:
        for taller, wider in OTHER_SIZES:
            height, width = given[0].shape[2] + taller, given[0].shape[3] + wider
            with torch.random.fork_rng():
                other = given[0].new_empty((1, given[0].shape[1], height, width)).normal_()
            try:
                expected = usual(other)
            except RuntimeError:
                # The layers themselves cannot do this size.
                continue
            apart[f"an input of {height}×{width}"] = proof.difference([expected], [after(other)])
    where = max(apart, key=apart.__getitem__)
    return apart[where], where


def _segments(length: int) -> Iterator[tuple[int, int]]:
    """All parts in a row of so many layers."""
    return ((first, last) for first in range(length) for last in range(first + 1, length + 1))


def _forms(layers: Sequence[nn.Module], input: Tensor, reasons: dict[str, None]) -> Iterator[tuple[str, ExactForm]]:
    """The exact forms of layers that are worth measuring."""
    own = usual_work(layers, input).flops
    taps = 1
    for layer in layers:
        sides = getattr(layer, "kernel_size", None) or (getattr(layer, "upscale_factor", 1),) * 2
        taps *= sides[0] * sides[1]
    channels = [getattr(layer, "out_channels", 0) for layer in layers]
    if taps * input.shape[1] * max(channels) > MOST_WEIGHTS:
        reasons["Its kernels would be too large."] = None
        return
    # The kernels of a form with far too much arithmetic may take seconds to work out.
    for name, form in each_form(layers, input.shape[1], owned=False, ready=False):
        if isinstance(form, UnsupportedError):
            reasons[f"{name.capitalize()}: {form}"] = None
        elif form.work(input.shape[0], *input.shape[2:]).flops <= MOST_WORK * max(own, 1):
            form.refresh()
            yield name, form


def _fewer(site: Site, measured: Measured, way: Way) -> float | None:
    """By how much the multiply-accumulates of a site's layers shrink when it is done in this way."""
    if way.sum:
        return None
    before = after = 0
    for number, part in enumerate(site.parts):
        row, given = _row_with_weights(part, measured)
        own = usual_work(row.layers, given).flops
        before += own
        split = way.splits.get(number)
        if split is None:
            after += own
            continue
        for first, last, name in split:
            layers = row.layers[first:last]
            if name is None:
                after += usual_work(layers, given).flops
            else:
                form = FORMS[name](layers, given.shape[1], owned=False, ready=False)
                after += form.work(given.shape[0], *given.shape[2:]).flops
            given = Row(*layers)(given)
    return before / max(after, 1)
