"""What the operators of a file are read with: a graph of ATen's operators that grows, with every value's shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, fx

from upbench.onnx_files.known_sizes import Terms
from upbench.onnx_files.symbols import Symbols, expression

DTYPES = {
    ir.DataType.FLOAT: torch.float32,
    ir.DataType.DOUBLE: torch.float64,
    ir.DataType.FLOAT16: torch.float16,
}
"""Of values that forms are known for."""


class NotReadError(Exception):
    """An operator is none that is known here; one clause says why."""


class Constants(Mapping[str, Tensor]):
    """Weights by name, each read from its file when it is asked for and not kept."""

    def __init__(self) -> None:
        self._made: dict[str, Callable[[], Tensor]] = {}

    def add(self, make: Callable[[], Tensor]) -> str:
        """Take in one more; its name."""
        name = f"constant_{len(self._made)}"
        self._made[name] = make
        return name

    def __getitem__(self, name: str) -> Tensor:
        return self._made[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


class Recording:
    """A graph that is being read.

    Attributes:
        graph: of ATen's operators.
        constants: that it reads.
        symbols: in its values' shapes.
        nodes: what stands for a value of the file.
        values: the first value of the file that a node stands for; what an operator is taken apart into has none.
        origin: the file's nodes that a node does the work of.
        terms: values that are few numbers.
        named: the file's name of a node.
    """

    def __init__(self, constant: Callable[[ir.Value], ir.TensorProtocol | None]) -> None:
        self.graph = fx.Graph()
        self.constants = Constants()
        self.symbols = Symbols()
        self.nodes: dict[ir.Value, fx.Node] = {}
        self.values: dict[fx.Node, ir.Value] = {}
        self.origin: dict[fx.Node, list[ir.Node]] = {}
        self.terms: dict[ir.Value, Terms] = {}
        self.named: dict[str, str] = {}
        self.constant_of = constant
        self._reading: list[ir.Node] = []

    def reading(self, node: ir.Node) -> None:
        """Whose operators are recorded from now on."""
        self._reading = [node]

    def given(self, node: ir.Node, place: int) -> fx.Node:
        """What stands for an input.

        Raises:
            NotReadError: there is none, or it is a constant.
        """
        value = node.inputs[place] if place < len(node.inputs) else None
        if value is None or value not in self.nodes:
            raise NotReadError("it has no input that is computed.")
        return self.nodes[value]

    def image(self, node: ir.Node, place: int = 0) -> fx.Node:
        """The same, of four dimensions and floating point."""
        made = self.given(node, place)
        value = made.meta.get("val")
        if not isinstance(value, Tensor) or value.dtype not in DTYPES.values():
            raise NotReadError("it is given values of a kind or shape that is not known before it runs.")
        if value.dim() != 4:
            raise NotReadError(f"it is given {value.dim()} dimensions, and forms are known for four.")
        if not isinstance(value.shape[1], int):
            raise NotReadError("it is not known how many channels it is given.")
        return made

    def array(self, node: ir.Node, place: int) -> ir.TensorProtocol | None:
        """A constant among the inputs; None where there is none at all.

        Raises:
            NotReadError: it is computed.
        """
        value = node.inputs[place] if place < len(node.inputs) else None
        if value is None:
            return None
        constant = self.constant_of(value)
        if constant is None:
            raise NotReadError("its settings are computed, or can be given by whoever runs it.")
        return constant

    def numbers(self, node: ir.Node, place: int) -> list[float] | None:
        """The same as numbers; None for an empty one, which stands for none."""
        constant = self.array(node, place)
        return [float(each) for each in np.asarray(constant.numpy()).reshape(-1)] or None if constant else None

    def weight(
        self, node: ir.Node, place: int, name: str, change: Callable[[Tensor], Tensor] | None = None
    ) -> fx.Node | None:
        """A parameter among the inputs, or None without it; what is no constant is left as what computes it."""
        value = node.inputs[place] if place < len(node.inputs) else None
        if value is None:
            return None
        constant = self.constant_of(value)
        if constant is None:
            if change is not None:
                raise NotReadError("its weight is computed, or can be given by whoever runs it.")
            return self.given(node, place)
        if constant.dtype not in DTYPES:
            raise NotReadError(f"its weights are of {constant.dtype.name}.")
        return self.parameter(constant, f"{self.name_of(node)}.{name}", change)

    def parameter(
        self, constant: ir.TensorProtocol, path: str, change: Callable[[Tensor], Tensor] | None = None
    ) -> fx.Node:
        """A constant that the graph reads, changed if wanted."""

        def make() -> Tensor:
            # Torch warns of memory that is not to be written to, as that of a file is.
            tensor = torch.from_numpy(np.array(constant.numpy()))
            return tensor if change is None else change(tensor).contiguous()

        shape = [int(each) for each in constant.shape.numpy()]
        if change is not None:
            shape = list(change(torch.empty(shape, device="meta")).shape)
        return self.made_of(make, self.symbols.tensor(shape, DTYPES[constant.dtype]), path)

    def made_of(self, make: Callable[[], Tensor], fake: Tensor, path: str) -> fx.Node:
        """A constant that the graph reads."""
        node = self.graph.create_node("get_attr", self.constants.add(make))
        node.meta = {"val": fake, "path": path}
        return node

    def call(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """Record a call of one of ATen's operators.

        Raises:
            NotReadError: torch would not do it with such shapes.
        """

        def fake(node: fx.Node) -> Any:
            return node.meta["val"]

        try:
            with self.symbols.without_values():
                value = target(*fx.map_arg(args, fake), **fx.map_arg(kwargs, fake))
        except Exception as error:  # torch has many ways to say that shapes do not fit
            raise NotReadError("its sizes do not fit, as far as they are known before it runs.") from error
        made = self.graph.call_function(target, args, kwargs)
        made.meta["val"] = value
        self.origin[made] = list(self._reading)
        self.named[made.name] = self.name_of(self._reading[0])
        return made

    def opaque(self, inputs: Sequence[fx.Node], value: Any) -> fx.Node:
        """Record a call of which nothing is known but what it reads and the shape of what it makes."""
        made = self.graph.call_function(_opaque, tuple(inputs))
        made.meta["val"] = value
        self.origin[made] = list(self._reading)
        return made

    def forget(self, node: fx.Node) -> None:
        """Take back a call that nobody reads."""
        self.graph.erase_node(node)
        del self.origin[node]
        self.values.pop(node, None)

    @staticmethod
    def name_of(node: ir.Node) -> str:
        """What a node is called in the file, or its operator and its output."""
        return node.name or f"{node.op_type}({node.outputs[0].name})"


def _opaque(*_: Any) -> Any:
    raise NotImplementedError


def same_shape(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape whatever the sizes are."""
    return [expression(each) for each in one.shape] == [expression(each) for each in other.shape]
