"""Rewrite the upsamplers of a network into the exact form that is fastest here, and prove that its output stays.

The network is run once and watched (:mod:`upsample.rewriting.observe`): which modules upsample, and where that is
convolved. Each of those modules is recorded as a graph (:mod:`upsample.rewriting.capture`), in which every site
(:mod:`upsample.rewriting.sites`) is measured in its exact forms on what it is really given, and replaced where the gain
is certain (:mod:`upsample.rewriting.choice`). The graph then stands in the place of the module's forward pass, for all
calls that it is right for (:mod:`upsample.rewriting.placement`). Parameters stay what and where they are: the rewritten
network's ``state_dict`` is the same, and gradients reach the same tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from upsample.contract import UpsampleError
from upsample.rewriting import proof
from upsample.rewriting.choice import Chooser
from upsample.rewriting.duplicate import NotCopiedError, duplicate, left_as_it_was
from upsample.rewriting.observe import Scope, observe
from upsample.rewriting.parts import capturing
from upsample.rewriting.report import Report, SiteReport
from upsample.rewriting.scope import Recorded
from upsample.rewriting.status_line import StatusLine
from upsample.rewriting.structure import mapped, tensors


def rewrite(
    model: nn.Module,
    example_input: Tensor | tuple[Any, ...],
    example_kwargs: Mapping[str, Any] | None = None,
    *,
    prepare: proof.Prepare = proof.eager,
    least_gain: float = 0.02,
    least_whole_gain: float | None = None,
    seconds: float = 0.5,
    also: Mapping[str, proof.Prepare] | None = None,
) -> tuple[nn.Module, Report]:
    """Return a copy of ``model`` with faster upsamplers and the same output, and a report on every site.

    The model itself is left as it was. What cannot be proven equal is not touched, and the report says why. Calls with
    other sizes, other arguments or in training mode are right as well. Besides the comparisons, the network is run four
    times, and up to twice more where its output has changed and the reason is looked for.

    Args:
        model: in the mode, dtype and memory format in which it will run, on its device.
        example_input: what it is called with; times are measured with its sizes.
        example_kwargs: what it is called with by name besides.
        prepare: how the runtime that it will run on makes something to be called of a module and its inputs; eager by
            default. A form that it cannot convert is no choice.
        least_gain: a site is rewritten where it is certainly faster by more than this share.
        least_whole_gain: if given, nothing is rewritten unless the whole network is certainly faster by more than this
            share.
        seconds: of measuring for each comparison, of which there are a few for each kind of site and one for the whole.
        also: other settings, as ``prepare`` is, by name: the report says what every kind of site would gain in them.
            :func:`upsample.rewriting.channels_last` is one.

    Raises:
        UpsampleError: the model cannot be copied, or fails on the example, or the runtime cannot run it.
    """
    inputs = example_input if isinstance(example_input, tuple) else (example_input,)
    if isinstance(model, torch.jit.ScriptModule):
        return model, Report((), notes=("A torch.jit module is left alone: rewrite it before it is scripted.",))
    if hasattr(model, "_orig_mod"):
        return model, Report((), notes=("A compiled module is left alone: rewrite it before torch.compile.",))
    try:
        copy, before = duplicate(model), duplicate(model)
    except NotCopiedError as error:
        return model, Report((), notes=(f"The model is left alone, as it cannot be copied: {error}.",))
    with torch.no_grad(), StatusLine() as progress:
        chooser = Chooser(prepare, least_gain, seconds, dict(also or {}))
        work = _Rewriting(copy, before, (inputs, dict(example_kwargs or {})), chooser, least_whole_gain, progress)
        report = work.run()
        if report.gain is None:
            return duplicate(model), report
        _restore(dict(model.named_parameters()), dict(copy.named_parameters()))
        _restore(dict(model.named_buffers()), dict(copy.named_buffers()))
        return copy, report


def _restore(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Give tensors of a network that has run the values of the one that has not."""
    for name in before.keys() & after.keys():
        if before[name].shape == after[name].shape and not torch.equal(before[name], after[name]):
            after[name].copy_(before[name])


class _Rewriting:
    """One call of :func:`rewrite`: ``network`` is rewritten, and held against ``before``, its twin."""

    def __init__(
        self,
        network: nn.Module,
        before: nn.Module,
        given: tuple[tuple[Any, ...], dict[str, Any]],
        chooser: Chooser,
        least_whole_gain: float | None,
        progress: StatusLine,
    ) -> None:
        self._network, self._before, self._call = network, before, given
        self._chooser, self._least_whole_gain, self._progress = chooser, least_whole_gain, progress
        self._sites: list[SiteReport] = []
        self._recorded: list[Recorded] = []
        self._notes: list[str] = []

    def run(self) -> Report:
        """Rewrite the network; the report has no gain where it is left as it was."""
        self._progress.say("the network runs once")
        changed: list[str] = []
        try:
            expected, scopes = self._observed(changed)
        except UpsampleError:
            with torch.enable_grad():
                self._output(self._network)
            return Report((), notes=("The network is left alone: its forward pass needs gradients.",))
        if not expected:
            note = "The network is left alone: its output holds no tensor that could be compared."
            return Report((), notes=(note,))
        try:
            before = self._prepared(self._before)
        except Exception as error:  # a runtime may raise anything
            raise UpsampleError(f"the runtime cannot run the model: {error}") from error
        self._record(scopes, changed)
        for number, recorded in enumerate(self._recorded, 1):
            self._progress.say(
                f"{recorded.title}: {len(recorded.sites)} sites ({number} of {len(self._recorded)} parts)"
            )
            self._sites += recorded.choose(self._chooser)
        made = [recorded for recorded in self._recorded if recorded.followed is not None]
        if not made:
            return self._report(None, None)
        self._progress.say("the output is compared")
        apart = self._apart(expected)
        if not apart <= proof.tolerance(expected):
            apart = self._take_back_what_is_wrong(expected)
        if all(recorded.followed is None for recorded in made):
            return self._report(None, None)
        self._progress.say("the whole network is timed")
        try:
            calls = {"before": before, "after": self._prepared(self._network)}
            with left_as_it_was(self._network):
                # An eager call has nothing to prepare, and the output after has just been compared.
                warm = {"after"} if self._chooser.prepare is proof.eager else ()
                times = proof.compared(calls, self._chooser.seconds, 1 + (self._least_whole_gain or 0), warm)
        except Exception as error:
            self._leave(made, f"the runtime cannot run the rewritten network: {error}")
            return self._report(None, None)
        gained = proof.gain(times["before"], times["after"])
        return self._judged(made, gained, apart)

    def _judged(self, made: list[Recorded], gained: tuple[float, float, float], apart: float) -> Report:
        text = f"{gained[0]:.2f}x, {gained[1]:.2f} to {gained[2]:.2f}"
        if self._least_whole_gain is not None and gained[1] <= 1 + self._least_whole_gain:
            self._leave(made, f"the whole network would not have been certainly faster by enough ({text}).")
            return self._report(None, None)
        if gained[1] <= 1:
            self._notes.append(
                f"The whole network is not certainly faster ({text}): least_whole_gain=0 would leave it as it was."
            )
        return self._report(gained, apart)

    def _report(self, gained: tuple[float, float, float] | None, apart: float | None) -> Report:
        return Report(tuple(self._sites), gained, apart, tuple(self._notes))

    def _observed(self, changed: list[str]) -> tuple[list[Tensor], list[Scope]]:
        scopes: list[Scope] = []

        def run() -> Any:
            output, found = observe(self._network, lambda: self._network(*self._given()[0], **self._given()[1]))
            scopes.extend(found)
            return output

        return self._tensors(self._network, run, changed), scopes

    def _record(self, scopes: list[Scope], changed: list[str]) -> None:
        """Run the network once more, each of these modules recording what it does."""
        paths = {module: path for path, module in reversed(list(self._network.named_modules()))}
        wrote = [(self._network.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in changed]
        self._recorded = [Recorded(scope, paths[scope.module], wrote) for scope in scopes if scope.module in paths]
        if not self._recorded:
            return
        self._progress.say("what upsamples is recorded")
        before = {recorded.module: vars(recorded.module).get("forward") for recorded in self._recorded}
        for recorded in self._recorded:
            usual = recorded.module.forward
            vars(recorded.module)["forward"] = _first_call(recorded, usual, before[recorded.module])
        try:
            self._output(self._network)
        finally:
            for module, own in before.items():
                _put_back(module, own)

    def _given(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The example for one call, which may write into it."""
        args, kwargs = mapped(self._call, lambda each: each.clone() if isinstance(each, Tensor) else each)
        return args, kwargs

    def _prepared(self, network: nn.Module) -> proof.Call:
        args, kwargs = self._given()
        return self._chooser.prepare(_WithKeywords(network, kwargs) if kwargs else network, args)

    def _output(self, network: nn.Module) -> list[Tensor]:
        """The output's tensors, with the same random numbers in every call."""

        def run() -> Any:
            args, kwargs = self._given()
            return network(*args, **kwargs)

        return self._tensors(network, run, [])

    def _tensors(self, network: nn.Module, run: Any, changed: list[str]) -> list[Tensor]:
        with torch.random.fork_rng(), left_as_it_was(network) as names:
            torch.manual_seed(0)
            try:
                output = run()
            except Exception as error:
                raise UpsampleError(f"the model fails on the example: {error}.") from error
            made = [each.clone() for each in tensors(output)]
        changed.extend(names)
        return made

    def _apart(self, expected: list[Tensor]) -> float:
        """How far the network's output is from what it was; infinite where it has none, or none to compare."""
        try:
            return proof.difference(expected, self._output(self._network))
        except Exception:  # so may whatever the output is
            return inf

    def _take_back_what_is_wrong(self, expected: list[Tensor]) -> float:
        """Hold every rewritten module against its own forward pass, and keep those that agree; how far it is then."""
        made = [recorded for recorded in self._recorded if recorded.followed is not None]
        differences: dict[str, float] = {}
        for recorded in made:
            assert recorded.followed is not None
            recorded.followed.compare(differences, recorded.title)
        self._apart(expected)
        for recorded in made:
            assert recorded.followed is not None
            recorded.followed.compare(None, "")
            if (apart := differences.get(recorded.title, inf)) > proof.tolerance(expected):
                self._leave([recorded], f"the network's output would have differed by {apart:.1e}.")
        if any(recorded.followed is not None for recorded in made):
            if (apart := self._apart(expected)) <= proof.tolerance(expected):
                return apart
            self._leave(made, "the network's output would have differed together with the others.")
        return 0.0

    def _leave(self, made: list[Recorded], reason: str) -> None:
        names = {name for recorded in made if recorded.followed is not None for name in recorded.rewritten}
        for recorded in made:
            recorded.take_back()
        self._sites = [
            replace(site, after="", reason=reason) if site.name in names and site.after else site
            for site in self._sites
        ]


class _WithKeywords(nn.Module):
    """A network that is always called with these arguments by name."""

    def __init__(self, network: nn.Module, kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.network, self._kwargs = network, kwargs

    def forward(self, *args: Any) -> Any:
        return self.network(*args, **self._kwargs)


def _first_call(recorded: Recorded, usual: Any, own: Any) -> Any:
    """A forward pass that records itself, once."""

    def forward(self: Recorded, *args: Any, **kwargs: Any) -> Any:
        if capturing():
            # As a part of another module that is being recorded.
            return usual(*args, **kwargs)
        _put_back(self.module, own)
        return self.record(args, kwargs, usual)

    return MethodType(forward, recorded)


def _put_back(module: nn.Module, own: Any) -> None:
    if own is None:
        vars(module).pop("forward", None)
    else:
        vars(module)["forward"] = own
