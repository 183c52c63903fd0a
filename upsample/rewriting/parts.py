"""The parts of a module that stay calls of those parts while the module is recorded, whatever they do inside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.module import register_module_forward_hook

from upsample.rewriting.structure import Structure, mapped, taken_apart


class NotCapturedError(Exception):
    """A forward pass cannot be recorded; one clause says why."""


Calls = Mapping[nn.Module, Sequence[tuple[Any, Any]]]
"""What the parts of a module were given and returned in a real run, call by call."""


@contextmanager
def watched(module: nn.Module, inner: set[nn.Module]) -> Iterator[Calls]:
    """Note what the parts that are not gone into are given and return, without their values."""
    calls: dict[nn.Module, list[tuple[Any, Any]]] = {}

    parts = set(_outer(module, inner))

    def note(part: nn.Module, args: Any, output: Any) -> None:
        if part in parts:
            calls.setdefault(part, []).append((_without_values(args), _without_values(output)))

    # A torch.jit module has no hooks of its own.
    handle = register_module_forward_hook(note)
    try:
        yield calls
    finally:
        handle.remove()


def _without_values(value: Any) -> Any:
    return mapped(value, lambda each: each.to("meta") if isinstance(each, Tensor) else each)


class PartCall:
    """A part that is called as a whole, and how.

    Attributes:
        returned: its output, and where tensors belong in it.
        writes: whether it writes into what it is given.
        assumed: whether the sizes of its output are only what they were in the example.
    """

    def __init__(
        self, part: nn.Module, leaves: Sequence[Any], given: Structure, observed: tuple[Any, Any] | None
    ) -> None:
        self.part, self.given, self._observed = part, given, observed
        self.order = [isinstance(each, Tensor) for each in leaves]
        self.returned, self.writes, self.assumed = Structure(None), False, False

    def fake(self, tensors: Sequence[Tensor], numbers: Sequence[Any]) -> list[Tensor]:
        """Run the part on what only has shapes."""
        waiting = {True: iter(tensors), False: iter(numbers)}
        leaves = [next(waiting[each]) for each in self.order]
        before = [each._version for each in tensors]
        args, kwargs = self.given.with_leaves(leaves)
        try:
            if isinstance(self.part, torch.jit.ScriptModule):
                raise NotCapturedError("it is a torch.jit module")
            made, self.returned = taken_apart(self.part._call_impl(*args, **kwargs))
        except Exception as error:  # what depends on values, or has no way to run without
            made = self._as_observed(tensors, error)
        outputs = [each for each in made if isinstance(each, Tensor)]
        if len(outputs) < len(made):
            raise NotCapturedError(f"{type(self.part).__name__} returns symbolic numbers")
        self.writes = before != [each._version for each in tensors]
        # What an operator returns may not be what it was given.
        return [each.clone() if any(each is other for other in tensors) else each for each in outputs]

    def _as_observed(self, tensors: Sequence[Tensor], error: Exception) -> list[Any]:
        """Outputs of the sizes that they had, where those of an input with the same one belong to it."""
        if self._observed is None:
            raise error
        given, returned = self._observed
        sizes = [tuple(each.shape) for each in taken_apart(given)[0] if isinstance(each, Tensor)]
        outputs, self.returned = taken_apart(returned)
        self.assumed = True
        made = []
        for output in outputs:
            assert isinstance(output, Tensor)
            shape: list[Any] = list(output.shape)
            like = next((n for n, size in enumerate(sizes) if len(size) == len(shape)), None)
            if like is not None:
                same = zip(shape, sizes[like], tensors[like].shape, strict=True)
                # Channels are the part's own.
                shape = [now if size == other and axis != 1 else size for axis, (size, other, now) in enumerate(same)]
            made.append(tensors[0].new_empty(shape, dtype=output.dtype))
        return made


_RECORDING = threading.local()
"""The calls of the capture that a thread is making."""


@torch.library.custom_op(
    "upsample::part", mutates_args=(), schema="(int call, Tensor[] given, SymInt[] numbers) -> Tensor[]"
)
def _part(call: int, given: Sequence[Tensor], numbers: Sequence[int]) -> list[Tensor]:
    raise RuntimeError("This stands for a part of a network in a graph, and is never run.")


@_part.register_fake
def _(call: int, given: Sequence[Tensor], numbers: Sequence[Any]) -> list[Tensor]:
    made: list[Tensor] = _RECORDING.calls[call].fake(given, numbers)
    return made


_LOCK = threading.Lock()
"""Parts are changed while a module is captured, and may be shared with another thread's."""


def capturing() -> bool:
    """Whether what runs now is run to be recorded, on tensors without values."""
    return getattr(_RECORDING, "calls", None) is not None


@contextmanager
def parts_as_calls(module: nn.Module, inner: set[nn.Module], observed: Calls) -> Iterator[list[PartCall]]:
    """Have the parts of a module record a call of themselves where they are called."""
    calls: list[PartCall] = []
    parts = list(_outer(module, inner))
    scripted = [
        (parent, name, part)
        for parent in module.modules()
        for name, part in parent._modules.items()
        if isinstance(part, torch.jit.ScriptModule) and part in parts
    ]
    parts = [part for part in parts if not isinstance(part, torch.jit.ScriptModule)]
    with _LOCK:
        before = [part._compiled_call_impl for part in parts]
        _RECORDING.calls = calls
        try:
            for part in parts:
                part._compiled_call_impl = _recording(part, calls, iter(observed.get(part, ())))
            for parent, name, part in scripted:
                # Exporting cannot look at these.
                parent._modules[name] = _StandIn(_recording(part, calls, iter(observed.get(part, ()))))
            yield calls
        finally:
            _RECORDING.calls = None
            for parent, name, part in scripted:
                parent._modules[name] = part
            for part, own in zip(parts, before, strict=True):
                part._compiled_call_impl = own


def _outer(module: nn.Module, inner: set[nn.Module]) -> Iterator[nn.Module]:
    """The parts of a module that are not gone into."""
    for part in module.children():
        if part in inner or isinstance(part, nn.ModuleList | nn.ModuleDict):
            # A container is called by nobody.
            yield from _outer(part, inner)
        else:
            yield part


class _StandIn(nn.Module):
    """Takes the place of a part that must not be looked at."""

    def __init__(self, call: Callable[..., Any]) -> None:
        super().__init__()
        self._call = call

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)


def _recording(part: nn.Module, calls: list[PartCall], observed: Iterator[tuple[Any, Any]]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, given = taken_apart((args, kwargs))
        made = PartCall(part, leaves, given, next(observed, None))
        calls.append(made)
        tensors = [each for each in leaves if isinstance(each, Tensor)]
        numbers = [each for each in leaves if not isinstance(each, Tensor)]
        output = torch.ops.upsample.part(len(calls) - 1, tensors, numbers)
        return made.returned.with_leaves(list(output))

    return call


def as_call(graph: fx.Graph, node: fx.Node, call: PartCall, names: Mapping[int, str]) -> None:
    """Put a call of the part itself in the place of what stands for it."""
    _, tensors, numbers = node.args
    waiting = {True: iter(tensors), False: iter(numbers)}  # type: ignore[arg-type]
    args, kwargs = call.given.with_leaves([next(waiting[each]) for each in call.order])
    with graph.inserting_before(node):
        made = graph.create_node("call_module", names[id(call.part)], args, kwargs)
        made.meta = {**node.meta, "writes": call.writes}
        whole = len(node.meta["val"]) == 1 and call.returned == taken_apart(node.meta["val"][0])[1]
        if whole:
            made.meta["val"] = node.meta["val"][0]
            outputs = None
        else:
            outputs = graph.call_function(leaves_of, (made,))
    if call.assumed:
        with graph.inserting_before(node):
            sizes = [_sizes(graph, each) for each in node.meta["val"]]
            graph.call_function(as_assumed, (made, sizes))
    for user in list(node.users):
        if whole:
            user.replace_all_uses_with(made)
            graph.erase_node(user)
        else:
            assert outputs is not None
            user.replace_input_with(node, outputs)
    graph.erase_node(node)


class UnassumedError(Exception):
    """A part returned another size than was thought."""


def as_assumed(value: Any, sizes: Sequence[Sequence[int | None]]) -> None:
    """Look whether the tensors of an output have the sizes that the graph goes by.

    Raises:
        UnassumedError: they do not.
    """
    for tensor, wanted in zip(leaves_of(value), sizes, strict=True):
        if len(tensor.shape) != len(wanted) or any(
            size is not None and size != side for side, size in zip(tensor.shape, wanted, strict=True)
        ):
            raise UnassumedError


def _sizes(graph: fx.Graph, tensor: Tensor) -> list[Any]:
    """The sizes of a value, as numbers or read from what the graph is given."""
    read: dict[str, tuple[fx.Node, int]] = {}
    for node in graph.nodes:
        value = node.meta.get("val")
        if node.op == "placeholder" and isinstance(value, Tensor):
            for axis, side in enumerate(value.shape):
                read.setdefault(str(side), (node, axis))
    sizes: list[Any] = []
    for side in tensor.shape:
        if not isinstance(side, torch.SymInt):
            sizes.append(int(side))
        elif str(side) in read:
            sizes.append(graph.call_function(torch.ops.aten.sym_size.int, read[str(side)]))
        else:
            sizes.append(None)
    return sizes


def leaves_of(value: Any) -> list[Any]:
    """All tensors in an output, in order."""
    return list(taken_apart(value)[0])
