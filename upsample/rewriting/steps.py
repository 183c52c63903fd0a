"""What a node of a graph does: a linear layer, values side by side, a function of every position, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import sympy
import torch
from torch import Tensor, fx, nn

from upsample.contract import UnsupportedError
from upsample.rewriting.vocabulary import (
    AFFINE,
    FUNCTIONS,
    JOINING,
    MODES,
    arguments,
    elsewhere,
    hinted,
    operation,
    shape_of,
    value_of,
)


@dataclass(frozen=True)
class Given:
    """A layer's parameter, made from values of the graph.

    Attributes:
        sources: the values.
        make: from them to the parameter.
    """

    sources: tuple[fx.Node, ...]
    make: Callable[..., Tensor]

    def then(self, change: Callable[[Tensor], Tensor]) -> Given:
        """The same with one more change at its end."""
        return Given(self.sources, partial(_in_turn, self.make, change))


def _in_turn(first: Callable[..., Tensor], second: Callable[[Tensor], Tensor], *sources: Tensor) -> Tensor:
    return second(first(*sources))


def itself(source: Tensor) -> Tensor:
    """The parameter is a value of the graph."""
    return source


@dataclass(frozen=True)
class Linear:
    """A linear layer.

    Attributes:
        input: the value that it is called with.
        layer: a module that does the same, with parameters on the meta device.
        given: what its parameters are.
        size: of the output, for an interpolation that is told it in the call.
        node: that calls it.
    """

    input: fx.Node
    layer: nn.Module
    given: Mapping[str, Given] = field(default_factory=dict)
    size: tuple[Any, ...] | None = None
    node: fx.Node | None = None


@dataclass(frozen=True)
class Joined:
    """Values side by side in the order of their channels."""

    parts: tuple[fx.Node, ...]


@dataclass(frozen=True)
class Pointwise:
    """A function of every position by itself, which may know its channel.

    Attributes:
        inputs: the values whose positions it reads.
        per_channel: arguments with a value for each channel, or one for all.
        affine: whether it is one in its inputs, so that weights that sum to one may be applied before or after it.
    """

    inputs: tuple[fx.Node, ...]
    per_channel: tuple[fx.Node, ...] = ()
    affine: bool = False


@dataclass(frozen=True)
class Same:
    """Hands its input on.

    Attributes:
        input: the value.
        zeros: symbolic numbers for which it does so only if they are zero.
    """

    input: fx.Node
    zeros: tuple[torch.SymInt, ...] = ()


Step = Linear | Joined | Pointwise | Same

CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
ANY_CONV = (*CONV[:6], "transposed", "output_padding", "groups")
INTERPOLATE = ("input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias")


def step(node: fx.Node) -> Step | None:
    """What a node does, or None for what is no step here.

    Raises:
        UnsupportedError: it looks like one, and is none that could be rewritten; one sentence says why.
    """
    name = operation(node)
    if node.op == "placeholder" or not name:
        return None
    if (reason := elsewhere(name)) is not None:
        raise UnsupportedError(reason)
    describe = _STEPS.get(name)
    if describe is not None:
        made = describe(node)
        return replace(made, node=node) if isinstance(made, Linear) else made
    if name in FUNCTIONS:
        return _function(node)
    if name in AFFINE:
        return _arithmetic(node, name)
    return None


def _conv(node: fx.Node) -> Linear | None:
    given = arguments(node, CONV)
    return _convolution(given, nn.Conv2d)


def _conv_transpose(node: fx.Node) -> Linear | None:
    return _convolution(arguments(node, TRANSPOSED), nn.ConvTranspose2d)


def _any_convolution(node: fx.Node) -> Linear | None:
    given = arguments(node, ANY_CONV)
    transposed = given.pop("transposed")
    if not transposed:
        given.pop("output_padding")
    return _convolution(given, nn.ConvTranspose2d if transposed else nn.Conv2d)


def _convolution(given: dict[str, Any], kind: Callable[..., nn.Module]) -> Linear | None:
    input, weight, bias = given.pop("input"), given.pop("weight"), given.pop("bias", None)
    shape = shape_of(weight)
    if len(shape) != 4 or len(shape_of(input)) not in (0, 3, 4):
        return None
    given = {name: fx.map_arg(value, _constant) for name, value in given.items()}
    if any(isinstance(each, fx.Node) for value in given.values() for each in _flat(value)):
        raise UnsupportedError("its settings are computed in the forward pass.")
    settings: dict[str, Any] = {
        key: value if isinstance(value, str | int) else _pair(value) for key, value in given.items()
    }
    groups, sides = settings.get("groups", 1), [int(each) for each in shape]
    channels = (sides[1] * groups, sides[0]) if kind is nn.Conv2d else (sides[0], sides[1] * groups)
    layer = kind(*channels, sides[2:], bias=bias is not None, device="meta", **settings)
    parameters = {"weight": Given((weight,), itself)}
    if bias is not None:
        parameters["bias"] = Given((bias,), itself)
    return Linear(input, layer, parameters)


def _constant(node: fx.Node) -> Any:
    """The number that a computed one always is, or the node that computes it."""
    value = value_of(node)
    if isinstance(value, torch.SymInt) and (number := sympy.expand(value.node.expr)).is_number:
        return int(number)
    return value if isinstance(value, int) else node


def _shuffle(node: fx.Node) -> Linear:
    given = arguments(node, ("input", "upscale_factor"))
    return Linear(given["input"], nn.PixelShuffle(int(given["upscale_factor"])))


def _upsample(node: fx.Node) -> Linear:
    """ATen's interpolations, of which each mode is an operator."""
    names = ("input", "output_size", "align_corners", "scale_factors", "scales_h", "scales_w")
    given, mode = arguments(node, names), MODES[operation(node)]
    factors = given.get("scale_factors") or _scales(given)
    corners = given.get("align_corners") if mode.startswith("bi") else None
    return _interpolation(given["input"], given.get("output_size"), factors, mode, corners)


def _scales(given: Mapping[str, Any]) -> tuple[float, float] | None:
    high, wide = given.get("scales_h"), given.get("scales_w")
    # ATen is told both, the size for the output and the factors for the positions.
    return None if high is None or wide is None else (high, wide)


def _interpolate(node: fx.Node) -> Linear:
    """``torch.nn.functional.interpolate``."""
    given = arguments(node, INTERPOLATE)
    if given.get("antialias"):
        raise UnsupportedError("interpolation with antialias is left alone.")
    factor, size = given.get("scale_factor"), given.get("size")
    if given.get("recompute_scale_factor"):
        size, factor = [hinted(side) for side in shape_of(node)[2:]], None
        if any(isinstance(side, torch.SymInt) for side in shape_of(node)[2:]):
            raise UnsupportedError("its size is computed from a factor anew.")
    factors = None if factor is None else _pair(factor)
    return _interpolation(given["input"], size, factors, given.get("mode", "nearest"), given.get("align_corners"))


def _interpolation(input: fx.Node, size: Any, factors: Any, mode: str, corners: Any) -> Linear:
    shape = shape_of(input)
    if shape and len(shape) != 4:
        raise UnsupportedError(f"it is given {len(shape)} dimensions, and forms are known for four.")
    if factors is not None:
        if any(isinstance(each, fx.Node) for each in factors):
            raise UnsupportedError("its factor is computed in the forward pass.")
        return Linear(input, nn.Upsample(None, tuple(float(each) for each in factors), mode, corners))
    if size is None:
        raise UnsupportedError("it is told neither a size nor a factor.")
    if isinstance(size, fx.Node) and size.target is torch.Size:
        # TorchDynamo makes one of symbolic numbers.
        (size,) = size.args
    if isinstance(size, fx.Node):
        raise UnsupportedError("its size is computed in the forward pass.")
    sizes = _pair(size)
    wanted = [hinted(each) for each in sizes]
    present = [hinted(each) for each in shape[2:]]
    if all(now and want % now == 0 for want, now in zip(wanted, present, strict=True)):
        whole = tuple(float(want // now) for want, now in zip(wanted, present, strict=True))
        return Linear(input, nn.Upsample(None, whole, mode, corners), size=sizes)
    return Linear(input, nn.Upsample(tuple(wanted), None, mode, corners), size=sizes)


PADDING: dict[str, Callable[..., nn.Module]] = {
    "reflect": nn.ReflectionPad2d,
    "replicate": nn.ReplicationPad2d,
    "circular": nn.CircularPad2d,
    "constant": nn.ConstantPad2d,
}


def _pad(node: fx.Node) -> Linear | Same | None:
    given = arguments(node, ("input", "pad", "mode", "value"))
    return _padding(given["input"], given["pad"], given.get("mode", "constant"), given.get("value"))


def _constant_pad(node: fx.Node) -> Linear | Same | None:
    given = arguments(node, ("input", "pad", "value"))
    return _padding(given["input"], given["pad"], "constant", given.get("value"))


def _fixed_pad(mode: str, node: fx.Node) -> Linear | Same | None:
    given = arguments(node, ("input", "padding"))
    return _padding(given["input"], given["padding"], mode, None)


def _padding(input: fx.Node, sides: Any, mode: str, value: Any) -> Linear | Same | None:
    if len(sides) > 4 or len(shape_of(input)) != 4:
        return None
    computed = [value_of(each) for each in fx.map_arg(list(sides), _constant) if isinstance(each, fx.Node)]
    if computed:
        if any(map(hinted, [*computed, *(each for each in sides if not isinstance(each, fx.Node))])):
            raise UnsupportedError("its padding is computed in the forward pass.")
        # As where a value is padded to the size of another, which it mostly has.
        return Same(input, tuple(computed))
    four: Any = tuple(int(each) for each in [*fx.map_arg(list(sides), _constant), 0, 0][:4])
    if mode == "constant":
        return Linear(input, nn.ConstantPad2d(four, float(value or 0)))
    return Linear(input, PADDING[mode](four))


def _cat(node: fx.Node) -> Joined | None:
    given = arguments(node, ("tensors", "dim"))
    parts = given["tensors"]
    if not isinstance(parts, list | tuple) or any(len(shape_of(part)) != 4 for part in parts):
        return None
    return Joined(tuple(parts)) if given.get("dim", 0) in (1, -3) else None


def _dropout(node: fx.Node) -> Same | None:
    given = arguments(node, ("input", "p", "training", "train"))
    on = given.get("train", given.get("training", True))
    return Same(given["input"]) if on is False or given.get("p") == 0 else None


def _same(node: fx.Node) -> Same:
    return Same(node.all_input_nodes[0])


def _prelu(node: fx.Node) -> Pointwise:
    given = arguments(node, ("input", "weight"))
    return Pointwise((given["input"],), (given["weight"],))


def _batch_norm(node: fx.Node) -> Pointwise | None:
    names: tuple[str, ...] = ("input", "weight", "bias", "running_mean", "running_var")
    names += ("training", "momentum", "eps", "cudnn_enabled")
    own = getattr(node.target, "_schema", None) is None and getattr(node.target, "__module__", "") != "torch"
    if own:
        # torch.nn.functional has another order, and no last one.
        names = (names[0], *names[3:5], *names[1:3], *names[5:8])
    given = arguments(node, names)
    if given.get("training") is not False or len(shape_of(given["input"])) != 4:
        return None
    further = (given.get(name) for name in names[1:5] if name != "training")
    return Pointwise((given["input"],), tuple(each for each in further if isinstance(each, fx.Node)), affine=True)


def _function(node: fx.Node) -> Pointwise | None:
    inputs = node.all_input_nodes
    first = node.args[0] if node.args else node.kwargs.get("input")
    # Clamping to tensors, or a power that is one, has other inputs.
    return Pointwise((inputs[0],)) if len(inputs) == 1 and inputs[0] is first else None


def _arithmetic(node: fx.Node, name: str) -> Pointwise | None:
    names = ("input", "other", "alpha", "rounding_mode")
    given = arguments(node, names)
    if given.get("rounding_mode") is not None or isinstance(given.get("alpha"), fx.Node):
        return None
    operands = [each for each in (given["input"], given.get("other")) if isinstance(each, fx.Node)]
    if any(not isinstance(value_of(each), Tensor | int | float) for each in operands):
        return None
    full = [each for each in operands if not _everywhere_the_same(each)]
    if not full or any(len(shape_of(each)) != 4 for each in full):
        return None
    per_channel = tuple(each for each in operands if each not in full)
    divides = name in ("div", "truediv", "itruediv") and given["input"] is not full[0]
    return Pointwise(tuple(full), per_channel, affine=len(full) == 1 and not divides)


def _everywhere_the_same(node: fx.Node) -> bool:
    """Whether a value does not depend on the position."""
    value = value_of(node)
    if not isinstance(value, Tensor):
        return True
    return all(isinstance(side, int) and side == 1 for side in value.shape[-2:]) or value.dim() == 0


def added(node: fx.Node) -> tuple[fx.Node, fx.Node] | None:
    """The two values of one shape that a node adds, or None."""
    if operation(node) not in ("add", "iadd"):
        return None
    given = arguments(node, ("input", "other", "alpha"))
    one, other = given["input"], given.get("other")
    if given.get("alpha", 1) != 1 or not isinstance(one, fx.Node) or not isinstance(other, fx.Node):
        return None
    shapes = shape_of(one), shape_of(other)
    if len(shapes[0]) != 4 or len(shapes[1]) != 4 or not all(_equal(a, b) for a, b in zip(*shapes, strict=True)):
        return None
    return one, other


def _equal(one: Any, other: Any) -> bool:
    # Whoever recorded the sum has asked whether they are the same, and looks at that in every call.
    try:
        return hinted(one) == hinted(other)
    except UnsupportedError:
        return False


def _flat(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, list | tuple):
        return value[0], value[-1]
    return value, value


_STEPS: dict[str, Callable[[fx.Node], Step | None]] = {
    "conv2d": _conv,
    "conv_transpose2d": _conv_transpose,
    "convolution": _any_convolution,
    "pixel_shuffle": _shuffle,
    "interpolate": _interpolate,
    "upsample": _interpolate,
    **dict.fromkeys(MODES, _upsample),
    "pad": _pad,
    "constant_pad_nd": _constant_pad,
    "reflection_pad2d": partial(_fixed_pad, "reflect"),
    "replication_pad2d": partial(_fixed_pad, "replicate"),
    **dict.fromkeys(JOINING, _cat),
    **dict.fromkeys(("dropout", "alpha_dropout", "feature_dropout", "dropout2d"), _dropout),
    **dict.fromkeys(("contiguous", "alias", "identity"), _same),
    "prelu": _prelu,
    "batch_norm": _batch_norm,
}
