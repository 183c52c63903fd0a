"""A module's forward pass with forms in it, and its own for whatever they are not known for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from importlib import import_module
from types import MethodType, ModuleType
from typing import Any

import sympy
import torch
from torch import Tensor, fx, nn
from torch.utils._sympy.printers import PythonPrinter

from upsample.rewriting.capture import Captured
from upsample.rewriting.parts import NotCapturedError, UnassumedError
from upsample.rewriting.proof import difference
from upsample.rewriting.structure import mapped, taken_apart, tensors
from upsample.rewriting.unchanged import Unchanged

Check = Callable[..., bool]

REPLICATE = "_replicate_for_data_parallel"
"""What torch calls to copy a module with all its attributes, of which the forward pass is another module's."""


class Followed:
    """Stands in the place of a module's ``forward``: runs a graph of it where that is right, or else its own Python.

    The graph is right for what was recorded: arguments of the same make, tensors of the same dtype and rank whose sizes
    fulfil what was asked of them, and parts and settings of the module that are still what they were; a module in
    training mode, for one, runs as it always did.

    Args:
        module: whose forward pass it is.
        inner: its parts that the graph goes into.
        captured: the graph, with forms in it.
        rows: that the graph calls, by name.
        conditions: symbolic truths that have to hold besides.
    """

    def __init__(
        self,
        module: nn.Module,
        inner: set[nn.Module],
        captured: Captured,
        graph: fx.Graph,
        rows: Mapping[str, nn.Module],
        conditions: Sequence[sympy.Basic] = (),
    ) -> None:
        self._module, self._own = module, vars(module).get("forward")
        self._given, self._returned = captured.given, captured.returned
        self._kinds = [(each.dtype, each.device.type, each.dim()) for each in captured.example]
        self._source = guard_source(captured, conditions)
        self._fits: Check = _check(self._source)
        code = graph.python_code("self")
        self._code, self._names = code.src, dict(code.globals)
        self._run = _function(self._code, self._names)
        self.parts = {**rows, **captured.constants}
        assigned = [(part, name) for part, name, _ in captured.assigned]
        self._unchanged = Unchanged(module, {**dict.fromkeys(inner), **dict.fromkeys(captured.read)}, assigned)
        self._outputs, self._assigned = captured.outputs, captured.assigned
        self._differences: dict[str, float] | None = None
        self._name = ""

    @property
    def forward(self) -> MethodType:
        """What takes the place: a method that looks like the module's own, whose arguments others ask for by name."""
        return MethodType(_like(type(self._module)), self)  # type: ignore[arg-type]  # classes can be hashed

    @property
    def _usual(self) -> Callable[..., Any]:
        own = self._own
        return own if own is not None else type(self._module).forward.__get__(self._module)  # type: ignore[no-any-return]

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the module's output."""
        leaves, given = taken_apart((args, kwargs))
        if given != self._given or not self.right_for(leaves):
            return self._usual(*args, **kwargs)
        if self._differences is not None:
            return self._compared(args, kwargs)
        try:
            return self._computed(leaves)
        except UnassumedError:
            return self._usual(*args, **kwargs)

    def _computed(self, leaves: Sequence[Any]) -> Any:
        made = list(self._run(self._module, *leaves))
        for part, name, structure in self._assigned:
            setattr(part, name, structure.with_leaves(made[self._outputs :]))
        return self._returned.with_leaves(made)

    def compare(self, differences: dict[str, float] | None, name: str) -> None:
        """From now on, note under a name how far outputs are from the module's own, and return those; or no longer."""
        self._differences, self._name = differences, name

    def _compared(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        assert self._differences is not None
        leaves, _ = taken_apart(mapped((args, kwargs), lambda each: each.clone() if isinstance(each, Tensor) else each))
        try:
            with torch.random.fork_rng():
                made = list(tensors(self._computed(leaves)))
        except Exception:  # parts of a user's own may raise anything
            made = []
        output = self._usual(*args, **kwargs)
        apart = difference(list(tensors(output)), made)
        self._differences[self._name] = max(apart, self._differences.get(self._name, 0.0))
        return output

    def right_for(self, leaves: Sequence[Any]) -> bool:
        """Whether the graph may be run for these tensors, with the module as it is."""
        if [(each.dtype, each.device.type, each.dim()) for each in leaves] != self._kinds:
            return False
        if not self._fits(*(side for each in leaves for side in each.shape)):
            return False
        return self._unchanged.holds()

    def make(self) -> None:
        """Take the place of the module's own."""
        vars(self._module).update(self.parts)
        vars(self._module)["forward"] = self.forward
        vars(self._module)[REPLICATE] = self.replica

    def take_back(self) -> None:
        """Leave it to the module's own."""
        self._removed_from(self._module)

    def replica(self) -> nn.Module:
        """A copy with other parameters, as ``DataParallel`` makes one for each device; it runs its own Python."""
        made: nn.Module = nn.Module._replicate_for_data_parallel(self._module)
        self._removed_from(made)
        return made

    def _removed_from(self, module: nn.Module) -> None:
        for name in (*self.parts, "forward", REPLICATE):
            vars(module).pop(name, None)
        if self._own is not None:
            vars(module)["forward"] = self._own

    def __getstate__(self) -> dict[str, Any]:
        modules = {name: each.__name__ for name, each in self._names.items() if isinstance(each, ModuleType)}
        others = {name: each for name, each in self._names.items() if name not in modules and name in self._code}
        return {**vars(self), "_run": None, "_fits": None, "_names": (modules, others)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        modules, others = state["_names"]
        self._names = {**others, **{name: import_module(path) for name, path in modules.items()}}
        self._run, self._fits = _function(self._code, self._names), _check(self._source)


@cache
def _like(kind: type[nn.Module]) -> Callable[..., Any]:
    @wraps(kind.forward)
    def forward(self: Followed, *args: Any, **kwargs: Any) -> Any:
        return self.run(*args, **kwargs)

    # By this name a copy in another process asks for it.
    forward.__name__ = "forward"
    return forward


def _function(source: str, names: Mapping[str, Any]) -> Callable[..., Any]:
    made = dict(names)
    exec(compile(source, "<a forward pass with exact forms>", "exec"), made)  # noqa: S102  # torch.fx wrote it
    run: Callable[..., Any] = made["forward"]
    return run


def _check(source: str) -> Check:
    # Which sizes that are computed are printed with.
    check: Check = eval(source, {"math": math, "torch": torch})  # noqa: S307  # sympy wrote it
    return check


def right_for_example(captured: Captured) -> bool:
    """Whether a graph is right for the sizes that it was recorded with, of which some may have been doubled for it."""
    return _check(guard_source(captured))(*(side for each in captured.example for side in each.shape))


def guard_source(captured: Captured, conditions: Sequence[sympy.Basic] = ()) -> str:
    """The source of a function of all sizes, in order, that tells whether the graph is right for them.

    Raises:
        NotCapturedError: that depends on more than sizes.
    """
    names: dict[sympy.Symbol, sympy.Symbol] = {}
    own: list[str] = []
    asked: list[str] = []
    later: list[tuple[str, Any]] = []
    environment = None
    for number, (fake, real) in enumerate(zip(captured.inputs, captured.example, strict=True)):
        for axis, (side, size) in enumerate(zip(fake.shape, real.shape, strict=True)):
            name = f"size_{number}_{axis}"
            own.append(name)
            if not isinstance(side, torch.SymInt):
                asked.append(f"{name} == {int(side)}")
                continue
            environment = side.node.shape_env
            expression = side.node.expr
            if expression in names:
                asked.append(f"{name} == {names[expression]}")
            elif isinstance(expression, sympy.Symbol):
                names[expression] = sympy.Symbol(name, integer=True, positive=True)
                if size > 1:
                    # One would have been taken for a size that is always one.
                    asked.append(f"{name} > 1")
                else:
                    asked.append(f"{name} > 0")
            else:
                later.append((name, expression))
    truths: list[Any] = [] if environment is None else [environment.replace(each.expr) for each in environment.guards]
    for name, expression in later:
        asked.append(f"{name} == {_printed(expression, names)}")
    for truth in dict.fromkeys([*truths, *conditions]):
        if truth is not sympy.true:
            asked.append(f"({_printed(truth, names)})")
    return f"lambda {', '.join(own)}: {' and '.join(asked) or True}"


def _printed(expression: sympy.Basic, names: Mapping[sympy.Symbol, sympy.Symbol]) -> str:
    unknown = expression.free_symbols - names.keys()
    if unknown:
        raise NotCapturedError("its sizes depend on values")
    printed: str = PythonPrinter().doprint(expression.xreplace(names))
    return printed
