"""Putting forms in the place of layers: parameters stay where they are, and a graph takes over only where it must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import fx, nn

from upsample.exact.exact_form import ExactForm, Kept
from upsample.rewriting.capture import Captured
from upsample.rewriting.sites import Chain, has_parameters, why_not


@dataclass
class Plan:
    """A chain and the split that it is to be replaced by: each part with its form, or as it was."""

    chain: Chain
    parts: list[tuple[int, int, ExactForm | None]]


def put_in_place(module: nn.Module, captured: Captured, plans: Sequence[Plan]) -> nn.Module:
    """Put the forms in place; a new graph is only needed where something is called that is no module."""
    graph, modules = captured.graph, captured.modules
    alone = called_once(captured)
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


def called_once(captured: Captured) -> set[fx.Node]:
    """Calls of modules that are called nowhere else in the graph."""
    modules = captured.modules
    nodes = [node for node in captured.graph.nodes if node.op == "call_module"]
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


def why_fixed(module: nn.Module, captured: Captured) -> str | None:
    """Say why a module's forward pass must not be replaced by its graph, or return None."""
    if captured.further:
        names = ", ".join(captured.further)
        return (
            f"its forward pass would have to change, and it takes further arguments, which a graph would fix: {names}."
        )
    if (reason := why_not(module)) is not None:
        return f"its forward pass would have to change, and {reason}"
    if any("training" in node.kwargs for node in captured.graph.nodes):
        return "its forward pass would have to change, and it asks for the training mode, which a graph would fix."
    return None
