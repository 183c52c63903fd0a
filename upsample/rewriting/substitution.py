"""A site's nodes in the way that was chosen for it: written into its graph, or into one of its own to be measured."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from upsample.rewriting.rows import AddedTo, GivenRow, added_to
from upsample.rewriting.sites import Function, Part, Site, conv_like
from upsample.rewriting.steps import Given, Linear, step
from upsample.rewriting.vocabulary import IN_PLACE, operation, shape_of, writes

Value = Callable[[fx.Node], Any]
"""From a node of the graph that a site was found in to what stands for it where it is written."""


@dataclass
class Term:
    """A part of a site by itself, or several side by side, and the row that takes its place.

    Attributes:
        parts: one, of which the row has all layers; or several, of which it has the last, the convolution.
    """

    parts: Sequence[Part]
    row: nn.Module
    links: Sequence[Linear]


def own_term(part: Part, biased: bool) -> Term:
    """A part by itself."""
    links = part.row if biased else unbiased(part.row)
    return Term([part], GivenRow(links), links)


def joint_term(parts: Sequence[Part], biased: bool) -> Term:
    """Parts side by side, as many as the convolution had before or fewer of them."""
    convs = [part.row[-1] for part in parts]
    first = convs[0].layer
    assert isinstance(first, nn.Conv2d)
    makes = tuple(conv.given["weight"].make for conv in convs)
    weight = Given(convs[0].given["weight"].sources, partial(_side_by_side, makes))
    layer = conv_like(first, sum(conv.layer.in_channels for conv in convs), first.out_channels)  # type: ignore[misc]
    links: tuple[Linear, ...] = (replace(convs[0], layer=layer, given={**convs[0].given, "weight": weight}),)
    if not biased:
        links = unbiased(links)
    return Term(parts, GivenRow(links), links)


def _side_by_side(makes: Sequence[Callable[[Tensor], Tensor]], weight: Tensor) -> Tensor:
    return torch.cat([make(weight) for make in makes], 1)


def unbiased(row: Sequence[Linear]) -> tuple[Linear, ...]:
    """The row without the bias of its convolution, which another one adds."""
    *before, conv = row
    if "bias" not in conv.given:
        return tuple(row)
    assert isinstance(conv.layer, nn.Conv2d)
    bare = conv_like(conv.layer, conv.layer.in_channels, conv.layer.out_channels)
    bare.register_parameter("bias", None)
    return (*before, replace(conv, layer=bare, given={"weight": conv.given["weight"]}))


Chosen = Sequence[Term] | AddedTo
"""What a site is to be: a sum of terms, or the row that adds."""


def substitute(graph: fx.Graph, chosen: Sequence[tuple[Site, Chosen]]) -> dict[str, tuple[nn.Module, list[fx.Node]]]:
    """Write what was chosen into a graph; return the rows that it calls, by name, with what their parameters are."""
    rows: dict[str, tuple[nn.Module, list[fx.Node]]] = {}
    # One site may be given the output of another.
    replaced: dict[fx.Node, fx.Node] = {}

    def value(node: fx.Node) -> fx.Node:
        return replaced.get(node, node)

    for site, way in chosen:
        last = site.nodes[-1]
        with graph.inserting_before(last):
            if isinstance(way, AddedTo):
                name = f"_exact_{len(rows)}"
                rows[name] = way, []
                new = write_sum(graph, site, name, value)
            else:
                names = [f"_exact_{len(rows) + number}" for number in range(len(way))]
                rows |= {name: (term.row, GivenRow.sources(term.links)) for name, term in zip(names, way, strict=True)}
                new = write(graph, way, names, value)
        new.meta = dict(last.meta)
        replaced[last] = new
        last.replace_all_uses_with(new)
        for node in reversed(site.nodes):
            graph.erase_node(node)
    return rows


def write(graph: fx.Graph, terms: Sequence[Term], names: Sequence[str], value: Value) -> fx.Node:
    """Write the sum of terms where the graph is being written; ``names`` are those of their rows."""
    total: fx.Node | None = None
    for term, name in zip(terms, names, strict=True):
        if len(term.parts) == 1 and len(term.links) == len(term.parts[0].row):
            given = _started(graph, term.parts[0], value)
        else:
            each = [_grown(graph, part, value) for part in term.parts]
            given = graph.call_function(torch.cat, (each, 1))
        made = _called(graph, name, term.links, given, value)
        total = made if total is None else graph.call_function(added_to, (total, made))
    assert total is not None
    return total


def write_sum(graph: fx.Graph, site: Site, name: str, value: Value) -> fx.Node:
    """Write the call of a row that adds what it upsamples to another value."""
    (part,) = site.parts
    assert site.other is not None
    return graph.create_node("call_module", name, (value(part.start), value(site.other)), _told(part.row, value))


def _told(links: Sequence[Linear], value: Value) -> dict[str, Any]:
    size = next((link.size for link in links if link.size is not None), None)
    return {} if size is None else {"size": tuple(value(side) if isinstance(side, fx.Node) else side for side in size)}


def _called(graph: fx.Graph, name: str, links: Sequence[Linear], given: fx.Node, value: Value) -> fx.Node:
    sources = [value(source) for source in GivenRow.sources(links)]
    return graph.create_node("call_module", name, (given, *sources), _told(links, value))


def _started(graph: fx.Graph, part: Part, value: Value) -> fx.Node:
    """What a part starts with, and its functions."""
    made: fx.Node = value(part.start)
    for function in part.functions:
        made = _applied(graph, function, made, value)
    return made


def _grown(graph: fx.Graph, part: Part, value: Value) -> fx.Node:
    """The same at full size, in the usual way."""
    made = _started(graph, part, value)
    for link in part.row[:-1]:
        assert link.node is not None
        made = _again(graph, link.node, link.input, made, value)
    return made


def _applied(graph: fx.Graph, function: Function, given: fx.Node, value: Value) -> fx.Node:
    """A function of every position, of another value, with its channels."""
    node = function.node
    made = step(node)
    own = {each: value(each) for each in made.per_channel}  # type: ignore[union-attr]
    for each, there in own.items():
        shape = shape_of(each)
        axis = 0 if operation(node) in ("prelu", "batch_norm") else len(shape) - 3
        if axis < 0 or not shape or shape[axis] == 1:
            continue
        if function.channels.count != shape[axis]:
            arguments = (there, axis, function.channels.first, function.channels.count)
            own[each] = there = graph.call_function(torch.narrow, arguments)
        if function.repeated > 1:
            own[each] = graph.call_function(torch.repeat_interleave, (there, function.repeated, axis))
    return _again(graph, node, made.inputs[0], given, lambda one: own.get(one) or value(one))  # type: ignore[union-attr]


def _again(graph: fx.Graph, node: fx.Node, input: fx.Node, given: fx.Node, value: Value) -> fx.Node:
    """A node's call with another input, which it does not write into."""

    def there(each: fx.Node) -> Any:
        return given if each is input else value(each)

    args, kwargs = fx.map_arg(node.args, there), dict(fx.map_arg(dict(node.kwargs), there))
    target: Any = node.target
    if writes(node):
        kwargs.pop("inplace", None)
        target = _not_writing(node)
    return graph.create_node(node.op, target, args, kwargs)


def _not_writing(node: fx.Node) -> Any:
    """What a node calls, in the form that makes a new tensor."""
    target: Any = node.target
    if node.op == "call_method":
        return str(target).rstrip("_")
    if hasattr(target, "_schema"):
        packet = getattr(torch.ops.aten, operation(node))
        return getattr(packet, target._overloadname)
    name = getattr(target, "__name__", "")
    if name in IN_PLACE:
        return getattr(operator, name[1:])
    return getattr(torch, name.rstrip("_"), target) if name.endswith("_") else target


def inputs_of(site: Site) -> list[fx.Node]:
    """What a site's nodes read that is neither theirs nor the module's own, in order."""
    own = set(site.nodes)
    read = (each for node in site.nodes for each in node.all_input_nodes)
    return list(dict.fromkeys(each for each in read if each not in own and not is_own(each)))


def is_own(node: fx.Node) -> bool:
    """Whether a value of a graph is a parameter or a buffer of the module that it is of."""
    return node.op == "get_attr" or "path" in node.meta


class Measured:
    """Graphs of a site by itself, which take the tensors that the site is given and know all else.

    Args:
        root: the module that the site's graph is of.
        constants: that the graph has besides.
        site: found in it.
        seen: what each of its inputs was in the example.
    """

    def __init__(
        self, root: nn.Module, constants: Mapping[str, Tensor], site: Site, seen: Mapping[fx.Node, Any]
    ) -> None:
        self._root, self._constants, self._site, self._seen = root, constants, site, seen
        self._inputs = [node for node in inputs_of(site) if isinstance(seen[node], Tensor)]
        self._owned: dict[str, fx.Node] = {}

    @property
    def example(self) -> tuple[Tensor, ...]:
        """What such a graph is called with."""
        return tuple(self._seen[node] for node in self._inputs)

    def usual(self) -> fx.GraphModule:
        """The site as it is."""
        graph, value = self._begun()
        made: dict[fx.Node, fx.Node] = {}
        for node in self._site.nodes:
            made[node] = graph.node_copy(node, lambda each: made[each] if each in made else value(each))
        return self._ended(graph, made[self._site.nodes[-1]])

    def way(self, chosen: Chosen) -> fx.GraphModule:
        """The site as what was chosen for it."""
        graph, value = self._begun()
        if isinstance(chosen, AddedTo):
            return self._ended(graph, write_sum(graph, self._site, "row_0", value), {"row_0": chosen})
        terms = chosen
        names = [f"row_{number}" for number in range(len(terms))]
        output = write(graph, terms, names, value)
        return self._ended(graph, output, {name: term.row for name, term in zip(names, terms, strict=True)})

    def started(self, part: Part) -> fx.GraphModule:
        """What a part's row is given."""
        graph, value = self._begun()
        return self._ended(graph, _started(graph, part, value))

    def seen(self, value: Any) -> Any:
        """What a value of the graph was in the example, or what the module has under a name."""
        if not isinstance(value, fx.Node):
            return value
        return self._read(str(value.target)) if value.op == "get_attr" else self._seen[value]

    def _read(self, path: str) -> Any:
        value: Any = self._constants.get(path, self._root)
        if value is self._root:
            for name in path.split("."):
                value = getattr(value, name)
        return value

    def channels(self, part: Part) -> int:
        """How many channels a part's row is given."""
        return int(self.seen(part.start).shape[1])

    def _begun(self) -> tuple[fx.Graph, Value]:
        graph = fx.Graph()
        made: dict[fx.Node, Any] = {node: graph.placeholder(node.name) for node in self._inputs}

        def value(node: fx.Node) -> Any:
            if node not in made:
                # The module's own, or a number, which the example tells.
                name = str(node.target) if node.op == "get_attr" else f"own_{node.name}"
                made[node] = graph.create_node("get_attr", name) if is_own(node) else self._seen[node]
                self._owned[name] = node
            return made[node]

        return graph, value

    def _ended(self, graph: fx.Graph, output: Any, rows: Mapping[str, nn.Module] | None = None) -> fx.GraphModule:
        graph.output(output)
        for node in graph.nodes:
            node.meta = {}
        targets: dict[str, Any] = {**(rows or {})}
        for node in graph.nodes:
            if node.op == "get_attr":
                targets[str(node.target)] = self.seen(self._owned[str(node.target)])
        return fx.GraphModule(targets, graph)
