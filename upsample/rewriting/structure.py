"""What a call is given and what it returns, as tensors and numbers in a row, and what holds them.

Lists, tuples, dictionaries and dataclasses are gone through, whether or not torch knows their class; whatever else
there is stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

Leaf = Tensor | torch.SymInt


@dataclass(frozen=True)
class Place:
    """Where the leaf of this number belongs."""

    number: int


class Sides(tuple[Any, ...]):
    """A ``torch.Size`` of which not all sides are numbers."""


@dataclass(frozen=True)
class Structure:
    """A value with a :class:`Place` for each of its leaves."""

    value: Any

    def with_leaves(self, leaves: list[Any]) -> Any:
        """Put the value together again; nothing of it is shared with what it was made from."""
        return mapped(self.value, lambda each: leaves[each.number] if isinstance(each, Place) else each)

    def moved(self, by: int) -> Structure:
        """The same for leaves that stand behind so many others."""
        return Structure(mapped(self.value, lambda each: Place(each.number + by) if isinstance(each, Place) else each))


def taken_apart(value: Any) -> tuple[list[Leaf], Structure]:
    """Return all tensors and symbolic numbers in a value, in order, and what holds them."""
    leaves: list[Leaf] = []

    def placed(each: Any) -> Any:
        if not isinstance(each, Tensor | torch.SymInt):
            return each
        leaves.append(each)
        return Place(len(leaves) - 1)

    return leaves, Structure(mapped(value, placed))


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A value of the same make, with what its containers hold changed."""
    if isinstance(value, Mapping):
        # A dictionary that is a dataclass as well, as outputs of model libraries are, keeps its class.
        pairs = {key: mapped(each, change) for key, each in value.items()}
        return pairs if type(value) is dict else _refilled(value, pairs)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(each, change) for each in value))
    if type(value) in (torch.Size, Sides):
        sides = [mapped(each, change) for each in value]
        return torch.Size(sides) if all(type(each) is int for each in sides) else Sides(sides)
    if type(value) in (list, tuple):
        return type(value)(mapped(each, change) for each in value)
    if is_dataclass(value) and not isinstance(value, type | Place):
        same = copy(value)
        for each in fields(value):
            object.__setattr__(same, each.name, mapped(getattr(value, each.name), change))
        return same
    return change(value)


def _refilled(value: Mapping[Any, Any], pairs: dict[Any, Any]) -> Any:
    same: Any = copy(value)
    for key, each in pairs.items():
        same[key] = each
    return same


OF_TORCH = (torch.dtype, torch.device, torch.layout, torch.memory_format)
CONSTANTS = (bool, int, float, complex, str, bytes, type(None), Enum, *OF_TORCH)


def stranger(value: Any) -> str | None:
    """The class of what a value holds besides tensors, sizes and constants: it may hold tensors, or change; or None."""
    found: list[str] = []

    def look(each: Any) -> Any:
        known = isinstance(each, (Tensor, torch.SymInt, Place, *CONSTANTS))
        if not known and (not callable(each) or isinstance(each, nn.Module)):
            found.append(type(each).__name__)
        return each

    mapped(value, look)
    return found[0] if found else None


def numbers_in(value: Any) -> list[Any]:
    """The numbers and texts in a value; a missing one is none."""
    found: list[Any] = []
    mapped(value, lambda each: found.append(each) if isinstance(each, bool | int | float | complex | str) else None)
    return found


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors of a value, in order."""
    return (each for each in taken_apart(value)[0] if isinstance(each, Tensor))
