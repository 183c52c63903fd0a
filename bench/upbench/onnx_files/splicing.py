"""What a site becomes is written into its file's graph, in the place of its operators, and what nobody reads is gone.

A form is for inputs of some least size. Where the file does not fix the size, an ``If`` on it keeps the operators as
they were for smaller ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor, fx, nn

from upbench.onnx_files.emission import written
from upbench.onnx_files.model_file import opset_of
from upbench.onnx_files.recording import Recording
from upbench.onnx_files.site_measuring import MeasuredInFile, dynamic
from upbench.onnx_files.symbols import expression
from upbench.onnx_files.writer import NotWrittenError
from upsample.rewriting.rows import GivenRow
from upsample.rewriting.substitution import Term

LARGEST_LEAST = 64
"""Of an input that is still too small for a form."""


class Replacement:
    """What takes a site's place, written and not yet in the graph.

    Args:
        measured: the site.
        terms: what it becomes.
        number: of the site in the file.

    Raises:
        NotWrittenError: it is no operators of ONNX.
    """

    def __init__(self, measured: MeasuredInFile, terms: Sequence[Term], number: int) -> None:
        self._own, self._site = measured.recording, measured.site
        self._prefix = f"exact_{number}/"
        whole, leaves, self._last = _between_values(measured, measured.way(terms))
        inputs = [_some(self._own, node) for node in leaves]
        opset = opset_of(measured.model)
        self._values = [self._own.values[node] for node in leaves]
        self.written = written(whole, inputs, [dynamic(node) for node in leaves], opset, self._prefix)
        self._least = list(_least_sizes(self._own, terms))

    def put(self, graph: ir.Graph) -> None:
        """Write it into the graph."""
        made = self.written
        for given, value in zip(made.inputs, self._values, strict=True):
            given.replace_all_uses_with(value)
        for constant in made.constants:
            graph.register_initializer(constant)
        old = self._own.values[self._last]
        before = _nodes_of(self._own, [*self._site.nodes, *_until(self._site.nodes[-1], self._last)], graph)
        new = self._guarded(graph, old, before) if self._least else self._plain(graph, old)
        name = old.name
        old.name = f"{self._prefix}before"
        new.name, new.type, new.shape = name, old.type, old.shape
        new.doc_string = old.doc_string
        new.metadata_props.update(old.metadata_props)
        remove_unread(graph, before)

    def _plain(self, graph: ir.Graph, old: ir.Value) -> ir.Value:
        anchor = old.producer()
        assert anchor is not None
        graph.insert_before(anchor, self.written.nodes)
        ir.convenience.replace_all_uses_with(old, self.written.output, replace_graph_outputs=True)
        return self.written.output

    def _guarded(self, graph: ir.Graph, old: ir.Value, before: Sequence[ir.Node]) -> ir.Value:
        anchor = old.producer()
        assert anchor is not None
        asking = _Asking(graph, self._prefix)
        small = asking.any_smaller(self._least)
        output = ir.Value(name=f"{self._prefix}either")
        ir.convenience.replace_all_uses_with(old, output, replace_graph_outputs=True)
        graph.insert_before(anchor, asking.nodes)
        graph.remove(list(before), safe=False)
        usual = ir.Graph([], [old], nodes=list(before), name=f"{self._prefix}usual")
        exact = ir.Graph([], [self.written.output], nodes=self.written.nodes, name=f"{self._prefix}exact")
        choice = ir.node(
            "If",
            [small],
            {"then_branch": usual, "else_branch": exact},
            name=f"{self._prefix}If",
            outputs=[output],
        )
        asking.nodes[-1].append(choice)
        return output


class _Asking:
    """Operators that compare sizes with the least ones."""

    def __init__(self, graph: ir.Graph, prefix: str) -> None:
        self._graph, self._prefix = graph, prefix
        self.nodes: list[ir.Node] = []

    def any_smaller(self, least: Sequence[tuple[ir.Value, int]]) -> ir.Value:
        """Whether height or width of one of the values is smaller than its least."""
        spare = []
        for value, size in least:
            sides = self._op("Slice", self._op("Shape", value), self._list(2), self._list(4))
            spare.append(self._op("Sub", sides, self._list(size)))
        both = spare[0] if len(spare) == 1 else self._op("Concat", *spare, axis=0)
        return self._op("Less", self._op("ReduceMin", both, keepdims=0), self._number(0))

    def _op(self, kind: str, *inputs: ir.Value, **attributes: Any) -> ir.Value:
        name = f"{self._prefix}size_{kind}_{len(self.nodes)}"
        self.nodes.append(ir.node(kind, inputs, attributes, name=name, outputs=[ir.Value(name=f"{name}_output")]))
        return self.nodes[-1].outputs[0]

    def _list(self, number: int) -> ir.Value:
        return self._constant([number], f"list_{number}")

    def _number(self, number: int) -> ir.Value:
        return self._constant(number, f"number_{number}")

    def _constant(self, content: Any, name: str) -> ir.Value:
        name = f"{self._prefix}{name}"
        if name not in self._graph.initializers:
            tensor = ir.tensor(content, dtype=ir.DataType.INT64, name=name)
            value = ir.Value(
                name=name,
                shape=ir.Shape(tuple(tensor.shape.numpy())),
                type=ir.TensorType(tensor.dtype),
                const_value=tensor,
            )
            self._graph.register_initializer(value)
        return self._graph.initializers[name]


def _between_values(measured: MeasuredInFile, way: fx.GraphModule) -> tuple[fx.GraphModule, list[fx.Node], fx.Node]:
    """A way with all that lies between it and values of the file, these, and the node of the last."""
    own, site = measured.recording, measured.site
    graph, made = fx.Graph(), dict[fx.Node, Any]()
    leaves = list(dict.fromkeys(leaf for node in measured.inputs for leaf in _leaves(own, node)))
    for leaf in leaves:
        made[leaf] = graph.placeholder(leaf.name)

    def value(node: fx.Node) -> Any:
        if node not in made:
            made[node] = graph.node_copy(node, value)
        return made[node]

    given = [value(node) for node in measured.inputs]
    made[site.nodes[-1]] = graph.call_module("way", tuple(given))
    last = site.nodes[-1]
    for node in _until(last, None, own):
        value(node)
        last = node
    graph.output(made[last])
    root: dict[str, Any] = {"way": way}
    for node in graph.nodes:
        node.meta = {}
        if node.op == "get_attr":
            root[str(node.target)] = own.constants[str(node.target)]
    return fx.GraphModule(root, graph), leaves, last


def _leaves(own: Recording, node: fx.Node) -> Iterable[fx.Node]:
    if node in own.values:
        return [node]
    return [leaf for each in node.all_input_nodes if each.op != "get_attr" for leaf in _leaves(own, each)]


def _until(first: fx.Node, last: fx.Node | None, own: Recording | None = None) -> list[fx.Node]:
    """The nodes after the first, up to the last or to one that stands for a value of the file."""
    passed, node = [], first
    while node is not last and (own is None or node not in own.values):
        (node,) = node.users
        passed.append(node)
    return passed


def _some(own: Recording, node: fx.Node) -> Tensor:
    value = node.meta["val"]
    return torch.zeros(own.symbols.actual(value.shape), dtype=value.dtype)


def _least_sizes(own: Recording, terms: Sequence[Term]) -> Iterable[tuple[ir.Value, int]]:
    """The values of which height or width may be too small, and what is the least for both."""
    for term in terms:
        row = term.row
        if not isinstance(row, GivenRow) or all(form is None for _, _, form in row.divided):
            continue
        start = term.parts[0].start
        shape = start.meta["val"].shape
        if all(isinstance(each, int) for each in shape[2:]):
            continue
        least = least_size(row, int(shape[1]))
        if start not in own.values:
            (leaf,) = _leaves(own, start)
            added = [expression(a) - expression(b) for a, b in zip(shape[2:], leaf.meta["val"].shape[2:], strict=True)]
            if not all(each.is_number for each in added):
                raise NotWrittenError("the least size of its input is not known")
            start, least = leaf, least - min(int(each) for each in added)
        if least > 1:
            yield own.values[start], least


def least_size(row: GivenRow, channels: int) -> int:
    """From which height and width on a row is computed in its forms.

    Raises:
        NotWrittenError: there is no such size.
    """
    for size in range(1, LARGEST_LEAST + 1):
        if _fits(row, channels, size):
            return size
    raise NotWrittenError("it is only for large inputs")


def _fits(row: GivenRow, channels: int, size: int) -> bool:
    given = torch.empty(1, channels, size, size, device="meta")
    for first, last, form in row.divided:
        if form is not None and not form.fits(*given.shape[2:]):
            return False
        for layer in row.layers[first:last]:
            try:
                given = _of_shape(layer, given)
            except RuntimeError:
                # The layers cannot do it either.
                return False
    return True


def _of_shape(layer: nn.Module, given: Tensor) -> Tensor:
    weights = {name: parameter.to("meta") for name, parameter in layer.named_parameters()}
    with torch.no_grad():
        made: Tensor = torch.func.functional_call(layer, weights, given)
    return made


def _nodes_of(own: Recording, nodes: Iterable[fx.Node], graph: ir.Graph) -> list[ir.Node]:
    """The file's operators that nodes do the work of, in order."""
    wanted = {each for node in nodes for each in own.origin.get(node, ())}
    return [node for node in graph if node in wanted]


def remove_unread(graph: ir.Graph, nodes: Sequence[ir.Node]) -> None:
    """Remove operators that nobody reads, with whatever only they have read."""
    waiting = [node for node in nodes if node.graph is graph]
    while waiting:
        node = waiting.pop()
        if node.graph is not graph or any(each.uses() or each.is_graph_output() for each in node.outputs):
            continue
        read = [value for value in node.inputs if value is not None]
        graph.remove(node, safe=True)
        for value in read:
            if value.uses() or value.is_graph_output():
                continue
            producer = value.producer()
            if producer is not None:
                waiting.append(producer)
            elif value.is_initializer() and not value.is_graph_input():
                del graph.initializers[str(value.name)]
