"""Rewrite the upsamplers of a network into the exact form that is fastest here, and prove that its output stays.

Every chain of linear layers around an upsampler (:mod:`upsample.rewriting.sites`) is split into parts, each in one of
its exact forms (:mod:`upsample.exact.forms`); all are measured on what the chain is really given, in turn, and the
fastest split replaces the chain where its gain is certain. Parameters stay what and where they are: the rewritten
network's ``state_dict`` has the same names, and gradients reach the same tensors.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from upsample.contract import UpsampleError
from upsample.rewriting import proof
from upsample.rewriting.capture import NotTracedError, capture
from upsample.rewriting.choice import Chooser
from upsample.rewriting.duplicate import NotCopiedError, duplicate, left_as_it_was
from upsample.rewriting.placement import Edit, called_once, edits_of, why_fixed
from upsample.rewriting.report import Report, Site
from upsample.rewriting.sites import GROWING


def rewrite(
    model: nn.Module,
    example_input: Tensor | tuple[Tensor, ...],
    *,
    prepare: proof.Prepare = proof.eager,
    least_gain: float = 0.02,
    seconds: float = 0.5,
) -> tuple[nn.Module, Report]:
    """Return a copy of ``model`` with faster upsamplers and the same output, and a report on every site.

    The model itself is left as it was. What cannot be proven equal is not touched, and the report says why. Inputs of
    other sizes than the example's are right as well.

    Args:
        model: in the mode, dtype and memory format in which it will run, on its device.
        example_input: what it is called with; times are measured with its sizes.
        prepare: how the runtime that it will run on makes something to be called of a module and its inputs; eager by
            default. A form that it cannot convert is no choice.
        least_gain: a site is rewritten where it is certainly faster by more than this share.
        seconds: of measuring for each comparison.

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
    with torch.no_grad():
        rewritten, report = _Rewriting(inputs, Chooser(prepare, least_gain, seconds)).run(before, copy)
        if rewritten is None:
            return duplicate(model), report
        _restore(dict(model.named_parameters()), dict(rewritten.named_parameters()))
        _restore(dict(model.named_buffers()), dict(rewritten.named_buffers()))
        return rewritten, report


def _restore(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Give tensors of a network that has run the values of the one that has not."""
    for name in before.keys() & after.keys():
        if before[name].shape == after[name].shape and not torch.equal(before[name], after[name]):
            after[name].copy_(before[name])


class _Rewriting:
    """One call of :func:`rewrite`."""

    def __init__(self, inputs: tuple[Tensor, ...], chooser: Chooser) -> None:
        self._inputs, self._chooser = inputs, chooser
        self._sites: list[Site] = []
        self._notes: list[str] = []
        self._edits: list[Edit] = []
        # The network as an attribute of something, so that it can be replaced as any part of it can.
        self._whole = nn.Module()

    @property
    def _network(self) -> nn.Module:
        return self._whole.get_submodule("network")

    def run(self, before: nn.Module, copy: nn.Module) -> tuple[nn.Module | None, Report]:
        """Rewrite ``copy``, and hold it against ``before``, its twin; None where nothing is rewritten."""
        try:
            expected = self._output(before)
        except UpsampleError:
            with torch.enable_grad():
                self._output(before)
            return None, Report((), notes=("The network is left alone: its forward pass needs gradients.",))
        if not expected:
            note = "The network is left alone: its output holds no tensor that could be compared."
            return None, Report((), notes=(note,))
        try:
            call = self._chooser.prepare(before, self._given())
        except Exception as error:  # a runtime may raise anything
            raise UpsampleError(f"the runtime cannot run the model: {error}") from error
        self._whole.network = copy
        try:
            self._visit("", self._whole, "network", self._inputs)
        except Exception as error:  # parts of a user's own may raise anything
            self._notes.append(f"The rest was not looked at: {type(error).__name__}: {error}")
        apart = self._apart(expected) if self._edits else 0.0
        if not apart <= proof.tolerance(expected):
            apart = self._take_back_what_is_wrong(expected)
        rewritten, gained = self._network, None
        if self._edits:
            try:
                calls = {"before": call, "after": self._chooser.prepare(rewritten, self._given())}
                times = proof.interleaved(calls, self._chooser.seconds)
                gained = proof.gain(times["before"], times["after"])
            except Exception as error:
                for edit in reversed(self._edits):
                    self._leave(edit, f"the runtime cannot run the rewritten network: {error}")
                self._edits.clear()
        made = {name for edit in self._edits for name in edit.names}
        sites = (
            replace(site, after="", reason="it could not be put in place.")
            if site.after and site.name not in made
            else site
            for site in self._sites
        )
        if gained is None:
            return None, Report(tuple(sites), notes=tuple(self._notes))
        return rewritten, Report(tuple(sites), gained, apart, tuple(self._notes))

    def _given(self) -> tuple[Any, ...]:
        """The example for one call, which may write into it."""
        return tuple(each.clone() if isinstance(each, Tensor) else each for each in self._inputs)

    def _apart(self, expected: list[Tensor]) -> float:
        """How far the network's output is from what it was; infinite where it has none, or none to compare."""
        try:
            return proof.difference(expected, self._output(self._network))
        except Exception:  # so may whatever the output is
            return inf

    def _take_back_what_is_wrong(self, expected: list[Tensor]) -> float:
        """Make each edit by itself and keep those with which the output stays; how far it is in the end."""
        made, self._edits = self._edits, []
        for edit in reversed(made):
            edit.take_back()
        for edit in made:
            edit.make()
            with_it = self._apart(expected)
            if with_it <= proof.tolerance(expected):
                self._edits.append(edit)
            elif with_it < inf:
                self._leave(edit, f"the network's output would have differed by {with_it:.1e}.")
            else:
                self._leave(edit, "the network would have failed, as it reads more of its layers than their output.")
        if (apart := self._apart(expected)) <= proof.tolerance(expected):
            return apart
        for edit in reversed(self._edits):
            self._leave(edit, "the network's output would have differed together with the others.")
        self._edits.clear()
        return 0.0

    def _leave(self, edit: Edit, reason: str) -> None:
        edit.take_back()
        self._sites = [
            replace(site, after="", reason=reason) if site.name in edit.names and site.after else site
            for site in self._sites
        ]

    def _output(self, model: nn.Module) -> list[Tensor]:
        """The output's tensors, with the same random numbers in every call."""
        with torch.random.fork_rng(), left_as_it_was(model):
            torch.manual_seed(0)
            try:
                output = model(*self._given())
            except Exception as error:
                raise UpsampleError(f"the model fails on the example: {error}.") from error
            return list(proof.tensors(output))

    def _visit(self, path: str, holder: nn.Module, attribute: str, inputs: tuple[Any, ...] | None) -> None:
        """Rewrite a module whose inputs are known, or else its children."""
        module = getattr(holder, attribute)
        if isinstance(module, torch.jit.ScriptModule):
            self._notes.append(f"{path} is a torch.jit module and left alone: rewrite it before it is scripted.")
            return
        if inputs is not None:
            try:
                self._rewrite(path, holder, attribute, inputs)
                return
            except NotTracedError as error:
                what = f"{path} ({type(module).__name__})" if path else type(module).__name__
                if any(isinstance(each, (*GROWING, nn.ConvTranspose2d)) for each in module.modules()):
                    self._notes.append(f"{what} cannot be traced, its parts were tried on their own: {error}")
                else:
                    self._notes.append(f"{what} cannot be traced: {error}")
        for name, _ in list(module.named_children()):
            self._child(f"{path}.{name}" if path else name, module, name)

    def _child(self, path: str, holder: nn.Module, attribute: str) -> None:
        child = getattr(holder, attribute)
        inputs = None if isinstance(child, torch.jit.ScriptModule) else self._inputs_of(child)
        if not isinstance(child, (*GROWING, nn.ConvTranspose2d)):
            self._visit(path, holder, attribute, inputs)
        elif inputs is not None:
            # A layer can be traced as a part of a network alone.
            alone = nn.Module()
            alone.row = nn.Sequential(child)
            sites, edits = len(self._sites), len(self._edits)
            try:
                self._rewrite("", alone, "row", inputs)
            except NotTracedError as error:
                self._notes.append(f"{path} cannot be traced: {error}")
            self._sites[sites:] = [replace(site, name=path) for site in self._sites[sites:]]
            for edit in self._edits[edits:]:
                ((*_, new),) = edit.places
                edit.names, edit.places = [path], [(holder, attribute, child, new)]
                edit.make()

    def _inputs_of(self, module: nn.Module) -> tuple[Any, ...] | None:
        """What a part of the network is given first; None if it is not called, or is called by keywords."""
        seen: list[tuple[Any, ...] | None] = []

        def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            seen.append(None if kwargs else args)

        handle = module.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            self._output(self._network)
        except UpsampleError:
            # What is wrong with it is looked for in the end.
            pass
        finally:
            handle.remove()
        return seen[0] if seen else None

    def _rewrite(self, path: str, holder: nn.Module, attribute: str, inputs: tuple[Any, ...]) -> None:
        module = getattr(holder, attribute)
        captured = capture(module, inputs)
        prefix = f"{path}." if path else ""
        for name, reason in captured.found.left:
            self._sites.append(Site(prefix + name, "upsampling", reason=reason))
        plans, fixed = [], why_fixed(module, captured)
        alone = called_once(captured)
        for chain in captured.found.chains:
            if fixed is not None and not alone.issuperset(chain.nodes):
                site, plan = Site(chain.name, chain.text, reason=fixed), None
            else:
                site, plan = self._chooser.best(chain)
            self._sites.append(replace(site, name=prefix + site.name))
            if plan is not None:
                plans.append(plan)
        # A part of the network that must be called as a whole, for its hooks, may have upsamplers of its own.
        for name in dict.fromkeys(str(node.target) for node in captured.graph.nodes if node.op == "call_module"):
            part = captured.modules[name]
            if not isinstance(part, (*GROWING, nn.ConvTranspose2d)) and any(True for _ in part.children()):
                parent, _, own = name.rpartition(".")
                self._child(prefix + name, module.get_submodule(parent), own)
        for edit in edits_of(holder, attribute, captured, plans):
            edit.names = [prefix + name for name in edit.names]
            edit.make()
            self._edits.append(edit)
