"""Operators of ONNX that are written one after another, from the calls of a recorded module.

Sizes are written relative to the tensor that they are about, so that hardly any are computed at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import sympy
import torch
from torch import Tensor, fx
from torch.export import ExportedProgram

from upbench.onnx_files.symbols import expression

WHOLE = 2**63 - 1
"""As the end of a slice: to the end."""


class NotWrittenError(Exception):
    """A module computes something that no operator is known for; one clause says what."""


@dataclass
class Written:
    """Operators of ONNX.

    Attributes:
        nodes: in order.
        inputs: what they are given, in the order of the module's arguments.
        output: what they make.
        constants: initialisers.
    """

    nodes: list[ir.Node]
    inputs: list[ir.Value]
    output: ir.Value
    constants: list[ir.Value]


Dynamic = Sequence[bool]
"""Which dimensions of an input have a size that is not known."""

Rule = Callable[["Writer", fx.Node], Any]


class Writer:
    """Writes one recorded module.

    Args:
        program: the module.
        rules: how a call is written, by the name that ATen has for it.
        opset: of the model that it will be a part of.
        prefix: of all names.
    """

    def __init__(self, program: ExportedProgram, rules: Mapping[str, Rule], opset: int, prefix: str) -> None:
        self.opset, self._rules = opset, rules
        self._program, self._prefix = program, prefix
        self._nodes: list[ir.Node] = []
        self._constants: list[ir.Value] = []
        self._known: dict[tuple[bytes, str, tuple[int, ...]], ir.Value] = {}
        self._made: dict[fx.Node, Any] = {}
        self._numbers: dict[fx.Node, ir.Value] = {}

    def run(self) -> Written:
        """Write all of it."""
        inputs = self._take_inputs()
        output: ir.Value | None = None
        for node in self._program.graph.nodes:
            if node.op == "output":
                (result,) = fx.map_arg(node.args[0], lambda each: each)
                output = self.value(result)
            elif node.op == "call_function" and isinstance(node.meta.get("val"), Tensor | list | tuple):
                self._write(node)
        assert output is not None
        if output in inputs or output in self._constants:
            output = self.op("Identity", output)
        return Written(self._nodes, inputs, output, self._constants)

    def _take_inputs(self) -> list[ir.Value]:
        placeholders = {node.name: node for node in self._program.graph.nodes if node.op == "placeholder"}
        inputs = []
        for spec in self._program.graph_signature.input_specs:
            node = placeholders[spec.arg.name]
            if spec.kind.name == "USER_INPUT":
                self._made[node] = ir.Value(name=f"{self._prefix}{node.name}")
                inputs.append(self._made[node])
            else:
                path = str(spec.target)
                held = self._program.state_dict.get(path)
                self._made[node] = (held if held is not None else self._program.constants[path]).detach()
        return inputs

    def _write(self, node: fx.Node) -> None:
        name = node.target._schema.name.removeprefix("aten::") if hasattr(node.target, "_schema") else ""
        name = name or getattr(node.target, "__name__", "")
        leaves = node.all_input_nodes
        if leaves and all(isinstance(self._made.get(each), Tensor) for each in leaves):
            # What is made of constants alone is one.
            args, kwargs = fx.map_arg((node.args, node.kwargs), self._made.__getitem__)
            assert callable(node.target)
            self._made[node] = node.target(*args, **kwargs)
            return
        rule = self._rules.get(name.rstrip("_"))
        if rule is None:
            raise NotWrittenError(f"{name} has no operator of ONNX here")
        self._made[node] = rule(self, node)

    def value(self, node: Any) -> ir.Value:
        """What stands for a tensor of the recorded graph."""
        made = self._made[node]
        return self.constant(made.contiguous().numpy()) if isinstance(made, Tensor) else made

    def held(self, node: Any) -> Tensor | None:
        """A tensor that is a constant, or None."""
        made = self._made.get(node)
        return made if isinstance(made, Tensor) else None

    def part(self, node: Any, place: int) -> Any:
        """One of several tensors that a call makes."""
        return self._made[node][place]

    def constant(self, array: Any) -> ir.Value:
        """An initialiser; one for all that are the same."""
        array = np.asarray(array)
        key = (array.tobytes(), str(array.dtype), array.shape)
        if key not in self._known:
            name = f"{self._prefix}constant_{len(self._constants)}"
            tensor = ir.tensor(array, name=name)
            made = ir.Value(
                name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
            )
            self._known[key] = made
            self._constants.append(made)
        return self._known[key]

    def whole(self, *numbers: int) -> ir.Value:
        """A constant list of integers."""
        return self.constant(np.array(numbers, np.int64))

    def scalar(self, number: float, like: fx.Node) -> ir.Value:
        """A constant number of the dtype of a tensor."""
        return self.constant(torch.tensor(number, dtype=like.meta["val"].dtype).numpy())

    def op(self, kind: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        """Write one operator with one output."""
        name = f"{self._prefix}{kind}_{len(self._nodes)}"
        node = ir.node(kind, inputs, attributes, name=name, outputs=[ir.Value(name=f"{name}_output")])
        self._nodes.append(node)
        return node.outputs[0]

    def number(self, size: Any) -> ir.Value:
        """A size as a list of one integer, computed at run time if it must be."""
        if not isinstance(size, fx.Node):
            return self.whole(int(size))
        if size not in self._numbers:
            self._numbers[size] = self._computed(size)
        return self._numbers[size]

    def _computed(self, size: fx.Node) -> ir.Value:
        name = str(size.target)
        if "sym_size" in name:
            return self.side(self.value(size.args[0]), int(size.args[1]))  # type: ignore[arg-type]
        kind = getattr(size.target, "__name__", "")
        given = [self.number(each) for each in size.args]
        if kind in ("add", "sub", "mul"):
            return self.op(kind.capitalize(), *given)
        if kind == "neg":
            return self.op("Neg", *given)
        if kind == "floordiv":
            # Division of integers cuts off, which is another thing below zero.
            return self.op("Div", self.op("Sub", given[0], self.op("Mod", *given)), given[1])
        raise NotWrittenError(f"a size is computed by {kind}")

    def unsqueezed(self, tensor: ir.Value, axis: int) -> ir.Value:
        """A tensor with one more axis of size one."""
        if self.opset < 13:
            return self.op("Unsqueeze", tensor, axes=[axis])
        return self.op("Unsqueeze", tensor, self.whole(axis))

    def side(self, tensor: ir.Value, axis: int) -> ir.Value:
        """The size of a tensor along an axis, as a list of one integer."""
        return self.op("Gather", self.op("Shape", tensor), self.whole(axis), axis=0)


def term(size: Any) -> sympy.Expr:
    """A size of the recorded graph, a number or a node, as a term of symbols."""
    return expression(size.meta["val"] if isinstance(size, fx.Node) else size)


def shape(node: fx.Node) -> list[sympy.Expr]:
    """The shape of a tensor of the recorded graph."""
    return [expression(each) for each in node.meta["val"].shape]
