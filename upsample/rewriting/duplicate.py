"""Copies of modules that do not let themselves be copied, and modules as they were before somebody looked at them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

Module = TypeVar("Module", bound=nn.Module)

REGISTERED = ("_parameters", "_buffers", "_modules")
"""What a module keeps its registered attributes in."""

CONTAINERS = (list, dict, set, OrderedDict, defaultdict)
"""Of which the contents are put back as well; hooks are kept in such."""

OF_FX = ("_tensor_constant", "_torchbind_obj", "_tree_spec_constant", "_opaque_obj")
"""Beginnings of the names under which tracing keeps what its graph goes on to use."""


class NotCopiedError(Exception):
    """A module cannot be copied; one clause says why."""


def duplicate(module: Module) -> Module:
    """Copy a module with all its state.

    Tensors that were computed, such as the weight that the old ``weight_norm`` leaves in a module after every forward
    pass, cannot be copied by torch; the copy has their values.

    Raises:
        NotCopiedError: it has layers that have never run, or holds something that cannot be copied.
    """
    try:
        tensors = list(_tensors_in([vars(part) for part in module.modules()], set()))
        if any(is_lazy(each) for each in tensors):
            raise NotCopiedError("it has lazy layers that have no weights before their first call")
        memo: dict[int, Any] = {id(each): each.detach().clone() for each in tensors if not each.is_leaf}
        return deepcopy(module, memo)
    except NotCopiedError:
        raise
    except Exception as error:  # a part of a user's own may raise anything
        raise NotCopiedError(f"a part of it cannot be: {error}") from error


def _tensors_in(value: Any, seen: set[int]) -> Iterator[Tensor]:
    """All tensors in a value and in what it holds, once; a list may hold itself."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors_in(each, seen)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _tensors_in(each, seen)


@contextmanager
def left_as_it_was(module: nn.Module) -> Iterator[list[str]]:
    """Put the attributes of a module and its parts back as they were; yields a list that names those that changed.

    The list is filled in at the end. What lists, dictionaries and sets held is put back as well. A tensor that was
    written to is named, and keeps what was written.
    """
    changed: list[str] = []
    parts = [(name, part) for name, part in module.named_modules() if not isinstance(part, torch.jit.ScriptModule)]
    before = [(f"{name}." if name else "", part, _Attributes(part)) for name, part in parts]
    try:
        yield changed
    finally:
        for path, part, attributes in before:
            changed += [path + name for name in attributes.put_back(part)]


@dataclass
class _Held:
    """An attribute, what it held if it is a container, and how often it had been written to if it is a tensor."""

    value: Any
    contents: Any
    version: int

    def __init__(self, value: Any) -> None:
        self.value = value
        self.contents = copy(value) if type(value) in CONTAINERS else None
        self.version = _version(value)

    def put_back(self) -> bool:
        """Whether a container or a tensor was changed; a container is as it was, then."""
        if self.contents is None:
            return _version(self.value) != self.version
        if len(self.value) == len(self.contents) and all(
            one is other for one, other in zip(_flat(self.value), _flat(self.contents), strict=True)
        ):
            return False
        self.value.clear()
        (self.value.extend if isinstance(self.value, list) else self.value.update)(self.contents)
        return True


class _Attributes:
    """The attributes of one module, plain and registered."""

    def __init__(self, part: nn.Module) -> None:
        self._kept = {
            kind: {name: _Held(value) for name, value in mapping.items()} for kind, mapping in _mappings(part).items()
        }

    def put_back(self, part: nn.Module) -> list[str]:
        """Put everything back in its order; the names of what had changed."""
        changed = []
        for kind, kept in self._kept.items():
            mapping = _mappings(part)[kind]
            of_fx = {name: value for name, value in mapping.items() if name.startswith(OF_FX)}
            names = dict.fromkeys([*kept, *mapping])
            for name in names:
                if name in of_fx or (kind == "" and name in REGISTERED):
                    continue
                replaced = name not in kept or name not in mapping or mapping[name] is not kept[name].value
                if (name in kept and kept[name].put_back()) or replaced:
                    changed.append(name)
            mapping.clear()
            mapping.update({name: held.value for name, held in kept.items()} | of_fx)
        return changed


def _mappings(part: nn.Module) -> dict[str, dict[str, Any]]:
    own = vars(part)
    return {**{kind: own[kind] for kind in REGISTERED}, "": own}


def _flat(container: Any) -> list[Any]:
    return [each for item in container.items() for each in item] if isinstance(container, dict) else list(container)


def _version(value: Any) -> int:
    return value._version if isinstance(value, Tensor) and not value.is_inference() else 0
