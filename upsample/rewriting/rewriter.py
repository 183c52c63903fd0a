"""Rewrite the upsamplers of a network into the exact form that is fastest here, and prove that its output stays.

Every chain of linear layers around an upsampler (:mod:`upsample.rewriting.sites`) is split into parts, each in one of
its exact forms (:mod:`upsample.exact.forms`); all are measured on what the chain is really given, in turn, and the
fastest split replaces the chain where its gain is certain. Parameters stay what and where they are: the rewritten
network's ``state_dict`` has the same names, and gradients reach the same tensors.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from upsample.contract import UpsampleError
from upsample.rewriting import proof
from upsample.rewriting.capture import NotTracedError, capture
from upsample.rewriting.choice import Chooser
from upsample.rewriting.placement import called_once, put_in_place, why_fixed
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
        copy = deepcopy(model)
    except Exception as error:
        raise UpsampleError(f"the model cannot be copied: {error}.") from error
    with torch.no_grad():
        rewritten, report = _Rewriting(inputs, Chooser(prepare, least_gain, seconds)).run(copy)
        kept = dict(model.named_buffers())
        for name, buffer in rewritten.named_buffers():
            if name in kept:
                buffer.copy_(kept[name])
        return rewritten, report


class _Rewriting:
    """One call of :func:`rewrite`."""

    def __init__(self, inputs: tuple[Tensor, ...], chooser: Chooser) -> None:
        self._inputs, self._chooser = inputs, chooser
        self._sites: list[Site] = []
        self._notes: list[str] = []

    def run(self, copy: nn.Module) -> tuple[nn.Module, Report]:
        # A network in training mode changes when it runs, and the given one must not.
        before = deepcopy(copy)
        expected = self._output(before)
        try:
            call = self._chooser.prepare(before, self._inputs)
        except Exception as error:  # a runtime may raise anything
            raise UpsampleError(f"the runtime cannot run the model: {error}") from error
        self._copy = copy
        rewritten = self._visit("", copy, self._inputs)
        if not any(site.after for site in self._sites):
            return rewritten, Report(tuple(self._sites), notes=tuple(self._notes))
        apart = proof.difference(expected, self._output(rewritten))
        if apart > proof.tolerance(expected):
            return self._given_up(before, f"the network's output would have differed by {apart:.1e}.")
        try:
            calls = {"before": call, "after": self._chooser.prepare(rewritten, self._inputs)}
        except Exception as error:
            return self._given_up(before, f"the runtime cannot run the rewritten network: {error}")
        times = proof.interleaved(calls, self._chooser.seconds)
        gained = proof.gain(times["before"], times["after"])
        return rewritten, Report(tuple(self._sites), gained, apart, tuple(self._notes))

    def _given_up(self, before: nn.Module, reason: str) -> tuple[nn.Module, Report]:
        sites = (replace(site, after="", reason=reason) if site.after else site for site in self._sites)
        return before, Report(tuple(sites), notes=tuple(self._notes))

    def _output(self, model: nn.Module) -> list[Tensor]:
        """The output's tensors, with the same random numbers in every call."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            try:
                output = model(*self._inputs)
            except Exception as error:
                raise UpsampleError(f"the model fails on the example: {error}.") from error
        return list(proof.tensors(output))

    def _visit(self, path: str, module: nn.Module, inputs: tuple[Any, ...] | None) -> nn.Module:
        """Rewrite a module whose inputs are known, or else its children; return what takes its place."""
        if isinstance(module, torch.jit.ScriptModule):
            self._notes.append(f"{path} is a torch.jit module and left alone: rewrite it before it is scripted.")
            return module
        if inputs is not None:
            try:
                return self._rewrite(path, module, inputs)
            except NotTracedError as error:
                what = f"{path} ({type(module).__name__})" if path else type(module).__name__
                if any(isinstance(each, (*GROWING, nn.ConvTranspose2d)) for each in module.modules()):
                    self._notes.append(f"{what} cannot be traced, its parts were tried on their own: {error}")
                else:
                    self._notes.append(f"{what} cannot be traced: {error}")
        for name, child in list(module.named_children()):
            below = f"{path}.{name}" if path else name
            replaced = self._child(below, child)
            if replaced is not child:
                setattr(module, name, replaced)
        return module

    def _child(self, path: str, child: nn.Module) -> nn.Module:
        inputs = None if isinstance(child, torch.jit.ScriptModule) else self._inputs_of(child)
        if not isinstance(child, (*GROWING, nn.ConvTranspose2d)):
            return self._visit(path, child, inputs)
        if inputs is None:
            return child
        alone, sites = nn.Sequential(child), len(self._sites)
        try:
            self._rewrite("", alone, inputs)
        except NotTracedError as error:
            self._notes.append(f"{path} cannot be traced: {error}")
        self._sites[sites:] = [replace(site, name=path) for site in self._sites[sites:]]
        return alone[0]

    def _inputs_of(self, module: nn.Module) -> tuple[Any, ...] | None:
        """What a part of the network is given first; None if it is not called, or is called by keywords."""
        seen: list[tuple[Any, ...] | None] = []

        def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            seen.append(None if kwargs else args)

        handle = module.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            self._output(self._copy)
        finally:
            handle.remove()
        return seen[0] if seen else None

    def _rewrite(self, path: str, module: nn.Module, inputs: tuple[Any, ...]) -> nn.Module:
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
            if any(True for _ in captured.modules[name].children()):
                self._child(prefix + name, captured.modules[name])
        return put_in_place(module, captured, plans) if plans else module
