"""Where in a network something is upsampled: chains of linear layers, found in the graph that ``torch.fx`` traces.

A chain holds an interpolation, a shuffle, a transposed convolution or zero-stuffing, and the convolutions next to it
that nothing stands in between of: an activation, a normalisation or a second reader of what is in between ends it. A
layer that is not exactly one of torch's own, that has hooks or a parametrisation, or that the network calls more than
once is never part of one.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from upsample.contract import UnsupportedError
from upsample.exact.layers import ZeroStuff, stage

GROWING = (nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d, nn.PixelShuffle, ZeroStuff)
"""Layers without weights that make what they are given larger."""

NAMES = frozenset(kind.__name__ for kind in (*GROWING, nn.ConvTranspose2d))
"""Of all layers that look like upsampling."""

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass
class Chain:
    """Layers in a row that are one linear operator.

    Attributes:
        nodes: of the graph, first to last.
        layers: what each of them computes, as a module.
        input: what the first is given when the network runs on the example; filled in when it is captured.
    """

    nodes: list[fx.Node]
    layers: list[nn.Module]
    input: Tensor | None = None

    @property
    def text(self) -> str:
        """Its layers' names."""
        return " + ".join(type(layer).__name__ for layer in self.layers)

    @property
    def name(self) -> str:
        """The path of its first layer with weights, or the name of its first node."""
        targets = [str(node.target) for node in self.nodes if node.op == "call_module"]
        weighted = [
            str(node.target) for node, layer in zip(self.nodes, self.layers, strict=True) if has_parameters(layer)
        ]
        return (weighted or targets or [self.nodes[0].name])[0]


@dataclass
class Found:
    """What there is in one graph.

    Attributes:
        chains: that may be rewritten.
        left: name and reason of what looks like upsampling and is left alone.
    """

    chains: list[Chain] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


def find(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> Found:
    """Find the chains of a graph, each as long as it can be; ``modules`` are the network's, by path."""
    found, taken = Found(), set[fx.Node]()
    look = _Look(graph, modules)
    for node in graph.nodes:
        if node in taken or not look.grows(node):
            continue
        layer = look.layer(node)
        if isinstance(layer, str):
            found.left.append((_name(node), layer))
            continue
        nodes = [node]
        while (before := look.before(nodes[0])) is not None and before not in taken:
            nodes.insert(0, before)
        while (after := look.after(nodes[-1])) is not None:
            nodes.append(after)
        taken.update(nodes)
        layers = [look.layer(each) for each in nodes]
        found.chains.append(Chain(nodes, [each for each in layers if isinstance(each, nn.Module)]))
    return found


class _Look:
    """One graph, seen as layers."""

    def __init__(self, graph: fx.Graph, modules: Mapping[str, nn.Module]) -> None:
        self._modules = modules
        self._calls = Counter(id(modules[str(n.target)]) for n in graph.nodes if n.op == "call_module")
        self._layers: dict[fx.Node, nn.Module | str | None] = {}

    def grows(self, node: fx.Node) -> bool:
        """Whether a node makes what it is given larger."""
        if node.op == "call_module":
            # By name, as quantised layers do not derive from those that they stand for.
            return any(kind.__name__ in NAMES for kind in type(self._modules[str(node.target)]).__mro__)
        return node.op == "call_function" and node.target in _FUNCTIONS

    def layer(self, node: fx.Node) -> nn.Module | str | None:
        """The layer of a node, why it is none that can be rewritten, or None for what is no layer at all."""
        if node not in self._layers:
            self._layers[node] = self._layer(node)
        return self._layers[node]

    def _layer(self, node: fx.Node) -> nn.Module | str | None:
        try:
            if node.op == "call_function" and node.target in _FUNCTIONS:
                layer: nn.Module = _FUNCTIONS[node.target](**_arguments(node))
            elif node.op == "call_module":
                layer = self._modules[str(node.target)]
                if len(node.args) + len(node.kwargs) != 1:
                    return "it is called with further arguments."
                if self._calls[id(layer)] > 1 and has_parameters(layer):
                    return f"it is called {self._calls[id(layer)]} times."
                if (reason := why_not(layer)) is not None:
                    return reason
            else:
                return None
            if not isinstance(layer, nn.Upsample):
                # What factor an interpolation needs depends on the form.
                stage(layer)
        except UnsupportedError as error:
            return str(error)
        return layer

    def before(self, node: fx.Node) -> fx.Node | None:
        """A convolution whose output this node alone reads; only a shuffle gains from the one before it."""
        inputs = node.all_input_nodes
        if not isinstance(self.layer(node), nn.PixelShuffle) or len(inputs) != 1 or len(inputs[0].users) != 1:
            return None
        return inputs[0] if isinstance(self.layer(inputs[0]), nn.Conv2d) else None

    def after(self, node: fx.Node) -> fx.Node | None:
        """A layer that alone reads this node's output."""
        readers = list(node.users)
        return (
            readers[0]
            if len(readers) == 1 and isinstance(self.layer(readers[0]), nn.Conv2d | nn.PixelShuffle)
            else None
        )


def has_parameters(layer: nn.Module) -> bool:
    """Whether a layer has weights."""
    return next(layer.parameters(), None) is not None


def why_not(layer: nn.Module) -> str | None:
    """Say why a layer may do more than its class says, or return None."""
    if any(getattr(layer, name, None) for name in HOOKS):
        return "it has hooks."
    if parametrize.is_parametrized(layer):
        return "its weight is parametrised."
    return None


def _interpolation(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> nn.Module:
    if antialias:
        raise UnsupportedError("interpolation with antialias is left alone.")
    size, scale_factor = (tuple(each) if isinstance(each, list) else each for each in (size, scale_factor))
    return nn.Upsample(size, scale_factor, mode, align_corners, recompute_scale_factor)


def _shuffle(input: Any, upscale_factor: int) -> nn.Module:
    return nn.PixelShuffle(upscale_factor)


_FUNCTIONS: dict[Any, Any] = {
    F.interpolate: _interpolation,
    F.pixel_shuffle: _shuffle,
    torch.pixel_shuffle: _shuffle,
}


def _arguments(node: fx.Node) -> dict[str, Any]:
    """The arguments of a call by name.

    Raises:
        UnsupportedError: one of them is computed in the forward pass.
    """
    names = list(inspect.signature(_FUNCTIONS[node.target]).parameters)
    arguments = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    # Torch may come to know more of them, which we do not.
    if len(node.args) > len(names) or arguments.keys() - set(names):
        raise UnsupportedError("it is called with arguments that are not known here.")
    if any(_computed(value) for name, value in arguments.items() if name != "input"):
        raise UnsupportedError("its output size is computed in the forward pass.")
    return arguments


def _computed(value: Any) -> bool:
    return isinstance(value, fx.Node) or (isinstance(value, list | tuple) and any(map(_computed, value)))


def _name(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_module" else node.name
