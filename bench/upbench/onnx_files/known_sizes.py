"""What a graph computes of its own sizes: small tensors of numbers that follow from shapes and constants.

``Resize`` is often told its output's size by a chain of ``Shape``, ``Gather``, ``Mul`` and ``Concat``. What such a
chain yields is a term, such as ``2*H``, from which the factor follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import sympy

MOST_NUMBERS = 64
"""In a tensor that is looked at; shapes are shorter."""


@dataclass(frozen=True)
class Terms:
    """The values of a small tensor.

    Attributes:
        values: an array of terms.
        whole: whether its dtype is one of integers.
    """

    values: np.ndarray[Any, np.dtype[np.object_]]
    whole: bool


class NotFollowedError(Exception):
    """It is not known what an operator yields."""


def of_constant(tensor: ir.TensorProtocol) -> Terms | None:
    """A constant's values, if they are few numbers."""
    if tensor.size > MOST_NUMBERS or not (tensor.dtype.is_integer() or tensor.dtype.is_floating_point()):
        return None
    array = np.asarray(tensor.numpy())
    whole = tensor.dtype.is_integer()
    if not whole and not np.isfinite(array.astype(np.float64)).all():
        return None
    made = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        # A float is a fraction, and stays that very one.
        made[index] = sympy.Integer(int(array[index])) if whole else sympy.Rational(float(array[index]))
    return Terms(made, whole)


def of_shape(shape: list[sympy.Expr]) -> Terms:
    """A shape as a tensor."""
    made = np.empty(len(shape), object)
    made[:] = shape
    return Terms(made, True)


def is_standard(node: ir.Node) -> bool:
    """Whether ONNX itself says what an operator of that name does, and not somebody with a domain of their own."""
    return node.domain in ("", "ai.onnx")


def follow(node: ir.Node, given: list[Terms | None]) -> Terms | None:
    """What an operator yields of such tensors; None where that is not known."""
    rule = _RULES.get(node.op_type) if is_standard(node) else None
    if rule is None or not given or given[0] is None:
        return None
    try:
        return rule(node, given)
    except (NotFollowedError, IndexError, ValueError, TypeError, ZeroDivisionError):
        return None


def _numbers(given: list[Terms | None], place: int) -> list[int] | None:
    """Integers among the inputs; None where there is no such input."""
    if place >= len(given):
        return None
    each = given[place]
    if each is None:
        raise NotFollowedError
    flat = each.values.reshape(-1)
    if not all(one.is_Integer for one in flat):
        raise NotFollowedError
    return [int(one) for one in flat]


def ints(node: ir.Node, name: str) -> list[int] | None:
    """An attribute that is a list of integers; None without it."""
    attribute = node.attributes.get(name)
    return None if attribute is None else [int(each) for each in attribute.as_ints()]


def number(node: ir.Node, name: str, default: int) -> int:
    """An attribute that is an integer."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_int()


def _first(given: list[Terms | None]) -> Terms:
    assert given[0] is not None
    return given[0]


def _axes(node: ir.Node, given: list[Terms | None]) -> list[int] | None:
    return ints(node, "axes") or _numbers(given, 1)


def _gather(node: ir.Node, given: list[Terms | None]) -> Terms:
    if number(node, "axis", 0) != 0 or given[1] is None:
        raise NotFollowedError
    index = given[1].values.astype(np.int64)
    return Terms(np.asarray(_first(given).values[index], object), _first(given).whole)


def _slice(node: ir.Node, given: list[Terms | None]) -> Terms:
    starts, ends = _numbers(given, 1), _numbers(given, 2)
    axes, steps = _numbers(given, 3), _numbers(given, 4)
    if starts is None or ends is None or len(starts) != 1 or (axes or [0]) != [0]:
        raise NotFollowedError
    return Terms(_first(given).values[slice(starts[0], ends[0], (steps or [1])[0])], _first(given).whole)


def _concat(node: ir.Node, given: list[Terms | None]) -> Terms:
    if any(each is None for each in given):
        raise NotFollowedError
    return Terms(np.concatenate([each.values for each in given if each is not None]), _first(given).whole)


def _unsqueeze(node: ir.Node, given: list[Terms | None]) -> Terms:
    if _first(given).values.ndim != 0 or _axes(node, given) != [0]:
        raise NotFollowedError
    return Terms(_first(given).values.reshape(1), _first(given).whole)


def _squeeze(node: ir.Node, given: list[Terms | None]) -> Terms:
    if _first(given).values.shape != (1,):
        raise NotFollowedError
    return Terms(_first(given).values.reshape(()), _first(given).whole)


def _reshape(node: ir.Node, given: list[Terms | None]) -> Terms:
    return Terms(_first(given).values.reshape(_numbers(given, 1) or ()), _first(given).whole)


def _cast(node: ir.Node, given: list[Terms | None]) -> Terms:
    to = ir.DataType(number(node, "to", 0))
    if to.is_integer():
        # Sizes are not negative, so that cutting off is rounding down.
        return Terms(_each(sympy.floor, _first(given).values), True)
    if not to.is_floating_point():
        raise NotFollowedError
    return Terms(_first(given).values, False)


def _each(change: Callable[[Any], Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    made = np.empty(values.shape, object)
    for index in np.ndindex(values.shape):
        made[index] = change(values[index])
    return made


def _rounded(change: Callable[[Any], Any], node: ir.Node, given: list[Terms | None]) -> Terms:
    return Terms(_each(change, _first(given).values), _first(given).whole)


def _arithmetic(change: Callable[[Any, Any], Any], node: ir.Node, given: list[Terms | None]) -> Terms:
    one, other = given
    if one is None or other is None:
        raise NotFollowedError
    return Terms(np.asarray(change(one.values, other.values), object), one.whole and other.whole)


def _divided(node: ir.Node, given: list[Terms | None]) -> Terms:
    made = _arithmetic(lambda one, other: one / other, node, given)
    return Terms(_each(sympy.floor, made.values), True) if made.whole else made


_RULES: Mapping[str, Callable[[ir.Node, list[Terms | None]], Terms]] = {
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Cast": _cast,
    "Identity": lambda node, given: _first(given),
    "Floor": lambda node, given: _rounded(sympy.floor, node, given),
    "Ceil": lambda node, given: _rounded(sympy.ceiling, node, given),
    "Mul": lambda node, given: _arithmetic(lambda a, b: a * b, node, given),
    "Add": lambda node, given: _arithmetic(lambda a, b: a + b, node, given),
    "Sub": lambda node, given: _arithmetic(lambda a, b: a - b, node, given),
    "Div": _divided,
}
