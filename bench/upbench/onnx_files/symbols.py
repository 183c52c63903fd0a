"""Sizes that are not known before a model runs, as symbols that torch can reckon with, and tensors without values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sympy
import torch
from torch import Tensor
from torch._dispatch.python import enable_python_dispatcher
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

Size = int | torch.SymInt


class Symbols:
    """Symbolic sizes of one graph, with the numbers that they are in the example."""

    def __init__(self) -> None:
        self._env = ShapeEnv(duck_shape=False)
        self._fake = FakeTensorMode(shape_env=self._env)
        self._named: dict[str, Size] = {}
        self._actual: dict[sympy.Symbol, int] = {}

    def size(self, name: str | None, actual: int) -> Size:
        """The size of this name, which a file uses for sizes that are always the same; a new one without a name."""
        if name is not None and name in self._named:
            return self._named[name]
        made = self._new(f"size_{len(self._actual)}", actual)
        if name is not None:
            self._named[name] = made
        return made

    def bind(self, name: str, size: Size) -> None:
        """Say what the size of a name is, where it is not known yet."""
        self._named.setdefault(name, size)

    def _new(self, name: str, actual: int) -> torch.SymInt:
        # A size of one would be taken for one that it always has.
        like = torch.empty(max(2, actual), device="meta")
        context: Any = StatelessSymbolicContext(dynamic_sizes=[DimDynamic.DYNAMIC])
        made = self._fake.from_tensor(like, source=ConstantSource(name), symbolic_context=context).shape[0]
        assert isinstance(made, torch.SymInt)
        self._actual[made.node.expr] = actual
        return made

    @contextmanager
    def without_values(self) -> Iterator[None]:
        """Let torch's operators work on tensors without values, and on sizes that are symbols."""
        # In C++ some of them would take a symbol for the number that it was in the example.
        with enable_python_dispatcher(), self._fake:
            yield

    def tensor(self, shape: Sequence[Size], dtype: torch.dtype) -> Tensor:
        """A tensor without values."""
        with self._fake:
            return torch.empty(tuple(shape), dtype=dtype)

    def actual(self, shape: Sequence[Size]) -> tuple[int, ...]:
        """A shape in the example."""
        return tuple(int(expression(size).subs(self._actual)) for size in shape)


def expression(size: Any) -> sympy.Expr:
    """A size as a term of symbols."""
    return size.node.expr if isinstance(size, torch.SymInt) else sympy.Integer(int(size))
