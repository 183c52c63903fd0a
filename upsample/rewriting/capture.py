"""A module's forward pass as a graph for all sizes, recorded by ``torch.export`` while the module's own Python runs.

Only the module's own calls are recorded, and those of the parts that a site is made of. Every other part stays a call
of that part, whatever it does inside; and the module's own Python stays, for all that the graph is not known for.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._dynamo.exc import UserError
from torch.export import Dim, ExportedProgram, export
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from upsample.rewriting.parts import Calls, NotCapturedError, as_call, parts_as_calls, refuse_strangers
from upsample.rewriting.structure import Structure, taken_apart

SCOPE = "scope"
"""Under which the module lies in what is exported."""

NEEDLESS = ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range", "sym_constrain_range_for_size")
"""Operators that only check what is known of the graph; whether it may be used is checked before."""


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
    refuse_strangers((args, kwargs), "it is given")
    # A size of one would be taken for one that it always has; and some sizes are known only as they are.
    twice = [_doubled(each) for each in example]
    tries = [(twice, False), (example, False), (example, True)]
    if not doubled or all(one is other for one, other in zip(twice, example, strict=True)):
        del tries[0]
    reason: Exception | None = None
    for each, fixed in tries:
        try:
            return _captured(module, inner, given, each, example, calls or {}, fixed)
        except NotCapturedError:
            raise
        except Exception as error:  # whatever a user's own Python raises, and torch about it
            reason = reason or error
    assert reason is not None
    raise NotCapturedError(first_line(reason)) from reason


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
        refuse_strangers(output, "it returns")
        made, self.kept.returned = taken_apart(output)
        self.kept.outputs = len(made)
        self.kept.assigned = []
        for part, own in zip(self._parts, before, strict=True):
            for name, value in _attributes(part):
                if name not in own or own[name] is not value:
                    refuse_strangers(value, f"it assigns to {name}")
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
    fixed: bool,
) -> Captured:
    flat = _Flat(module, inner, given)
    dims = (None if fixed else [Dim.AUTO] * each.dim() for each in leaves)
    # With gradients, as a part of a forward pass without them is one that a graph must not have them in either.
    with parts_as_calls(module, inner, observed) as calls, _quietly(), torch.enable_grad():
        # As the arguments are variadic, so are the dimensions.
        program = export(flat, tuple(leaves), dynamic_shapes=(tuple(dims),), strict=False)
    graph = program.graph
    _refuse_what_a_graph_would_not_do(program)
    names = {id(part): path for path, part in reversed(list(module.named_modules()))}
    constants = _with_own_names(program, module)
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target is torch.ops.upsample.part.default:
            as_call(graph, node, calls[node.args[0]], names)
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
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
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
