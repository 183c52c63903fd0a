"""What a module calls, as a graph of ``torch.fx``, with the sites in it and what each is given.

Whatever cannot be turned into a graph is an error that says so; what is made of a graph is decided elsewhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from upsample.exact.exact_form import ExactForm
from upsample.rewriting.duplicate import left_as_it_was
from upsample.rewriting.sites import GROWING, Chain, Found, find, why_not


class NotTracedError(Exception):
    """A module's forward pass cannot be turned into a graph."""


@dataclass(frozen=True)
class Captured:
    """One module as a graph.

    Attributes:
        graph: of its forward pass.
        modules: its parts, by path.
        further: arguments that the example leaves at their defaults, which the graph has fixed.
        found: the chains in it, each with its input, and what is left alone.
        assigned: attributes that the forward pass assigns to, which its graph does not.
    """

    graph: fx.Graph
    modules: Mapping[str, nn.Module]
    further: Mapping[str, Any]
    found: Found
    assigned: Sequence[str] = ()


def capture(module: nn.Module, inputs: Sequence[Any]) -> Captured:
    """Trace a module and run its graph once on ``inputs``.

    Raises:
        NotTracedError: it cannot be traced, or its graph does not run.
    """
    try:
        further = further_arguments(module, inputs)
        with left_as_it_was(module) as assigned:
            graph = Tracer().trace(module, further)
        modules = dict(module.named_modules(remove_duplicate=False))
        found = find(graph, modules)
        Recorder(fx.GraphModule(module, graph), found.chains).run(*inputs, *further.values())
    except Exception as error:
        raise NotTracedError(str(error).strip().splitlines()[0] if str(error).strip() else repr(error)) from error
    return Captured(graph, modules, further, found, tuple(assigned))


class Tracer(fx.Tracer):
    """Goes through the user's modules, but not through one that must be called as a whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        whole = (
            isinstance(m, (ExactForm, torch.jit.ScriptModule, nn.Conv2d, nn.ConvTranspose2d, *GROWING))
            or why_not(m) is not None
        )
        return whole or super().is_leaf_module(m, module_qualified_name)


class Recorder(fx.Interpreter):
    """Runs a graph and keeps what the first layer of every chain is given."""

    def __init__(self, module: fx.GraphModule, chains: list[Chain]) -> None:
        super().__init__(module)
        self._first = {chain.nodes[0].name: chain for chain in chains}

    def run_node(self, n: fx.Node) -> Any:
        chain = self._first.get(n.name)
        if chain is not None:
            args, kwargs = self.fetch_args_kwargs_from_env(n)
            chain.input = (args[0] if args else kwargs["input"]).detach()
        return super().run_node(n)


def further_arguments(module: nn.Module, inputs: Sequence[Any]) -> dict[str, Any]:
    """Arguments of a module's forward pass that the example leaves at their defaults, which a graph can only fix."""
    parameters = list(inspect.signature(module.forward).parameters.values())[len(inputs) :]
    return {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}
