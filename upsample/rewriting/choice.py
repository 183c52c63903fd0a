"""Which way to compute a site is the fastest here: every split of it, every form of each part, measured in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from upsample.exact.exact_form import ExactForm, Row
from upsample.exact.forms import FORMS
from upsample.exact.layers import usual_work
from upsample.rewriting import proof
from upsample.rewriting.memory import peak_bytes
from upsample.rewriting.report import Gain, SiteReport
from upsample.rewriting.rows import SUMS, AddedTo, GivenRow
from upsample.rewriting.sites import Part, Site, computed
from upsample.rewriting.splitting import FormNames, Splitter, row_with_weights
from upsample.rewriting.substitution import Chosen, Measured, Term, joint_term, own_term
from upsample.rewriting.vocabulary import operation

NONE_FASTER = "no exact form is certainly faster here."


@dataclass(frozen=True)
class Way:
    """How a site is computed, whatever its weights are.

    Attributes:
        splits: of the parts that are computed by themselves, by their number.
        sum: the name of the way to add, for a site that only adds.
    """

    splits: Mapping[int, FormNames] = field(default_factory=dict)
    sum: str = ""


FOLDED = Way({0: ((0, 2, "transposed"),)})
"""The known trick: nearest neighbours and a convolution as one transposed convolution."""


@dataclass
class Chooser:
    """How ways are compared; the attributes are those of :func:`upsample.rewrite`."""

    prepare: proof.Prepare
    least_gain: float
    seconds: float
    also: Mapping[str, proof.Prepare] = field(default_factory=dict)
    _known: dict[Any, tuple[SiteReport, Way | None]] = field(default_factory=dict)

    def best(self, site: Site, measured: Measured, name: str) -> tuple[SiteReport, Chosen | None]:
        """Measure what a site could be instead; whatever goes wrong with it is why it is left alone."""
        first = measured.seen(site.parts[0].start)
        said = SiteReport(name, site.text, shape=tuple(first.shape) if isinstance(first, Tensor) else ())
        if (reason := why_not_input(first)) is not None:
            return replace(said, reason=reason), None
        if computed(site) is not None:
            return replace(said, reason="its weight is computed in the forward pass."), None
        try:
            key = _key(site, measured)
            if key in self._known:
                known, way = self._known[key]
                said = replace(known, name=name, measured_as=known.name)
            else:
                said, way = self._measured(site, measured, said)
                said = replace(said, elsewhere=dict(self._elsewhere(site, measured, said)))
                self._known[key] = said, way
            if way is None:
                return said, None
            chosen = _chosen(site, measured, way)
            if said.measured_as and not isinstance(chosen, AddedTo):
                apart, where = _furthest_apart(measured.usual(), measured.way(chosen), measured.example)
                if apart > proof.tolerance(measured.example):
                    return replace(said, after="", reason=_differs(apart, where)), None
            return said, chosen
        except Exception as error:  # layers and runtimes may raise anything
            return replace(said, reason=f"it could not be examined: {type(error).__name__}: {error}."), None

    def _measured(self, site: Site, measured: Measured, said: SiteReport) -> tuple[SiteReport, Way | None]:
        usual, given = measured.usual(), measured.example
        ways, reasons = self._ways(site, measured)
        if not ways:
            return replace(said, reason=_none_faster(site, reasons), details=tuple(reasons)), None
        modules = {number: measured.way(_chosen(site, measured, way)) for number, way in enumerate(ways)}
        calls: dict[str, proof.Call] = {}
        for number, module in modules.items():
            try:
                calls[str(number)] = self.prepare(module, given)
            except Exception as error:
                reasons[f"{_called(site, ways[number])}: {error}."] = True
        try:
            before = self.prepare(usual, given)
        except Exception as error:
            return replace(said, reason=f"the runtime cannot run it by itself: {error}."), None
        if not calls:
            return replace(said, reason=_none_faster(site, reasons), details=tuple(reasons)), None
        number = int(proof.fastest(calls, self.seconds)[0]) if len(calls) > 1 else int(next(iter(calls)))
        way, module = ways[number], modules[number]
        apart, where = _furthest_apart(usual, module, given)
        if apart > proof.tolerance(given):
            return replace(said, reason=_differs(apart, where)), None
        rivals = {"a": before, "b": calls[str(number)]}
        foldable = _can_be_folded(site)
        if foldable and way != FOLDED:
            rivals |= self._folded(site, measured)
        times = proof.compared(rivals, self.seconds, 1 + self.least_gain)
        gained = proof.gain(times["a"], times["b"])
        said = replace(said, gain=gained, difference=apart, expected=_fewer(site, measured, way))
        if foldable and way == FOLDED:
            said = replace(said, folded=gained)
        elif "folded" in times:
            said = replace(said, folded=proof.gain(times["a"], times["folded"]))
        if self.prepare is proof.eager:
            said = replace(said, peak_bytes=(peak_bytes(rivals["a"]), peak_bytes(rivals["b"])))
        if gained[1] <= 1 + self.least_gain:
            return replace(said, reason=_none_faster(site, reasons), details=tuple(reasons)), None
        return replace(said, after=_called(site, way)), way

    def _elsewhere(self, site: Site, measured: Measured, said: SiteReport) -> Iterator[tuple[str, tuple[str, Gain]]]:
        """What the site would gain in other settings, where that is certain."""
        for name, prepare in self.also.items():
            there, _ = Chooser(prepare, self.least_gain, self.seconds)._measured(site, measured, said)
            if there.after and there.gain is not None:
                yield name, (there.after, there.gain)

    def _folded(self, site: Site, measured: Measured) -> dict[str, proof.Call]:
        """The known trick as a rival, where it exists and the runtime can run it."""
        try:
            folded = measured.way(_chosen(site, measured, FOLDED))
            return {"folded": self.prepare(folded, measured.example)}
        except Exception:
            return {}

    def _ways(self, site: Site, measured: Measured) -> tuple[list[Way], dict[str, bool]]:
        """All that the site could be computed by: the fastest split of every part, and every choice of parts."""
        reasons: dict[str, bool] = {}
        if site.other is not None:
            return [Way(sum=name) for name in SUMS if name != "added_by_rows" or _nearest(site)], reasons
        splits: dict[int, FormNames] = {}
        splitter = Splitter(self.prepare, self.seconds)
        for number, part in enumerate(site.parts):
            if part.grows and (split := splitter.best(part, measured, len(site.parts) > 1, reasons)) is not None:
                splits[number] = split
        chosen = [choice for size in range(len(splits), 0, -1) for choice in combinations(splits, size)]
        # All of them, and every one alone: what the others cost is nearly a matter of its own.
        kept = [choice for choice in chosen if len(choice) in (len(splits), 1)]
        return [Way({number: splits[number] for number in choice}) for choice in kept], reasons


def _chosen(site: Site, measured: Measured, way: Way) -> Chosen:
    """What a site becomes: the parts that are computed by themselves, and the rest side by side."""
    if way.sum:
        layer = site.parts[0].row[0].layer
        assert isinstance(layer, nn.Upsample)
        return SUMS[way.sum](layer)
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


def _none_faster(site: Site, reasons: Mapping[str, bool]) -> str:
    """Why a site is left alone that could be computed in other ways."""
    said = f"{site.ends}, and by itself {NONE_FASTER}" if site.ends else NONE_FASTER
    return " ".join([said, *(reason for reason, of_runtime in reasons.items() if of_runtime)])


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


def _can_be_folded(site: Site) -> bool:
    """Whether it is nearest neighbours and a convolution, and nothing else."""
    if len(site.parts) > 1 or site.parts[0].functions:
        return False
    return [type(link.layer) for link in site.parts[0].row] == [nn.Upsample, nn.Conv2d]


def _differs(apart: float, where: str) -> str:
    return f"the output would differ by {apart:.1e} on {where}."


OTHER_SIZES = ((1, 0), (0, -1), (-1, 1))
"""By how much height and width differ from the example's where a form is held against the layers once more."""

MOST_SIDE = 32
"""Of those other sizes, as a larger one shows nothing that this does not and takes seconds; a kernel may be wider."""


def _furthest_apart(usual: nn.Module, after: nn.Module, given: tuple[Tensor, ...]) -> tuple[float, str]:
    """How far the outputs differ at most, at the example's size and at others, odd ones among them; and at which."""
    apart = {"the example": proof.difference([usual(*given)], [after(*given)])}
    if len(given) == 1:
        for taller, wider in OTHER_SIZES:
            height, width = (min(each, MOST_SIDE) for each in given[0].shape[2:])
            height, width = height + taller, width + wider
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


def _fewer(site: Site, measured: Measured, way: Way) -> float | None:
    """By how much the multiply-accumulates of a site's layers shrink when it is done in this way."""
    if way.sum:
        return None
    before = after = 0
    for number, part in enumerate(site.parts):
        row, given = row_with_weights(part, measured)
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
            if last < len(row.layers):
                given = Row(*layers)(given)
    return before / max(after, 1)
