"""How each of ATen's operators that layers and forms are made of is written in ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from torch import fx

from upbench.onnx_files.writer import WHOLE, NotWrittenError, Rule, Writer, shape, term


def arguments(node: fx.Node) -> dict[str, Any]:
    """A call's arguments by ATen's names, with what they are where nothing is said."""
    known = node.target._schema.arguments  # type: ignore[union-attr]
    given = {each.name: each.default_value for each in known if each.has_default_value()}
    return {**given, **dict(zip((each.name for each in known), node.args, strict=False)), **node.kwargs}


def pair(value: Any) -> list[int]:
    """A setting for both axes."""
    both = list(value) if isinstance(value, Sequence) else [value]
    return [int(both[0]), int(both[-1])]


def _conv(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    dilation, sides = pair(given["dilation"]), shape(given["weight"])[2:]
    if given["padding"] == "same":
        needed = [far * (int(side) - 1) for far, side in zip(dilation, sides, strict=True)]
        pads = [each // 2 for each in needed] + [each - each // 2 for each in needed]
    else:
        pads = pair(0 if given["padding"] == "valid" else given["padding"]) * 2
    return own.op(
        "Conv",
        *_given(own, node, "input", "weight", "bias"),
        strides=pair(given["stride"]),
        pads=pads,
        dilations=dilation,
        group=int(given["groups"]),
        kernel_shape=[int(each) for each in sides],
    )


def _given(own: Writer, node: fx.Node, *names: str) -> list[ir.Value]:
    given = arguments(node)
    return [own.value(given[name]) for name in names if given.get(name) is not None]


def _conv_transpose(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    return own.op(
        "ConvTranspose",
        *_given(own, node, "input", "weight", "bias"),
        strides=pair(given["stride"]),
        pads=pair(given["padding"]) * 2,
        output_padding=pair(given["output_padding"]),
        dilations=pair(given["dilation"]),
        group=int(given["groups"]),
        kernel_shape=[int(each) for each in shape(given["weight"])[2:]],
    )


def _shuffle(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    return own.op("DepthToSpace", own.value(given["self"]), blocksize=int(given["upscale_factor"]), mode="CRD")


def _interpolation(mode: str, where: str, **further: Any) -> Rule:
    def write(own: Writer, node: fx.Node) -> ir.Value:
        given = arguments(node)
        corners = given.get("align_corners")
        attributes = {"mode": mode, "coordinate_transformation_mode": "align_corners" if corners else where, **further}
        empty, input = own.constant(np.zeros(0, np.float32)), own.value(given["input"])
        if given.get("scale_factors") is not None:
            scales = own.constant(np.array([1, 1, *given["scale_factors"]], np.float32))
            return own.op("Resize", input, empty, scales, **attributes)
        size = [int(each) for each in shape(node)[:2] if each.is_number]
        if len(size) < 2 or any(isinstance(each, fx.Node) for each in given["output_size"]):
            sides = [own.side(input, axis) for axis in (0, 1)] + [own.number(each) for each in given["output_size"]]
            return own.op("Resize", input, empty, empty, own.op("Concat", *sides, axis=0), **attributes)
        return own.op("Resize", input, empty, empty, own.whole(*size, *map(int, given["output_size"])), **attributes)

    return write


MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _padded(own: Writer, node: fx.Node, mode: str, sides: Sequence[Any], value: Any) -> ir.Value:
    if any(isinstance(each, fx.Node) for each in sides):
        raise NotWrittenError("padding is computed")
    if mode == "circular" and own.opset < 19:
        raise NotWrittenError("circular padding needs opset 19")
    input: Any = node.args[0]
    left, right, top, bottom = [int(each) for each in [*sides, 0, 0][:4]]
    if not any((left, right, top, bottom)):
        return own.value(input)
    pads = own.whole(0, 0, top, left, 0, 0, bottom, right)
    if mode != "constant":
        return own.op("Pad", own.value(input), pads, mode=MODES[mode])
    return own.op("Pad", own.value(input), pads, own.scalar(float(value or 0), input), mode="constant")


def _pad(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    return _padded(own, node, given.get("mode", "constant"), given["pad"], given.get("value"))


def _fixed_pad(mode: str) -> Rule:
    return lambda own, node: _padded(own, node, mode, arguments(node)["padding"], None)


def _place(own: Writer, place: Any, size: Any) -> int | ir.Value:
    """A place along an axis, counted from its end where it follows from its size."""
    number, length = term(place), term(size)
    if number.is_number:
        return int(number)
    if number == length:
        return WHOLE
    left = number - length
    if left.is_number and left < 0:
        return int(left)
    return own.number(place)


def _sliced(own: Writer, node: fx.Node, axis: int, start: Any, end: Any, step: int = 1) -> ir.Value:
    input: Any = node.args[0]
    dims = shape(input)
    axis %= len(dims)
    size = input.meta["val"].shape[axis]
    first = _place(own, 0 if start is None else start, size)
    last = WHOLE if end is None else _place(own, end, size)
    if first == 0 and step == 1 and (last == WHOLE or last == dims[axis]):
        return own.value(input)
    bounds = [own.whole(each) if isinstance(each, int) else each for each in (first, last)]
    return own.op("Slice", own.value(input), *bounds, own.whole(axis), own.whole(step))


def _slice(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    return _sliced(own, node, given["dim"], given["start"], given["end"], int(given["step"]))


def _narrow(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    start, length, dim = given["start"], given["length"], given["dim"]
    size = shape(node.args[0])[dim]  # type: ignore[arg-type]
    end = term(start) + term(length)
    if end == size:
        return _sliced(own, node, dim, start, None)
    left = end - size
    if end.is_number or (left.is_number and left < 0):
        return _sliced(own, node, dim, start, int(end if end.is_number else left))
    bounds = [own.number(start), own.op("Add", own.number(start), own.number(length))]
    return own.op("Slice", own.value(node.args[0]), *bounds, own.whole(dim), own.whole(1))


def _select(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    index = own.constant(np.array(int(given["index"]), np.int64))
    return own.op("Gather", own.value(given["self"]), index, axis=int(given["dim"]) % len(shape(given["self"])))


def _split(own: Writer, node: fx.Node) -> list[ir.Value]:
    given = arguments(node)
    dim, sizes, made, first = given["dim"], [], [], 0
    for each in node.meta["val"]:
        sizes.append(int(each.shape[dim]))
    for size in sizes:
        made.append(_sliced(own, node, dim, first, first + size))
        first += size
    return made


def _item(own: Writer, node: fx.Node) -> Any:
    return own.part(node.args[0], node.args[1])  # type: ignore[arg-type]


def _reshaped(own: Writer, node: fx.Node) -> ir.Value:
    """Any change of shape: sizes that are not known are copied where they stay, or one of them is worked out."""
    input: Any = node.args[0]
    before, after = shape(input), shape(node)
    if before == after:
        return own.value(input)
    wanted: list[Any] = []
    for axis, size in enumerate(after):
        if size.is_number:
            wanted.append(int(size))
        else:
            wanted.append(0 if axis < len(before) and before[axis] == size else -1)
    if wanted.count(-1) <= 1:
        return own.op("Reshape", own.value(input), own.whole(*wanted))
    # The same size may stand at another axis before; what the call was told is computed otherwise.
    given = arguments(node)
    told = given.get("shape") or given.get("size") or [-1] * len(after)
    pieces, open_places = [], 0
    for axis, size in enumerate(after):
        if wanted[axis] != -1:
            pieces.append(own.whole(wanted[axis]))
        elif size in before:
            pieces.append(own.side(own.value(input), before.index(size)))
        else:
            pieces.append(own.number(told[axis]))
            open_places += told[axis] == -1
    if open_places > 1:
        raise NotWrittenError("two sizes would have to be worked out")
    return own.op("Reshape", own.value(input), own.op("Concat", *pieces, axis=0))


def _stack(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    parts = list(given["tensors"])
    dim = int(given["dim"]) % (len(shape(parts[0])) + 1)
    return own.op("Concat", *(own.unsqueezed(own.value(each), dim) for each in parts), axis=dim)


def _cat(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    parts: Any = given["tensors"]
    return own.op("Concat", *map(own.value, parts), axis=int(given["dim"]) % len(shape(parts[0])))


def _permute(own: Writer, node: fx.Node) -> ir.Value:
    rank = len(shape(node))
    return own.op("Transpose", own.value(node.args[0]), perm=[int(each) % rank for each in arguments(node)["dims"]])


def _transpose(own: Writer, node: fx.Node) -> ir.Value:
    given, order = arguments(node), list(range(len(shape(node))))
    one, other = given["dim0"], given["dim1"]
    order[one], order[other] = order[other], order[one]
    return own.op("Transpose", own.value(given["self"]), perm=order)


def _repeat(own: Writer, node: fx.Node) -> ir.Value:
    given = arguments(node)
    held = own.held(given["self"])
    times = given["repeats"]
    if held is not None and all(isinstance(each, int) for each in times):
        return own.constant(held.repeat(times).numpy())
    input = own.value(given["self"])
    missing = len(times) - len(shape(given["self"]))
    if missing:
        raise NotWrittenError("repeat adds dimensions")
    return own.op("Tile", input, own.op("Concat", *map(own.number, times), axis=0))


def _same(own: Writer, node: fx.Node) -> ir.Value:
    return own.value(node.args[0])


LAYER_RULES: Mapping[str, Rule] = {
    "conv2d": _conv,
    "conv_transpose2d": _conv_transpose,
    "pixel_shuffle": _shuffle,
    "upsample_nearest2d": _interpolation("nearest", "asymmetric", nearest_mode="floor"),
    "upsample_bilinear2d": _interpolation("linear", "half_pixel"),
    "upsample_bicubic2d": _interpolation("cubic", "half_pixel", cubic_coeff_a=-0.75),
    "pad": _pad,
    "constant_pad_nd": _pad,
    "reflection_pad2d": _fixed_pad("reflect"),
    "replication_pad2d": _fixed_pad("replicate"),
    "slice": _slice,
    "narrow": _narrow,
    "select": _select,
    "split": _split,
    "getitem": _item,
    "stack": _stack,
    "cat": _cat,
    "permute": _permute,
    "transpose": _transpose,
    "repeat": _repeat,
    **dict.fromkeys(("reshape", "view", "_unsafe_view", "flatten", "unflatten", "unsqueeze", "squeeze"), _reshaped),
    **dict.fromkeys(("contiguous", "clone", "alias", "detach"), _same),
}
"""By ATen's name, without the underscore of what writes into its input."""
