"""How each of ATen's functions of every position by itself is written in ONNX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import onnx_ir as ir
from torch import fx

from upbench.onnx_files.layer_rules import arguments
from upbench.onnx_files.writer import NotWrittenError, Rule, Writer


def _input(own: Writer, node: fx.Node) -> ir.Value:
    return own.value(node.args[0])


def _plain(kind: str, **attributes: Any) -> Rule:
    return lambda own, node: own.op(kind, _input(own, node), **attributes)


def _leaky_relu(own: Writer, node: fx.Node) -> ir.Value:
    return own.op("LeakyRelu", _input(own, node), alpha=float(arguments(node)["negative_slope"]))


def _elu(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    if given["scale"] != 1 or given["input_scale"] != 1:
        raise NotWrittenError("elu of another scale")
    return own.op("Elu", _input(own, node), alpha=float(given["alpha"]))


def _clamp(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    like: Any = node.args[0]
    limits = [given.get(name) for name in ("min", "max")]
    return own.op("Clip", _input(own, node), *(None if each is None else own.scalar(each, like) for each in limits))


def _hardswish(own: Writer, node: fx.Node) -> ir.Value:
    input = _input(own, node)
    if own.opset >= 14:
        return own.op("HardSwish", input)
    return own.op("Mul", input, own.op("HardSigmoid", input, alpha=1 / 6, beta=0.5))


def _silu(own: Writer, node: fx.Node) -> ir.Value:
    input = _input(own, node)
    return own.op("Mul", input, own.op("Sigmoid", input))


def _softplus(own: Writer, node: fx.Node) -> ir.Value:
    if arguments(node)["beta"] != 1:
        raise NotWrittenError("softplus of another beta")
    return own.op("Softplus", _input(own, node))


def _mish(own: Writer, node: fx.Node) -> ir.Value:
    input = _input(own, node)
    if own.opset >= 18:
        return own.op("Mish", input)
    return own.op("Mul", input, own.op("Tanh", own.op("Softplus", input)))


def _gelu(own: Writer, node: fx.Node) -> ir.Value:
    input, how = _input(own, node), str(arguments(node)["approximate"])
    if own.opset >= 20:
        return own.op("Gelu", input, approximate=how)
    like: Any = node.args[0]
    half, one = own.scalar(0.5, like), own.scalar(1.0, like)
    if how == "none":
        inner = own.op("Erf", own.op("Mul", input, own.scalar(1 / math.sqrt(2), like)))
    else:
        cube = own.op("Mul", own.op("Mul", input, input), own.op("Mul", input, own.scalar(0.044715, like)))
        inner = own.op("Tanh", own.op("Mul", own.op("Add", input, cube), own.scalar(math.sqrt(2 / math.pi), like)))
    return own.op("Mul", own.op("Mul", input, half), own.op("Add", inner, one))


def _prelu(own: Writer, node: fx.Node) -> ir.Value:
    weight = own.held(node.args[1])
    if weight is None:
        raise NotWrittenError("the slope of prelu is computed")
    return own.op("PRelu", _input(own, node), own.constant(weight.detach().reshape(-1, 1, 1).numpy()))


def _batch_norm(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    named = [given[name] for name in ("weight", "bias", "running_mean", "running_var")]
    if any(each is None for each in named):
        raise NotWrittenError("a normalisation without weights")
    return own.op("BatchNormalization", _input(own, node), *map(own.value, named), epsilon=float(given["eps"]))


def _arithmetic(kind: str) -> Rule:
    def write(own: Writer, node: fx.Node) -> ir.Value:
        given = arguments(node)
        if given.get("alpha", 1) != 1 or given.get("rounding_mode") is not None:
            raise NotWrittenError("arithmetic of another kind")
        both = given["self"], given["other"]
        like = next(each for each in both if isinstance(each, fx.Node))
        return own.op(
            kind, *(own.value(each) if isinstance(each, fx.Node) else own.scalar(each, like) for each in both)
        )

    return write


FUNCTION_RULES: Mapping[str, Rule] = {
    "relu": _plain("Relu"),
    "sigmoid": _plain("Sigmoid"),
    "tanh": _plain("Tanh"),
    "exp": _plain("Exp"),
    "erf": _plain("Erf"),
    "abs": _plain("Abs"),
    "sqrt": _plain("Sqrt"),
    "neg": _plain("Neg"),
    "selu": _plain("Selu"),
    "hardsigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hardswish": _hardswish,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "clamp": _clamp,
    "silu": _silu,
    "softplus": _softplus,
    "mish": _mish,
    "gelu": _gelu,
    "prelu": _prelu,
    "batch_norm": _batch_norm,
    "add": _arithmetic("Add"),
    "sub": _arithmetic("Sub"),
    "mul": _arithmetic("Mul"),
    "div": _arithmetic("Div"),
}
"""By ATen's name, without the underscore of what writes into its input."""
