"""The operators of ONNX that are functions of every position by itself, as ATen's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, fx

from upbench.onnx_files.known_sizes import number
from upbench.onnx_files.layers_read import real, text
from upbench.onnx_files.recording import DTYPES, NotReadError, Recording, same_shape

aten = torch.ops.aten

SELU = (1.67326319217681884765625, 1.05070102214813232421875)
"""ONNX's alpha and gamma, to as many digits as torch's in float32."""


def _unary(target: Any) -> Callable[[Recording, ir.Node], fx.Node]:
    def read(own: Recording, node: ir.Node) -> fx.Node:
        return own.call(target, own.image(node))

    return read


def _clip(own: Recording, node: ir.Node) -> fx.Node:
    input = own.image(node)
    low, high = own.numbers(node, 1), own.numbers(node, 2)
    if low is None and high is None:
        return own.call(aten.alias.default, input)
    return own.call(aten.clamp.default, input, low and low[0], high and high[0])


def _leaky_relu(own: Recording, node: ir.Node) -> fx.Node:
    return own.call(aten.leaky_relu.default, own.image(node), real(node, "alpha", 0.01))


def _elu(own: Recording, node: ir.Node) -> fx.Node:
    return own.call(aten.elu.default, own.image(node), real(node, "alpha", 1.0))


def _selu(own: Recording, node: ir.Node) -> fx.Node:
    given = real(node, "alpha", SELU[0]), real(node, "gamma", SELU[1])
    if any(abs(one - other) > 1e-6 for one, other in zip(given, SELU, strict=True)):
        raise NotReadError("")
    return own.call(aten.selu.default, own.image(node))


def _hard_sigmoid(own: Recording, node: ir.Node) -> fx.Node:
    alpha, beta = real(node, "alpha", 0.2), real(node, "beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return own.call(aten.hardsigmoid.default, own.image(node))
    line = own.call(aten.add.Tensor, own.call(aten.mul.Tensor, own.image(node), alpha), beta)
    return own.call(aten.clamp.default, line, 0.0, 1.0)


def _gelu(own: Recording, node: ir.Node) -> fx.Node:
    return own.call(aten.gelu.default, own.image(node), approximate=text(node, "approximate", "none"))


def _swish(own: Recording, node: ir.Node) -> fx.Node:
    if real(node, "alpha", 1.0) != 1.0:
        raise NotReadError("")
    return own.call(aten.silu.default, own.image(node))


def _prelu(own: Recording, node: ir.Node) -> fx.Node:
    input, slope = own.image(node), own.array(node, 1)
    channels = input.meta["val"].shape[1]
    if slope is None or slope.dtype not in DTYPES or slope.size not in (1, channels):
        raise NotReadError("")
    shape = list(slope.shape.numpy())
    if slope.size > 1 and (len(shape) < 3 or shape[-3] != channels):
        raise NotReadError("")
    weight = own.parameter(slope, f"{own.name_of(node)}.weight", lambda tensor: tensor.flatten())
    return own.call(aten.prelu.default, input, weight)


def _batch_norm(own: Recording, node: ir.Node) -> fx.Node:
    if number(node, "training_mode", 0) or len([each for each in node.outputs if each.name]) != 1:
        raise NotReadError("")
    input = own.image(node)
    for place in range(1, 5):
        own.array(node, place)
    names = ("weight", "bias", "running_mean", "running_var")
    given = [own.weight(node, place, name) for place, name in enumerate(names, 1)]
    return own.call(aten.batch_norm.default, input, *given, False, 0.0, real(node, "epsilon", 1e-5), False)


def _same(own: Recording, node: ir.Node) -> fx.Node:
    # A call of its own, so that whatever takes the place of what is around it takes its place as well.
    return own.call(aten.alias.default, own.image(node))


def _dropout(own: Recording, node: ir.Node) -> fx.Node:
    training = own.numbers(node, 2)
    if (training is not None and training[0]) or any(each.uses() for each in node.outputs[1:]):
        raise NotReadError("")
    return _same(own, node)


def _operand(own: Recording, node: ir.Node, place: int) -> fx.Node | float:
    value = node.inputs[place]
    assert value is not None
    constant = own.constant_of(value)
    if constant is None:
        return own.image(node, place)
    if constant.dtype not in DTYPES:
        raise NotReadError("")
    if constant.size == 1 and len(constant.shape) <= 4:
        return float(np.asarray(constant.numpy()).reshape(()))
    return own.parameter(constant, f"{own.name_of(node)}.constant")


def _arithmetic(target: Any) -> Callable[[Recording, ir.Node], fx.Node]:
    def read(own: Recording, node: ir.Node) -> fx.Node:
        one, other = (_operand(own, node, place) for place in (0, 1))
        if (whole := _gated(own, node, target, one, other)) is not None:
            return whole
        images = [each for each in (one, other) if isinstance(each, fx.Node) and each.op != "get_attr"]
        if not images:
            raise NotReadError("")
        like: Tensor = images[0].meta["val"]
        if len(images) == 2 and not same_shape(like, images[1].meta["val"]):
            # Either could be repeated along an axis.
            raise NotReadError("")
        if isinstance(one, float):
            one = own.made_of(lambda value=one: torch.tensor(value, dtype=like.dtype), _scalar(own, like), "constant")  # type: ignore[misc]
        made = own.call(target, one, other)
        if not same_shape(made.meta["val"], like):
            own.forget(made)
            raise NotReadError("")
        return made

    return read


def _scalar(own: Recording, like: Tensor) -> Tensor:
    return own.symbols.tensor([], like.dtype)


def _gated(own: Recording, node: ir.Node, target: Any, one: Any, other: Any) -> fx.Node | None:
    """``x * sigmoid(x)``, which is one function of one value."""
    if target is not aten.mul.Tensor:
        return None
    for gate, input in ((one, other), (other, one)):
        if not isinstance(gate, fx.Node) or gate.target is not aten.sigmoid.default or gate.args != (input,):
            continue
        value = own.values.get(gate)
        if value is None or len(value.uses()) != 1 or value.is_graph_output():
            continue
        made = own.call(aten.silu.default, input)
        own.origin[made] = [*own.origin[gate], *own.origin[made]]
        for each in [each for each, there in own.nodes.items() if there is gate]:
            del own.nodes[each]
        own.forget(gate)
        return made
    return None


FUNCTIONS: Mapping[str, Callable[[Recording, ir.Node], fx.Node]] = {
    "Relu": _unary(aten.relu.default),
    "Sigmoid": _unary(aten.sigmoid.default),
    "Tanh": _unary(aten.tanh.default),
    "HardSwish": _unary(aten.hardswish.default),
    "Softplus": _unary(aten.softplus.default),
    "Mish": _unary(aten.mish.default),
    "Exp": _unary(aten.exp.default),
    "Erf": _unary(aten.erf.default),
    "Abs": _unary(aten.abs.default),
    "Sqrt": _unary(aten.sqrt.default),
    "Neg": _unary(aten.neg.default),
    "LeakyRelu": _leaky_relu,
    "Elu": _elu,
    "Selu": _selu,
    "HardSigmoid": _hard_sigmoid,
    "Gelu": _gelu,
    "Swish": _swish,
    "Clip": _clip,
    "PRelu": _prelu,
    "BatchNormalization": _batch_norm,
    "Identity": _same,
    "Dropout": _dropout,
    "Add": _arithmetic(aten.add.Tensor),
    "Sub": _arithmetic(aten.sub.Tensor),
    "Mul": _arithmetic(aten.mul.Tensor),
    "Div": _arithmetic(aten.div.Tensor),
}
