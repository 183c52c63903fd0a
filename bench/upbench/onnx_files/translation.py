"""From the graph of a file to one of ATen's operators, in which sites can be found; what is not known stays a call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor

from upbench.onnx_files import known_sizes
from upbench.onnx_files.functions_read import FUNCTIONS
from upbench.onnx_files.layers_read import GROWING, LAYERS
from upbench.onnx_files.recording import DTYPES, NotReadError, Recording
from upbench.onnx_files.symbols import Size, expression

Shapes = Mapping[ir.Value, ir.Shape | None]


@dataclass
class Translated:
    """A file's graph as one of ATen's operators.

    Attributes:
        recording: the graph, and what of the file its nodes stand for.
        left: name and reason of what upsamples and is no operator that is known here.
        subgraphs: names of operators within branches, loops and functions that upsample, which are left alone.
    """

    recording: Recording
    left: list[tuple[str, str]] = field(default_factory=list)
    subgraphs: list[str] = field(default_factory=list)


def translate(model: ir.Model, shapes: Shapes, seen: Mapping[str, Sequence[int]]) -> Translated:
    """Read a model's main graph.

    Args:
        model: with whatever shapes its file has.
        shapes: that were inferred besides.
        seen: the shapes of values in the example, by name, as far as they are not known without.
    """
    graph = model.graph
    told = {value for value in graph.inputs if value.is_initializer()}
    own = Recording(lambda value: None if value in told else constant_of(value))
    made = Translated(own)
    reader = _Reader(own, shapes, seen)
    for value in graph.inputs:
        reader.opaque([], value, [])
    for node in graph:
        own.reading(node)
        made.subgraphs += [own.name_of(each) for each in _within(node) if each.op_type in GROWING]
        if constant_of(node.outputs[0]) is not None:
            continue
        reader.follow(node)
        try:
            reader.known(node)
        except NotReadError as error:
            if node.op_type in GROWING and known_sizes.is_standard(node) and str(error):
                made.left.append((own.name_of(node), str(error)))
            reader.unknown(node)
    made.subgraphs += [each.name or "" for f in model.functions.values() for each in f if each.op_type in GROWING]
    own.graph.output(tuple(own.nodes[value] for value in graph.outputs if value in own.nodes))
    return made


def constant_of(value: ir.Value) -> ir.TensorProtocol | None:
    """A value's constant, whether an initialiser or a node; None if it is computed."""
    if value.is_initializer():
        return value.const_value
    node = value.producer()
    if node is None or node.op_type != "Constant" or not known_sizes.is_standard(node):
        return None
    # It may have attributes that no constant has.
    with suppress(ValueError):
        return ir.convenience.get_const_tensor(value)
    return None


def _within(node: ir.Node) -> Iterator[ir.Node]:
    """All nodes of a node's branches."""
    for graph in _branches(node):
        yield from graph.all_nodes()


def _branches(node: ir.Node) -> Iterator[ir.Graph]:
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()


class _Reader:
    def __init__(self, own: Recording, shapes: Shapes, seen: Mapping[str, Sequence[int]]) -> None:
        self._own, self._shapes, self._seen = own, shapes, seen

    def follow(self, node: ir.Node) -> None:
        """Note what a node computes of sizes."""
        own = self._own
        for value in node.inputs:
            constant = own.constant_of(value) if value is not None and value not in own.terms else None
            terms = known_sizes.of_constant(constant) if constant is not None else None
            if terms is not None:
                assert value is not None
                own.terms[value] = terms
        if node.op_type == "Shape" and node.inputs[0] in own.nodes:
            fake = own.nodes[node.inputs[0]].meta.get("val")
            if isinstance(fake, Tensor):
                first = known_sizes.number(node, "start", 0)
                end = known_sizes.number(node, "end", fake.dim())
                own.terms[node.outputs[0]] = known_sizes.of_shape([*map(expression, fake.shape)][first:end])
            return
        given = [own.terms.get(value) if value is not None else None for value in node.inputs]
        if len(node.outputs) == 1 and (terms := known_sizes.follow(node, given)) is not None:
            own.terms[node.outputs[0]] = terms

    def known(self, node: ir.Node) -> None:
        """Record a node as ATen's operators."""
        own = self._own
        read = {**LAYERS, **FUNCTIONS}.get(node.op_type) if known_sizes.is_standard(node) else None
        if read is None:
            raise NotReadError("it is not known here." if node.op_type in GROWING else "")
        last = list(own.graph.nodes)[-1:]
        try:
            made = read(own, node)
        except NotReadError:
            # Of what was begun nobody reads anything.
            for each in reversed(list(own.graph.nodes)):
                if [each] == last:
                    break
                own.graph.erase_node(each)
                own.origin.pop(each, None)
            raise
        value = node.outputs[0]
        own.nodes[value] = made
        own.values[made] = value
        self._learn(value, made.meta["val"])

    def _learn(self, value: ir.Value, fake: Tensor) -> None:
        """Know sizes by the names that the file has for them."""
        shape = self._shapes.get(value)
        if shape is None or len(shape) != fake.dim():
            return
        for inferred, size in zip(shape, fake.shape, strict=True):
            if isinstance(inferred, ir.SymbolicDim) and inferred.value:
                self._own.symbols.bind(inferred.value, size)

    def unknown(self, node: ir.Node) -> None:
        """Record a node as a call of which only the shapes are known."""
        own = self._own
        outer = {value for each in _within(node) for value in each.inputs if value is not None}
        outer |= {value for graph in _branches(node) for value in graph.outputs}
        read = [value for value in (*node.inputs, *outer) if value is not None and value in own.nodes]
        inputs = [own.nodes[value] for value in dict.fromkeys(read)]
        for value in node.outputs:
            self.opaque(inputs, value, [node])

    def opaque(self, inputs: Sequence[Any], value: ir.Value, origin: list[ir.Node]) -> None:
        """Record a value of which only the shape is known."""
        own = self._own
        made = own.opaque(inputs, self._fake(value))
        own.origin[made] = origin
        own.nodes[value] = made
        own.values[made] = value

    def _fake(self, value: ir.Value) -> Tensor | None:
        name, shape = value.name or "", self._shapes.get(value)
        dtype = DTYPES.get(value.dtype) if value.dtype is not None else None
        if dtype is None:
            # Whole numbers and the like: whether they are tensors matters, and nothing else.
            dtype = torch.int64
        actual = self._seen.get(name)
        if shape is None and actual is None:
            return None
        dims: Sequence[Any] = list(shape) if shape is not None else [None] * len(actual or ())
        if actual is not None and len(actual) != len(dims):
            return None
        sizes: list[Size] = []
        for axis, dim in enumerate(dims):
            if isinstance(dim, int):
                sizes.append(dim)
            elif actual is None:
                return None
            else:
                known = dim.value if isinstance(dim, ir.SymbolicDim) else None
                sizes.append(self._own.symbols.size(known, actual[axis]))
        return self._own.symbols.tensor(sizes, dtype)
