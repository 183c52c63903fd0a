"""Rewrite the upsamplers of a network into the exact form that is fastest here, and prove that its output stays.

Every chain of linear layers around an upsampler (:mod:`upsample.rewriting.sites`) is split into parts, each in one of
its exact forms (:mod:`upsample.exact.forms`); all are measured on what the chain is really given, in turn, and the
fastest split replaces the chain where its gain is certain. Parameters stay what and where they are: the rewritten
network's ``state_dict`` has the same names, and gradients reach the same tensors.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from math import inf
from statistics import median
from typing import Any

import torch
from torch import Tensor, fx, nn

from upsample.contract import UnsupportedError, UpsampleError
from upsample.exact.exact_form import ExactForm, Kept
from upsample.exact.forms import FORMS, each_form
from upsample.exact.layers import usual_work
from upsample.rewriting.proof import Prepare, difference, eager, gain, interleaved, tensors, tolerance
from upsample.rewriting.report import Report, Site
from upsample.rewriting.sites import GROWING, Chain, Recorder, find, has_parameters, segments, why_not

MOST_WORK = 2.0
"""A form with more arithmetic than this times the layers' own is not measured."""

MOST_WEIGHTS = 1 << 24
"""Nor is one whose kernels hold more values."""


def rewrite(
    model: nn.Module,
    example_input: Tensor | tuple[Tensor, ...],
    *,
    prepare: Prepare = eager,
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
        rewritten, report = _Rewriting(inputs, prepare, least_gain, seconds).run(copy)
        kept = dict(model.named_buffers())
        for name, buffer in rewritten.named_buffers():
            if name in kept:
                buffer.copy_(kept[name])
        return rewritten, report


class _Tracer(fx.Tracer):
    """Goes through the user's modules, but not through one that must be called as a whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        whole = (
            isinstance(m, (ExactForm, torch.jit.ScriptModule, nn.Conv2d, nn.ConvTranspose2d, *GROWING))
            or why_not(m) is not None
        )
        return whole or super().is_leaf_module(m, module_qualified_name)


class _NotTracedError(Exception):
    """A module's forward pass cannot be turned into a graph."""


@dataclass
class _Plan:
    """A chain and the split that it is to be replaced by: each part with its form, or as it was."""

    chain: Chain
    parts: list[tuple[int, int, ExactForm | None]]


class _Rewriting:
    """One call of :func:`rewrite`."""

    def __init__(self, inputs: tuple[Tensor, ...], prepare: Prepare, least_gain: float, seconds: float) -> None:
        self._inputs, self._prepare, self._least_gain, self._seconds = inputs, prepare, least_gain, seconds
        self._sites: list[Site] = []
        self._notes: list[str] = []

    def run(self, copy: nn.Module) -> tuple[nn.Module, Report]:
        # A network in training mode changes when it runs, and the given one must not.
        before = deepcopy(copy)
        expected = self._output(before)
        try:
            call = self._prepare(before, self._inputs)
        except Exception as error:  # a runtime may raise anything
            raise UpsampleError(f"the runtime cannot run the model: {error}") from error
        self._copy = copy
        rewritten = self._visit("", copy, self._inputs)
        if not any(site.after for site in self._sites):
            return rewritten, Report(tuple(self._sites), notes=tuple(self._notes))
        apart = difference(expected, self._output(rewritten))
        if apart > tolerance(expected):
            return self._given_up(before, f"the network's output would have differed by {apart:.1e}.")
        try:
            calls = {"before": call, "after": self._prepare(rewritten, self._inputs)}
        except Exception as error:
            return self._given_up(before, f"the runtime cannot run the rewritten network: {error}")
        times = interleaved(calls, self._seconds)
        gained = gain(times["before"], times["after"])
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
        return list(tensors(output))

    def _visit(self, path: str, module: nn.Module, inputs: tuple[Any, ...] | None) -> nn.Module:
        """Rewrite a module whose inputs are known, or else its children; return what takes its place."""
        if isinstance(module, torch.jit.ScriptModule):
            self._notes.append(f"{path} is a torch.jit module and left alone: rewrite it before it is scripted.")
            return module
        if inputs is not None:
            try:
                return self._rewrite(path, module, inputs)
            except _NotTracedError as error:
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
        except _NotTracedError as error:
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
        try:
            further = _further_arguments(module, inputs)
            graph = _Tracer().trace(module, further)
            modules = dict(module.named_modules(remove_duplicate=False))
            found = find(graph, modules)
            Recorder(fx.GraphModule(module, graph), found.chains).run(*inputs, *further.values())
        except Exception as error:
            raise _NotTracedError(str(error).strip().splitlines()[0] if str(error).strip() else repr(error)) from error
        prefix = f"{path}." if path else ""
        for name, reason in found.left:
            self._sites.append(Site(prefix + name, "upsampling", reason=reason))
        plans, fixed = [], _why_fixed(module, graph, further)
        alone = _called_once(graph, modules)
        for chain in found.chains:
            if fixed is not None and not alone.issuperset(chain.nodes):
                site, plan = Site(chain.name, chain.text, reason=fixed), None
            else:
                site, plan = self._best(chain)
            self._sites.append(replace(site, name=prefix + site.name))
            if plan is not None:
                plans.append(plan)
        # A part of the network that must be called as a whole, for its hooks, may have upsamplers of its own.
        for name in dict.fromkeys(str(node.target) for node in graph.nodes if node.op == "call_module"):
            if any(True for _ in modules[name].children()):
                self._child(prefix + name, modules[name])
        return self._apply(module, graph, modules, plans) if plans else module

    def _best(self, chain: Chain) -> tuple[Site, _Plan | None]:
        """Measure what a chain could be instead."""
        assert chain.input is not None
        layers, inputs = chain.layers, [chain.input]
        for layer in layers:
            inputs.append(layer(inputs[-1]))
        site = Site(chain.name, chain.text, shape=tuple(chain.input.shape))
        best: list[tuple[float, list[tuple[int, int, ExactForm | None]]]] = [(0.0, [])]
        reasons: dict[str, None] = {}
        options: dict[tuple[int, int], tuple[float, ExactForm | None]] = {}
        for first, last in segments(len(layers)):
            options |= self._options(layers, inputs, first, last, reasons)
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
        example = (chain.input,)
        try:
            calls = {"a": self._prepare(usual, example), "b": self._prepare(after, example)}
        except Exception as error:
            return replace(site, reason=f"the runtime cannot run it by itself: {error}."), None
        times = interleaved(calls, self._seconds)
        gained, apart = gain(times["a"], times["b"]), difference([inputs[-1]], [after(chain.input)])
        site = replace(site, gain=gained, difference=apart, expected=_fewer(layers, parts, inputs))
        if apart > tolerance(inputs):
            return replace(site, reason=f"the output would differ by {apart:.1e}."), None
        if gained[1] <= 1 + self._least_gain:
            return replace(site, reason=f"no exact form is certainly faster here (at best {gained[0]:.2f}x)."), None
        names = [_form_name(form) if form is not None else type(layers[a]).__name__ for a, _, form in parts]
        return replace(site, after=" + ".join(names)), _Plan(chain, parts)

    def _options(
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
                calls[name] = self._prepare(way, (input,))
            except Exception as error:
                reasons[f"{name.capitalize()}: {error}."] = None
        if not calls:
            return {}
        times = interleaved(calls, self._seconds)
        name = min(times, key=lambda each: median(times[each]))
        form = ways[name]
        if name == "usual" and not single:
            # Its layers one by one are among the other splits.
            return {}
        return {(first, last): (median(times[name]), form if isinstance(form, ExactForm) else None)}

    def _apply(
        self, module: nn.Module, graph: fx.Graph, modules: dict[str, nn.Module], plans: Sequence[_Plan]
    ) -> nn.Module:
        """Put the forms in place; a new graph is only needed where something is called that is no module."""
        alone = _called_once(graph, modules)
        goes: list[fx.Node] = []
        for plan in plans:
            for first, last, form in plan.parts:
                if form is None:
                    continue
                nodes = plan.chain.nodes[first:last]
                weighted = [node for node in nodes if node in alone and has_parameters(modules[str(node.target)])]
                places = weighted or [node for node in nodes if node in alone]
                for node in nodes:
                    if places and node is places[-1]:
                        form.hold(modules[str(node.target)])
                        _put(module, str(node.target), form)
                    elif node in weighted:
                        _put(module, str(node.target), Kept(modules[str(node.target)]))
                    elif node in alone:
                        _put(module, str(node.target), nn.Identity())
                    else:
                        goes.append(node)
                if not places:
                    name = f"exact_{nodes[-1].name}"
                    module.add_module(name, form)
                    readers = list(nodes[-1].users)
                    with graph.inserting_after(nodes[-1]):
                        new = graph.call_module(name, (nodes[-1],))
                    for reader in readers:
                        reader.replace_input_with(nodes[-1], new)
        if not goes:
            return module
        for node in goes:
            node.replace_all_uses_with(node.all_input_nodes[0])
            graph.erase_node(node)
        return _graph_module(module, graph)


def _called_once(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> set[fx.Node]:
    """Calls of modules that are called nowhere else in the graph."""
    nodes = [node for node in graph.nodes if node.op == "call_module"]
    calls = Counter(id(modules[str(node.target)]) for node in nodes)
    return {node for node in nodes if calls[id(modules[str(node.target)])] == 1}


def _put(module: nn.Module, path: str, new: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, new)


def _graph_module(module: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """A module that runs the graph and has all that ``module`` has, called or not."""
    for node in graph.nodes:
        # An annotation that is a string cannot be pickled with the graph.
        node.type = None
    made = fx.GraphModule(module, graph, type(module).__name__)
    for path, part in module.named_modules():
        if path and not _has(made, path):
            made.add_submodule(path, part)
    for name, parameter in module.named_parameters(recurse=False):
        made.register_parameter(name, parameter)
    for name, buffer in module.named_buffers(recurse=False):
        made.register_buffer(name, buffer, persistent=name not in module._non_persistent_buffers_set)
    return made.train(module.training)


def _has(module: nn.Module, path: str) -> bool:
    try:
        module.get_submodule(path)
    except AttributeError:
        return False
    return True


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
    for name, form in each_form(layers, input.shape[1], owned=False):
        if isinstance(form, UnsupportedError):
            reasons[f"{name.capitalize()}: {form}"] = None
        elif form.work(input.shape[0], *input.shape[2:]).flops <= MOST_WORK * max(own, 1):
            yield name, form


def _further_arguments(module: nn.Module, inputs: Sequence[Any]) -> dict[str, Any]:
    """Arguments of a module's forward pass that the example leaves at their defaults, which a graph can only fix."""
    parameters = list(inspect.signature(module.forward).parameters.values())[len(inputs) :]
    return {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}


def _why_fixed(module: nn.Module, graph: fx.Graph, further: Mapping[str, Any]) -> str | None:
    """Say why a module's forward pass must not be replaced by its graph, or return None."""
    if further:
        names = ", ".join(further)
        return (
            f"its forward pass would have to change, and it takes further arguments, which a graph would fix: {names}."
        )
    if (reason := why_not(module)) is not None:
        return f"its forward pass would have to change, and {reason}"
    if any("training" in node.kwargs for node in graph.nodes):
        return "its forward pass would have to change, and it asks for the training mode, which a graph would fix."
    return None


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
