"""A module's forward pass as a graph for all sizes, recorded by ``torch.export`` while the module's own Python runs.

Only the module's own calls are recorded, and those of the parts that a site is made of. Every other part stays a call
of that part, whatever it does inside; and the module's own Python stays, for all that the graph is not known for.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._dynamo.exc import UserError
from torch.export import Dim, ExportedProgram, export
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.nn.modules.module import register_module_forward_hook

from upsample.rewriting.structure import Structure, mapped, numbers_in, stranger, taken_apart

SCOPE = "scope"
"""Under which the module lies in what is exported."""

NEEDLESS = ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range", "sym_constrain_range_for_size")
"""Operators that only check what is known of the graph; whether it may be used is checked before."""


class NotCapturedError(Exception):
    """A forward pass cannot be recorded; one clause says why."""


@dataclass(frozen=True)
class Captured:
    """One module's forward pass.

    Attributes:
        graph: with a placeholder for each tensor that the module is given; parameters, buffers and parts are read from
            the module itself by their own names.
        given: the example's arguments, ``(args, kwargs)``, and where tensors belong in them.
        returned: the output, and where what the graph returns belongs in it.
        inputs: the fake tensors that the placeholders stand for.
        example: the example's tensors.
        constants: tensors that the graph reads from the module besides, by the names that they are to have there.
        assigned: attributes that the forward pass assigns to; what belongs in them follows on the output.
        outputs: how many of the graph's are the module's.
        read: parts whose parameters it reads, or which it goes into by another way than a call.
    """

    graph: fx.Graph
    given: Structure
    returned: Structure
    inputs: Sequence[Tensor]
    example: Sequence[Tensor]
    constants: Mapping[str, Tensor] = field(default_factory=dict)
    assigned: Sequence[tuple[nn.Module, str, Structure]] = ()
    outputs: int = 0
    read: Sequence[nn.Module] = ()


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


def capture(
    module: nn.Module,
    inner: set[nn.Module],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    calls: Calls | None = None,
    doubled: bool = True,
) -> Captured:
    """Record what a module does when it is called like this.

    Args:
        module: whose hooks are not a part of it.
        inner: parts that are gone into.
        args: what it is called with.
        kwargs: and by name.
        calls: of the other parts in a run like this, for those that cannot be run without values.
        doubled: whether batches of one are recorded as two; a size of one would be taken for one that it always has.

    Raises:
        NotCapturedError: it cannot be recorded.
    """
    leaves, given = taken_apart((args, kwargs))
    example = [each for each in leaves if isinstance(each, Tensor)]
    if len(example) < len(leaves):
        raise NotCapturedError("it is given symbolic numbers")
    _refuse_strangers((args, kwargs), "it is given")
    twice = [_doubled(each) for each in example]
    more = doubled and any(one is not other for one, other in zip(twice, example, strict=True))
    tries = [twice, example] if more else [example]
    for last, each in enumerate(tries, 1 - len(tries)):
        try:
            return _captured(module, inner, given, each, example, calls or {})
        except NotCapturedError:
            if last == 0:
                raise
        except Exception as error:  # whatever a user's own Python raises, and torch about it
            if last == 0:
                raise NotCapturedError(first_line(error)) from error
    raise AssertionError


def _refuse_strangers(value: Any, what: str) -> None:
    if (kind := stranger(value)) is not None:
        raise NotCapturedError(f"{what} a {kind}, and what that holds is not known")


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, GuardOnDataDependentSymNode | UserError) and "data-dependent" in str(error).lower():
        return "which way it goes depends on values"
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else repr(error)


def _doubled(tensor: Tensor) -> Tensor:
    return tensor.expand(2, *tensor.shape[1:]) if tensor.dim() > 1 and tensor.shape[0] == 1 else tensor


@dataclass
class _Kept:
    returned: Structure = field(default_factory=lambda: Structure(None))
    assigned: list[tuple[nn.Module, str, Structure]] = field(default_factory=list)
    outputs: int = 0


class _Flat(nn.Module):
    """A module that takes its tensors in a row and returns them so."""

    def __init__(self, module: nn.Module, inner: set[nn.Module], given: Structure) -> None:
        super().__init__()
        self.scope, self._given = module, given
        self._parts = (module, *inner)
        # Exporting puts attributes back, also what lists hold.
        self.kept = _Kept()

    def forward(self, *leaves: Tensor) -> tuple[Any, ...]:
        args, kwargs = self._given.with_leaves(list(leaves))
        # Hooks are the caller's to call.
        before = [dict(_attributes(part)) for part in self._parts]
        output = self.scope.forward(*args, **kwargs)
        _refuse_strangers(output, "it returns")
        made, self.kept.returned = taken_apart(output)
        self.kept.outputs = len(made)
        self.kept.assigned = []
        for part, own in zip(self._parts, before, strict=True):
            for name, value in _attributes(part):
                if name not in own or own[name] is not value:
                    _refuse_strangers(value, f"it assigns to {name}")
                    leaves_of_it, structure = taken_apart(value)
                    if not leaves_of_it:
                        raise NotCapturedError(f"it assigns to {name} what is no tensor")
                    self.kept.assigned.append((part, name, structure.moved(len(made) - self.kept.outputs)))
                    made += leaves_of_it
                    # Exporting refuses attributes that have changed.
                    setattr(part, name, own.get(name))
        return tuple(made)


def _attributes(part: nn.Module) -> Iterator[tuple[str, Any]]:
    """The attributes of a module that are no part of its make."""
    own = vars(part)
    yield from ((name, value) for name, value in own.items() if not name.startswith("_") and name != "forward")
    yield from own["_buffers"].items()


def _captured(
    module: nn.Module,
    inner: set[nn.Module],
    given: Structure,
    leaves: Sequence[Tensor],
    example: Sequence[Tensor],
    observed: Calls,
) -> Captured:
    flat = _Flat(module, inner, given)
    dims = ([Dim.AUTO] * each.dim() for each in leaves)
    # With gradients, as a part of a forward pass without them is one that a graph must not have them in either.
    with _parts_as_calls(module, inner, observed) as calls, _quietly(), torch.enable_grad():
        # As the arguments are variadic, so are the dimensions.
        program = export(flat, tuple(leaves), dynamic_shapes=(tuple(dims),), strict=False)
    graph = program.graph
    _refuse_what_a_graph_would_not_do(program)
    names = {id(part): path for path, part in reversed(list(module.named_modules()))}
    constants = _with_own_names(program, module)
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target is torch.ops.upsample.part.default:
            _as_call(graph, node, calls[node.args[0]], names)
    for node in reversed(list(graph.nodes)):
        name = str(node.target).rpartition("aten.")[2].partition(".")[0]
        if name in NEEDLESS or (not node.users and _reads_a_size(node)):
            graph.erase_node(node)
    for node in graph.nodes:
        if "nn_module_stack" in node.meta:
            node.meta["nn_module_stack"] = dict(_own_stack(node.meta["nn_module_stack"], module))
    inputs = [node.meta["val"] for node in graph.nodes if node.op == "placeholder"]
    own = fx.Graph()
    own.output(own.graph_copy(graph, {}))
    kept, read = flat.kept, list(_read(own, module))
    return Captured(own, given, kept.returned, inputs, example, constants, kept.assigned, kept.outputs, read)


def _read(graph: fx.Graph, module: nn.Module) -> Iterator[nn.Module]:
    """The parts whose own calls and parameters are in a graph, though nobody may have called them."""
    called = {str(node.target) for node in graph.nodes if node.op == "call_module"}
    paths = {path for node in graph.nodes for path, _ in node.meta.get("nn_module_stack", {}).values()}
    paths |= {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    parts = dict(module.named_modules())
    return (parts[path] for path in sorted(paths - called) if path in parts)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what exporting says of sizes that it takes for fixed; whether they are is looked at in every call."""
    logs = [logging.getLogger(name) for name in ("torch._export", "torch.fx")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        # Where it fails, it prints what it has so far.
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def _own_stack(stack: Mapping[str, tuple[str, Any]], module: nn.Module) -> Iterator[tuple[str, tuple[str, Any]]]:
    """The modules that make a call, by their paths in the module, itself first."""
    for key, (path, kind) in stack.items():
        own = path.removeprefix(SCOPE).removeprefix(".")
        yield key, (own, kind if own else f"{type(module).__module__}.{type(module).__qualname__}")


def _reads_a_size(node: fx.Node) -> bool:
    return node.op == "get_attr" or (node.op == "call_function" and "sym_size" in str(node.target))


def _refuse_what_a_graph_would_not_do(program: ExportedProgram) -> None:
    for each in program.graph_signature.output_specs:
        if each.kind.name == "BUFFER_MUTATION":
            raise NotCapturedError(f"it writes to its buffer {str(each.target).removeprefix(f'{SCOPE}.')}")
        if each.kind.name != "USER_OUTPUT":
            raise NotCapturedError("it writes into what it is given")
    for node in program.graph.nodes:
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            raise NotCapturedError(f"it changes how torch computes ({node.target})")


def _with_own_names(program: ExportedProgram, module: nn.Module) -> dict[str, Tensor]:
    """Read parameters and buffers from the module by their names; return the constants that have none."""
    constants: dict[str, Tensor] = {}
    graph = program.graph
    placeholders = {node.name: node for node in graph.nodes if node.op == "placeholder"}
    for spec in program.graph_signature.input_specs:
        node = placeholders[spec.arg.name]
        if spec.kind.name == "USER_INPUT":
            continue
        path = str(spec.target).removeprefix(f"{SCOPE}.")
        if not node.users:
            graph.erase_node(node)
            continue
        if not isinstance(_attribute(module, path), Tensor):
            constant = program.constants.get(str(spec.target))
            if not isinstance(constant, Tensor):
                raise NotCapturedError(f"it uses {path}, which is no tensor of its own")
            path = f"_constant_{len(constants)}"
            constants[path] = constant
        with graph.inserting_before(node):
            read = graph.create_node("get_attr", path, name=node.name)
        read.meta = {**node.meta, "path": path}
        node.replace_all_uses_with(read)
        graph.erase_node(node)
    return constants


def _attribute(module: nn.Module, path: str) -> Any:
    value: Any = module
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


class _Call:
    """A part that is called as a whole, and how.

    Attributes:
        returned: its output, and where tensors belong in it.
        writes: whether it writes into what it is given.
        shares: whether its output may lie in the memory of what it is given.
        assumed: whether the sizes of its output are only what they were in the example.
    """

    def __init__(
        self, part: nn.Module, leaves: Sequence[Any], given: Structure, observed: tuple[Any, Any] | None
    ) -> None:
        self.part, self.given, self._observed = part, given, observed
        self.order = [isinstance(each, Tensor) for each in leaves]
        self.returned, self.writes, self.shares, self.assumed = Structure(None), False, True, False

    def fake(self, tensors: Sequence[Tensor], numbers: Sequence[Any]) -> list[Tensor]:
        """Run the part on what only has shapes."""
        waiting = {True: iter(tensors), False: iter(numbers)}
        leaves = [next(waiting[each]) for each in self.order]
        before = [each._version for each in tensors]
        args, kwargs = self.given.with_leaves(leaves)
        try:
            if isinstance(self.part, torch.jit.ScriptModule):
                raise NotCapturedError("it is a torch.jit module")
            output = self.part._call_impl(*args, **kwargs)
            _refuse_strangers(output, f"{type(self.part).__name__} returns")
            made, self.returned = taken_apart(output)
        except Exception as error:  # what depends on values, or has no way to run without
            made = self._as_observed(tensors, error)
        outputs = [each for each in made if isinstance(each, Tensor)]
        if len(outputs) < len(made):
            raise NotCapturedError(f"{type(self.part).__name__} returns symbolic numbers")
        self.writes = before != [each._version for each in tensors]
        memory = {each.untyped_storage()._cdata for each in tensors}
        self.shares = self.assumed or any(each.untyped_storage()._cdata in memory for each in outputs)
        # What an operator returns may not be what it was given.
        return [each.clone() if any(each is other for other in tensors) else each for each in outputs]

    def _as_observed(self, tensors: Sequence[Tensor], error: Exception) -> list[Any]:
        """Outputs of the sizes that they had, where those of an input with the same one belong to it."""
        if self._observed is None:
            raise error
        given, returned = self._observed
        _refuse_strangers(returned, f"{type(self.part).__name__} returns")
        if numbers_in(returned):
            raise NotCapturedError(f"{type(self.part).__name__} returns numbers that depend on values")
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
def _parts_as_calls(module: nn.Module, inner: set[nn.Module], observed: Calls) -> Iterator[list[_Call]]:
    """Have the parts of a module record a call of themselves where they are called."""
    calls: list[_Call] = []
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


def _recording(part: nn.Module, calls: list[_Call], observed: Iterator[tuple[Any, Any]]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        _refuse_strangers((args, kwargs), f"{type(part).__name__} is given")
        leaves, given = taken_apart((args, kwargs))
        made = _Call(part, leaves, given, next(observed, None))
        calls.append(made)
        tensors = [each for each in leaves if isinstance(each, Tensor)]
        numbers = [each for each in leaves if not isinstance(each, Tensor)]
        output = torch.ops.upsample.part(len(calls) - 1, tensors, numbers)
        return made.returned.with_leaves(list(output))

    return call


def _as_call(graph: fx.Graph, node: fx.Node, call: _Call, names: Mapping[int, str]) -> None:
    """Put a call of the part itself in the place of what stands for it."""
    _, tensors, numbers = node.args
    waiting = {True: iter(tensors), False: iter(numbers)}  # type: ignore[arg-type]
    args, kwargs = call.given.with_leaves([next(waiting[each]) for each in call.order])
    with graph.inserting_before(node):
        made = graph.create_node("call_module", names[id(call.part)], args, kwargs)
        made.meta = {**node.meta, "writes": call.writes, "shares": call.shares}
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
