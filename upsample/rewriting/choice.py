"""Which way to run a chain is the fastest here: every split of it, every form of each part, measured in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import median

import torch
from torch import Tensor, nn

from upsample.contract import UnsupportedError
from upsample.exact.exact_form import ExactForm
from upsample.exact.forms import FORMS, each_form
from upsample.exact.layers import usual_work
from upsample.rewriting import proof
from upsample.rewriting.placement import Plan
from upsample.rewriting.report import Site
from upsample.rewriting.sites import GROWING, Chain

MOST_WORK = 2.0
"""A form with more arithmetic than this times the layers' own is not measured."""

MOST_WEIGHTS = 1 << 24
"""Nor is one whose kernels hold more values."""


@dataclass(frozen=True)
class Chooser:
    """How ways are compared; the attributes are those of :func:`upsample.rewrite`."""

    prepare: proof.Prepare
    least_gain: float
    seconds: float

    def best(self, chain: Chain) -> tuple[Site, Plan | None]:
        """Measure what a chain could be instead; whatever goes wrong with it is why it is left alone."""
        assert chain.input is not None
        site = Site(chain.name, chain.text, shape=tuple(chain.input.shape))
        if (reason := why_not_input(chain.input)) is not None:
            return replace(site, reason=reason), None
        try:
            return self._measured(chain, chain.input, site)
        except Exception as error:  # layers and runtimes may raise anything
            return replace(site, reason=f"it could not be examined: {type(error).__name__}: {error}."), None

    def _measured(self, chain: Chain, given: Tensor, site: Site) -> tuple[Site, Plan | None]:
        layers, inputs = chain.layers, [given]
        for layer in layers:
            inputs.append(layer(inputs[-1]))
        best: list[tuple[float, list[tuple[int, int, ExactForm | None]]]] = [(0.0, [])]
        reasons: dict[str, None] = {}
        options: dict[tuple[int, int], tuple[float, ExactForm | None]] = {}
        for first, last in _segments(len(layers)):
            options |= self._fastest(layers, inputs, first, last, reasons)
        for last in range(1, len(layers) + 1):
            ways = []
            for first in range(last):
                if (first, last) in options:
                    taken, form = options[first, last]
                    ways.append((best[first][0] + taken, [*best[first][1], (first, last, form)]))
            # A layer that the runtime cannot run by itself is left as it is.
            best.append(min(ways, key=lambda way: way[0], default=(inf, [*best[-1][1], (last - 1, last, None)])))
        parts = best[-1][1]
        if all(form is None for _, _, form in parts):
            why = " ".join(["no exact form is faster here.", *reasons])
            return replace(site, reason=why), None
        new = [form if form is not None else nn.Sequential(*layers[a:b]) for a, b, form in parts]
        after, usual = nn.Sequential(*new), nn.Sequential(*layers)
        example = (given,)
        try:
            calls = {"a": self.prepare(usual, example), "b": self.prepare(after, example)}
        except Exception as error:
            return replace(site, reason=f"the runtime cannot run it by itself: {error}."), None
        apart, where = _furthest_apart(usual, after, given)
        if apart > proof.tolerance(inputs):
            return replace(site, reason=f"the output would differ by {apart:.1e} on {where}."), None
        times = proof.interleaved(calls, self.seconds)
        gained = proof.gain(times["a"], times["b"])
        site = replace(site, gain=gained, difference=apart, expected=_fewer(layers, parts, inputs))
        if gained[1] <= 1 + self.least_gain:
            return replace(site, reason=f"no exact form is certainly faster here (at best {gained[0]:.2f}x)."), None
        names = [_form_name(form) if form is not None else type(layers[a]).__name__ for a, _, form in parts]
        return replace(site, after=" + ".join(names)), Plan(chain, parts)

    def _fastest(
        self,
        layers: Sequence[nn.Module],
        inputs: Sequence[Tensor],
        first: int,
        last: int,
        reasons: dict[str, None],
    ) -> dict[tuple[int, int], tuple[float, ExactForm | None]]:
        """The fastest way to do some of the layers: its seconds, and its form unless it is the usual one."""
        part, input = list(layers[first:last]), inputs[first]
        single = last - first == 1
        forms: dict[str, nn.Module] = {}
        if any(isinstance(layer, (*GROWING, nn.ConvTranspose2d)) for layer in part):
            forms = dict(_forms(part, input, reasons))
        if not single and not forms:
            return {}
        ways: dict[str, nn.Module] = {"usual": nn.Sequential(*part), **forms}
        calls = {}
        for name, way in ways.items():
            try:
                calls[name] = self.prepare(way, (input,))
            except Exception as error:
                reasons[f"{name.capitalize()}: {error}."] = None
        if not calls:
            return {}
        times = proof.interleaved(calls, self.seconds)
        name = min(times, key=lambda each: median(times[each]))
        form = ways[name]
        if name == "usual" and not single:
            # Its layers one by one are among the other splits.
            return {}
        return {(first, last): (median(times[name]), form if isinstance(form, ExactForm) else None)}


def why_not_input(input: Tensor) -> str | None:
    """Say why no form is right for what a chain is given, or return None."""
    if input.dim() != 4:
        return f"it is given {input.dim()} dimensions, and forms are known for four, the first of them a batch."
    if not input.is_floating_point():
        return f"it is given {input.dtype} values, and forms are known for floating-point ones."
    if input.numel() == 0:
        return "it is given nothing."
    return None


OTHER_SIZES = ((1, 0), (0, -1), (-1, 1))
"""By how much height and width differ from the example's where a form is held against the layers once more."""


def _furthest_apart(usual: nn.Module, after: nn.Module, given: Tensor) -> tuple[float, str]:
    """How far the outputs differ at most, at the example's size and at others, odd ones among them; and at which."""
    apart = {"the example": proof.difference([usual(given)], [after(given)])}
    for taller, wider in OTHER_SIZES:
        height, width = given.shape[2] + taller, given.shape[3] + wider
        with torch.random.fork_rng():
            other = given.new_empty((1, given.shape[1], height, width)).normal_()
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


def _form_name(form: ExactForm) -> str:
    return next(name for name, each in FORMS.items() if each is type(form))


def _fewer(
    layers: Sequence[nn.Module], parts: Sequence[tuple[int, int, ExactForm | None]], inputs: Sequence[Tensor]
) -> float:
    """By how much the multiply-accumulates of layers shrink when they are done in these parts."""
    before = usual_work(layers, inputs[0]).flops
    after = 0
    for first, last, form in parts:
        batch, _, height, width = inputs[first].shape
        work = form.work(batch, height, width) if form else usual_work(layers[first:last], inputs[first])
        after += work.flops
    return before / max(after, 1)
