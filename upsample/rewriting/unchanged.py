"""Whether modules are still what they were when a forward pass was recorded, as far as it may depend on it.

A record holds what its module's Python read then: numbers, lists, functions, which of its parameters are there. What
parameters and buffers hold is read in every call, and no business of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

PLAIN = (bool, int, float, str, type(None))
"""Types of values that are compared, where all others have to be the same object."""

OF_TORCH = frozenset(vars(nn.Module())) - {"training"}
"""Attributes that torch gives every module."""

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""What a part that is gone into would have called."""

Kind = tuple[Any, ...]


def hooked(part: nn.Module) -> bool:
    """Whether calling a module calls something else besides."""
    return any(vars(part)[name] for name in HOOKS)


class Unchanged:
    """The settings of modules, as they are now.

    Args:
        module: whose forward pass was recorded.
        parts: of it that the record goes into.
        besides: attributes that the forward pass assigns to.
    """

    def __init__(
        self, module: nn.Module, parts: Iterable[nn.Module], besides: Iterable[tuple[nn.Module, str]] = ()
    ) -> None:
        self._parts = [part for part in parts if part is not module]
        # Somebody may come to put another forward pass into a part, too.
        self._patched = [(part, vars(part).get("forward")) for part in self._parts]
        mine = (module, *self._parts)
        left_out = set(besides)
        own = [
            (part, name, value)
            for part in mine
            for name, value in vars(part).items()
            if name not in OF_TORCH and (part, name) not in left_out and name != "forward"
        ]
        self._plain = [each for each in own if _is_plain(each[2])]
        self._others = [each for each in own if not _is_plain(each[2])]
        # Many modules share one configuration.
        held = {id(value): value for _, _, value in self._others if _holds(value)}
        self._contents = [(value, _contents(value)) for value in held.values()]
        self._kinds = [(part, type(part)) for part in mine]
        self._tensors = [
            (part, mapping, name, _kind(value))
            for part in mine
            for mapping in ("_parameters", "_buffers")
            for name, value in vars(part)[mapping].items()
            if (part, name) not in left_out
        ]
        within = set(self._parts)
        self._places = [
            (part, name, child) for part in mine for name, child in part._modules.items() if child in within
        ]

    def holds(self) -> bool:
        """Whether all of them are still the same."""
        return not (
            any(vars(part).get(name) != value for part, name, value in self._plain)
            or any(vars(part).get(name) is not value for part, name, value in self._others)
            or any(type(part) is not kind for part, kind in self._kinds)
            or any(parent._modules.get(name) is not part for parent, name, part in self._places)
            or any(_kind(vars(part)[mapping].get(name)) != kind for part, mapping, name, kind in self._tensors)
            or any(map(hooked, self._parts))
            or any(vars(part).get("forward") is not own for part, own in self._patched)
            or any(_contents(value) != contents for value, contents in self._contents)
        )


class _Itself:
    """Equal to the same object alone."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)


def _is_plain(value: Any) -> bool:
    return all(type(each) in PLAIN for each in value) if type(value) is tuple else type(value) in PLAIN


def _holds(value: Any) -> bool:
    """Whether a value may come to hold something else."""
    if isinstance(value, list | tuple | set | Mapping):
        return True
    # A configuration, not a class or a function.
    return hasattr(value, "__dict__") and not isinstance(value, Tensor | nn.Module | type) and not callable(value)


def _contents(value: Any, depth: int = 4) -> Any:
    """What a value holds, and what that holds, as something that can be compared."""
    if type(value) in PLAIN:
        return value
    if not depth or not _holds(value):
        return _Itself(value)
    if isinstance(value, set):
        return {each if type(each) in PLAIN else _Itself(each) for each in value}
    if isinstance(value, list | tuple):
        return [_contents(each, depth - 1) for each in value]
    return list(_pairs(value if isinstance(value, Mapping) else vars(value), depth))


def _pairs(mapping: Mapping[Any, Any], depth: int) -> Iterator[tuple[Any, Any]]:
    return ((key, _contents(each, depth - 1)) for key, each in mapping.items())


def _kind(tensor: Tensor | None) -> Kind | None:
    return None if tensor is None else (tensor.dtype, tensor.shape)
