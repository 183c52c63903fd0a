"""The names of operators in a graph, and their arguments, whether torch.export or TorchDynamo recorded it.

A graph holds ATen's operators or torch's functions. Both are read by their names; whatever has no name here is no step
that could be rewritten, which is never wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from upsample.contract import UnsupportedError

PURE = (
    "relu relu6 leaky_relu silu gelu elu selu celu sigmoid tanh hardswish hardsigmoid hardtanh softplus mish logsigmoid"
    " log_sigmoid clamp clamp_min clamp_max clip abs exp expm1 log1p sqrt square sin cos erf tanhshrink softsign"
    " hardshrink softshrink threshold reciprocal round floor ceil trunc sign log rsqrt pow"
)
"""Functions of one value at each position, by the names of torch and of ATen."""

FUNCTIONS = frozenset(PURE.split())
AFFINE = frozenset({"add", "iadd", "sub", "isub", "rsub", "mul", "imul", "div", "truediv", "itruediv", "neg"})
"""Arithmetic that is affine in its input where the other operand does not depend on the position."""

JOINING = frozenset({"cat", "concat", "concatenate"})
MODES = {
    "upsample_nearest2d": "nearest",
    "_upsample_nearest_exact2d": "nearest-exact",
    "upsample_bilinear2d": "bilinear",
    "upsample_bicubic2d": "bicubic",
}
ELSEWHERE = {
    **dict.fromkeys(
        [
            "upsample_nearest1d",
            "upsample_linear1d",
            "_upsample_nearest_exact1d",
            "upsample_nearest3d",
            "upsample_trilinear3d",
            "_upsample_nearest_exact3d",
            "conv_transpose1d",
            "conv_transpose3d",
        ],
        "it has one or three dimensions, and forms are known for two.",
    ),
    **dict.fromkeys(
        ["_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "_upsample_lanczos2d_aa"],
        "interpolation with antialias is left alone.",
    ),
}
"""What makes a value larger and is left alone, with the reason."""

GROWING = frozenset({*MODES, "interpolate", "upsample", "pixel_shuffle", "conv_transpose2d"})
"""Names of what makes the value that it is given larger."""

NAMESPACES = (None, "torch", "torch.nn.functional", "torch._C._nn", "torch._jit_internal", "_operator")
"""Of torch's functions; those that are built in name no module."""


def operation(node: fx.Node) -> str:
    """The name of what a node does, without the underscore of what writes into its input; empty for anything else."""
    name = ""
    if node.op == "call_function":
        schema = getattr(node.target, "_schema", None)
        if schema is not None:
            name = schema.name.removeprefix("aten::")
        elif getattr(node.target, "__module__", None) in NAMESPACES:
            name = getattr(node.target, "__name__", "")
    elif node.op == "call_method":
        name = str(node.target)
    stripped = name.rstrip("_")
    return name if name.startswith("__") else stripped


def elsewhere(name: str) -> str | None:
    """Why an operator that makes a value larger is left alone; None for all others."""
    if "::" in name and any(each in name for each in ("upsample", "conv_transpose", "pixel_shuffle")):
        return f"{name} is not known here."
    return ELSEWHERE.get(name)


def grows(node: fx.Node) -> bool:
    """Whether a node makes a value larger, known or not."""
    name = operation(node)
    return name in GROWING or elsewhere(name) is not None


def writes(node: fx.Node) -> bool:
    """Whether a node writes into what it is given."""
    if node.op == "call_function" and hasattr(node.target, "_schema"):
        return bool(node.target._schema.is_mutable)
    if node.kwargs.get("inplace") is True:
        return True
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    return name in IN_PLACE or name in ("setitem", "__setitem__") or (name.endswith("_") and not name.endswith("__"))


IN_PLACE = frozenset({"iadd", "isub", "imul", "itruediv"})
"""Of Python's operators."""


def value_of(node: fx.Node) -> Any:
    """What a node stands for, as the fake tensor or symbolic number that was seen; None where it is not known."""
    return node.meta.get("val", node.meta.get("example_value"))


def shape_of(node: Any) -> tuple[Any, ...]:
    """The shape of a node's tensor; empty for anything else."""
    value = value_of(node) if isinstance(node, fx.Node) else None
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def hinted(number: Any) -> int:
    """The size that a symbolic number had in the example.

    Raises:
        UnsupportedError: nobody knows.
    """
    if isinstance(number, fx.Node):
        number = value_of(number)
    if isinstance(number, torch.SymInt):
        number = number.node.hint
    if number is None:
        raise UnsupportedError("its size is not known before it runs.")
    return int(number)


def arguments(node: fx.Node, names: Sequence[str]) -> dict[str, Any]:
    """The arguments of a call by name.

    Raises:
        UnsupportedError: there are others, as torch may come to know more of them.
    """
    schema = getattr(node.target, "_schema", None)
    own = [each.name for each in schema.arguments] if schema is not None else list(names)
    given = {**dict(zip(own, node.args, strict=False)), **node.kwargs}
    known = {_ALIASES.get(name, name): value for name, value in given.items()}
    if len(node.args) > len(own) or known.keys() - {*names, "inplace"}:
        raise UnsupportedError("it is called with arguments that are not known here.")
    return known


_ALIASES = {"self": "input"}
