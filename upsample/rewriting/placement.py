"""Putting forms in the place of layers: parameters stay where they are, and a graph takes over only where it must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import fx, nn

from upsample.exact.exact_form import ExactForm, Kept
from upsample.rewriting.capture import Captured
from upsample.rewriting.sites import Chain, has_parameters, why_not


@dataclass
class Plan:
    """A chain and the split that it is to be replaced by: each part with its form, or as it was."""

    chain: Chain
    parts: list[tuple[int, int, ExactForm | None]]


@dataclass
class Edit:
    """A change to a network that can be taken back and made again.

    Attributes:
        names: of the chains that it rewrites.
        places: module, attribute, what was there if anything, and what is to be there.
    """

    names: list[str]
    places: list[tuple[nn.Module, str, nn.Module | None, nn.Module]] = field(default_factory=list)

    def make(self) -> None:
        """Put what is new in its places."""
        for holder, attribute, _, new in self.places:
            setattr(holder, attribute, new)

    def take_back(self) -> None:
        """Put what was there back."""
        for holder, attribute, old, _ in self.places:
            if old is None:
                delattr(holder, attribute)
            else:
                setattr(holder, attribute, old)


def edits_of(holder: nn.Module, attribute: str, captured: Captured, plans: Sequence[Plan]) -> list[Edit]:
    """What puts the forms in the place of layers of the module that ``holder`` has under the name ``attribute``.

    A new graph is only needed where something is called that is no module; all chains with such calls are one edit.
    """
    module, graph, modules = getattr(holder, attribute), captured.graph, captured.modules
    alone = called_once(captured)
    edits: list[Edit] = []
    goes: list[fx.Node] = []
    for plan in plans:
        edits.append(Edit([plan.chain.name]))
        for first, last, form in plan.parts:
            if form is None:
                continue
            nodes = plan.chain.nodes[first:last]
            weighted = [node for node in nodes if node in alone and has_parameters(modules[str(node.target)])]
            places = weighted or [node for node in nodes if node in alone]
            for node in nodes:
                if node in alone:
                    layer = modules[str(node.target)]
                    new = form.hold(layer) if node is places[-1] else Kept(layer)
                    parent, _, name = str(node.target).rpartition(".")
                    edits[-1].places.append((module.get_submodule(parent), name, layer, new))
                else:
                    goes.append(node)
            if not places:
                name = _free_name(module, f"exact_{nodes[-1].name}")
                edits[-1].places.append((module, name, None, form))
                readers = list(nodes[-1].users)
                with graph.inserting_after(nodes[-1]):
                    # Not call_module, which looks for it in whatever module the graph was run as.
                    call = graph.create_node("call_module", name, (nodes[-1],))
                for reader in readers:
                    reader.replace_input_with(nodes[-1], call)
    if not goes:
        return edits
    for node in goes:
        node.replace_all_uses_with(node.all_input_nodes[0])
        graph.erase_node(node)
    # A graph's module has containers of its own for the parts that it takes over, as they are by then.
    together = Edit([edit.names[0] for edit in edits], [place for edit in edits for place in edit.places])
    together.make()
    try:
        together.places.append((holder, attribute, module, _graph_module(module, graph)))
    except Exception:
        together.take_back()
        raise
    return [together]


def _free_name(module: nn.Module, name: str) -> str:
    """The name, or the first with a number behind it that the module does not have."""
    names = (name, *(f"{name}_{number}" for number in range(len(vars(module)["_modules"]) + 1)))
    return next(each for each in names if not hasattr(module, each))


def called_once(captured: Captured) -> set[fx.Node]:
    """Calls of modules that are called nowhere else in the graph."""
    modules = captured.modules
    nodes = [node for node in captured.graph.nodes if node.op == "call_module"]
    calls = Counter(id(modules[str(node.target)]) for node in nodes)
    return {node for node in nodes if calls[id(modules[str(node.target)])] == 1}


def _graph_module(module: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """A module that runs the graph and has all that ``module`` has, called or not."""
    for node in graph.nodes:
        # An annotation that is a string cannot be pickled with the graph.
        node.type = None
    made = fx.GraphModule(module, graph, type(module).__name__)
    known = set()
    for path, part in module.named_modules(remove_duplicate=False):
        if path and not _has(made, path):
            made.add_submodule(path, part)
        container = made.get_submodule(path)
        if container is part:
            continue
        # A container of the graph's own, with what the module's has.
        container.training = part.training
        for name, parameter in part._parameters.items():
            container.register_parameter(name, parameter)
        for name, buffer in part._buffers.items():
            container.register_buffer(name, buffer, persistent=name not in part._non_persistent_buffers_set)
        known |= {f"{path}.{name}".lstrip(".") for name in part._buffers}
    for name, _ in list(made.named_buffers()):
        parent, _, own = name.rpartition(".")
        if name not in known and made.get_submodule(parent) is not _submodule(module, parent):
            # A tensor that the network holds as a plain attribute, which is no part of its state.
            made.get_submodule(parent)._non_persistent_buffers_set.add(own)
    return made


def _has(module: nn.Module, path: str) -> bool:
    return _submodule(module, path) is not None


def _submodule(module: nn.Module, path: str) -> nn.Module | None:
    try:
        return module.get_submodule(path)
    except AttributeError:
        return None


def why_fixed(module: nn.Module, captured: Captured) -> str | None:
    """Say why a module's forward pass must not be replaced by its graph, or return None."""
    if captured.further:
        names = ", ".join(captured.further)
        return (
            f"its forward pass would have to change, and it takes further arguments, which a graph would fix: {names}."
        )
    if captured.assigned:
        names = ", ".join(captured.assigned)
        return f"its forward pass would have to change, and it assigns to the module, which a graph would not: {names}."
    if (reason := why_not(module)) is not None:
        return f"its forward pass would have to change, and {reason}"
    if any("training" in node.kwargs for node in captured.graph.nodes):
        return "its forward pass would have to change, and it asks for the training mode, which a graph would fix."
    return None
