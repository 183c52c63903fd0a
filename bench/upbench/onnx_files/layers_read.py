"""The operators of ONNX that are linear layers, as ATen's where both compute the same; others are left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx_ir as ir
import sympy
import torch
from torch import Tensor, fx

from upbench.onnx_files.known_sizes import Terms, ints, number
from upbench.onnx_files.recording import NotReadError, Recording
from upbench.onnx_files.symbols import expression

aten = torch.ops.aten


def text(node: ir.Node, name: str, default: str) -> str:
    """An attribute that is text."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_string()


def real(node: ir.Node, name: str, default: float) -> float:
    """An attribute that is a number."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_float()


def conv(own: Recording, node: ir.Node) -> fx.Node:
    """``Conv`` of two dimensions; padding that differs between the two ends is a call of its own."""
    input, weight = own.image(node), _kernel(own, node)
    stride, dilation = ints(node, "strides") or [1, 1], ints(node, "dilations") or [1, 1]
    reach = [(side - 1) * each for side, each in zip(weight.meta["val"].shape[2:], dilation, strict=True)]
    before, after = _conv_pads(node, input, stride, reach)
    if before != after:
        input = own.call(aten.pad.default, input, [before[1], after[1], before[0], after[0]], "constant", None)
        before = [0, 0]
    bias = own.weight(node, 2, "bias")
    return own.call(aten.conv2d.default, input, weight, bias, stride, before, dilation, number(node, "group", 1))


def _kernel(own: Recording, node: ir.Node) -> fx.Node:
    weight = own.weight(node, 1, "weight")
    value = weight.meta.get("val") if weight is not None else None
    if not isinstance(value, Tensor) or value.dim() != 4 or not all(isinstance(each, int) for each in value.shape):
        raise NotReadError("its kernel is not known before it runs.")
    assert weight is not None
    return weight


def _conv_pads(
    node: ir.Node, input: fx.Node, stride: Sequence[int], reach: Sequence[int]
) -> tuple[list[int], list[int]]:
    """How much is added before and after each axis."""
    how = text(node, "auto_pad", "NOTSET")
    if how == "NOTSET":
        pads = ints(node, "pads") or [0, 0, 0, 0]
        return pads[:2], pads[2:]
    if how == "VALID":
        return [0, 0], [0, 0]
    needed = []
    for size, step, far in zip(input.meta["val"].shape[2:], stride, reach, strict=True):
        if step > 1 and not isinstance(size, int):
            raise NotReadError("its padding depends on sizes that are not known before it runs.")
        # With a stride of one the size does not matter.
        needed.append(far if step == 1 else max(0, (-(-size // step) - 1) * step + far + 1 - size))
    less = [each // 2 for each in needed]
    more = [each - low for each, low in zip(needed, less, strict=True)]
    return (less, more) if how == "SAME_UPPER" else (more, less)


def conv_transpose(own: Recording, node: ir.Node) -> fx.Node:
    """``ConvTranspose`` of two dimensions; what is cut off at one end only is a call of its own."""
    input, weight = own.image(node), _kernel(own, node)
    if ints(node, "output_shape") is not None:
        raise NotReadError("its output's size is told, and its padding follows from it.")
    stride, dilation = ints(node, "strides") or [1, 1], ints(node, "dilations") or [1, 1]
    extra = ints(node, "output_padding") or [0, 0]
    before, after = _transposed_pads(node, weight, stride, dilation, extra)
    bias, groups = own.weight(node, 2, "bias"), number(node, "group", 1)
    further = [more + low - high for more, low, high in zip(extra, before, after, strict=True)]
    limits = [max(step, far) for step, far in zip(stride, dilation, strict=True)]
    if all(0 <= more < limit for more, limit in zip(further, limits, strict=True)):
        return own.call(aten.conv_transpose2d.input, input, weight, bias, stride, before, further, groups, dilation)
    whole = own.call(aten.conv_transpose2d.input, input, weight, bias, stride, [0, 0], extra, groups, dilation)
    cut = [-before[1], -after[1], -before[0], -after[0]]
    return own.call(aten.pad.default, whole, cut, "constant", None)


def _transposed_pads(
    node: ir.Node, weight: fx.Node, stride: Sequence[int], dilation: Sequence[int], extra: Sequence[int]
) -> tuple[list[int], list[int]]:
    how = text(node, "auto_pad", "NOTSET")
    if how == "NOTSET":
        pads = ints(node, "pads") or [0, 0, 0, 0]
        return pads[:2], pads[2:]
    if how == "VALID":
        return [0, 0], [0, 0]
    sides = weight.meta["val"].shape[2:]
    needed = [
        (side - 1) * far + 1 - step + more for side, far, step, more in zip(sides, dilation, stride, extra, strict=True)
    ]
    if any(each % 2 or each < 0 for each in needed):
        raise NotReadError("runtimes do not agree on where its padding goes.")
    half = [each // 2 for each in needed]
    return half, half


def depth_to_space(own: Recording, node: ir.Node) -> fx.Node:
    """``DepthToSpace``: in CRD order a pixel shuffle; in DCR order, one of the channels in another order."""
    input, scale = own.image(node), number(node, "blocksize", 1)
    if input.meta["val"].shape[1] % scale**2:
        raise NotReadError("its channels are no multiple of the square of its block.")
    if text(node, "mode", "DCR") == "CRD":
        return own.call(aten.pixel_shuffle.default, input, scale)
    channels = input.meta["val"].shape[1]
    wanted = torch.arange(channels).unflatten(0, (scale * scale, -1)).T.flatten()
    ordered = _conv_in_order(own, input, wanted)
    if ordered is None:
        # A convolution, as it will be one with the kernels of whatever form the site takes.
        dtype = input.meta["val"].dtype

        def moved() -> Tensor:
            return torch.eye(channels, dtype=dtype)[wanted][:, :, None, None].contiguous()

        fake = own.symbols.tensor([channels, channels, 1, 1], dtype)
        weight = own.made_of(moved, fake, f"{own.name_of(node)}.order")
        ordered = own.call(aten.conv2d.default, input, weight)
    return own.call(aten.pixel_shuffle.default, ordered, scale)


def _conv_in_order(own: Recording, input: fx.Node, wanted: Tensor) -> fx.Node | None:
    """The convolution before it with its outputs in another order, if nobody else reads them."""
    value = own.values.get(input)
    if input.target is not aten.conv2d.default or input.users or value is None:
        return None
    if value.is_graph_output() or len(value.uses()) != 1 or list(input.args[3]) != [1, 1]:  # type: ignore[arg-type]
        return None
    (before,) = own.origin[input]
    groups = input.args[6]
    if groups != 1:
        return None
    weight = own.weight(before, 1, "weight", lambda tensor: tensor[wanted.to(tensor.device)])
    bias = own.weight(before, 2, "bias", lambda tensor: tensor[wanted.to(tensor.device)])
    made = own.call(aten.conv2d.default, input.args[0], weight, bias, *input.args[3:])
    own.origin[made] = [before]
    own.forget(input)
    for each, there in list(own.nodes.items()):
        if there is input:
            own.nodes[each] = made
    return made


def pad(own: Recording, node: ir.Node) -> fx.Node:
    """``Pad`` of height and width."""
    input, sides = own.image(node), own.numbers(node, 1)
    axes = [int(each) % 4 for each in own.numbers(node, 3) or range(4)]
    if sides is None or len(sides) != 2 * len(axes):
        raise NotReadError("its padding is computed.")
    ends = {
        axis: (int(low), int(high))
        for axis, low, high in zip(axes, sides[: len(axes)], sides[len(axes) :], strict=True)
    }
    if any(ends.get(axis, (0, 0)) != (0, 0) for axis in (0, 1)):
        raise NotReadError("it adds images or channels.")
    four = [*ends.get(3, (0, 0)), *ends.get(2, (0, 0))]
    mode = text(node, "mode", "constant")
    if mode == "constant":
        return own.call(aten.pad.default, input, four, "constant", (own.numbers(node, 2) or [0.0])[0])
    if min(four) < 0:
        raise NotReadError("it cuts off.")
    return own.call(aten.pad.default, input, four, {"edge": "replicate", "wrap": "circular"}.get(mode, mode), None)


def resize(own: Recording, node: ir.Node) -> fx.Node:
    """``Resize`` where one of torch's interpolations does the same."""
    input = own.image(node)
    factors, size = _factors(own, node, input)
    if all(each <= 1 for each in factors):
        raise NotReadError("")
    mode, where = text(node, "mode", "nearest"), text(node, "coordinate_transformation_mode", "half_pixel")
    if number(node, "antialias", 0) or number(node, "exclude_outside", 0):
        raise NotReadError("interpolation with antialias, or without what lies outside, is left alone.")
    if text(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise NotReadError("its factor depends on the sizes.")
    whole = all(each == int(each) for each in factors)
    told = {"scale_factors": [float(each) for each in factors]} if size is None else {}
    if mode == "nearest":
        how = text(node, "nearest_mode", "round_prefer_floor")
        if not whole or size is not None or not _is_floor(where, how, max(factors)):
            raise NotReadError(f"nearest neighbours by {where} and {how} are others than torch's at this factor.")
        return own.call(aten.upsample_nearest2d.vec, input, None, told["scale_factors"])
    corners = where == "align_corners"
    if (
        not corners
        and where not in ("half_pixel", "pytorch_half_pixel")
        and not (whole and where == "half_pixel_symmetric")
    ):
        raise NotReadError(f"torch has no {mode} interpolation by {where}.")
    if mode == "cubic" and abs(real(node, "cubic_coeff_a", -0.75) + 0.75) > 1e-6:
        raise NotReadError("its cubic kernel is another than torch's.")
    kind = aten.upsample_bicubic2d.vec if mode == "cubic" else aten.upsample_bilinear2d.vec
    return own.call(kind, input, size, corners, told.get("scale_factors"))


def _is_floor(where: str, how: str, largest: sympy.Expr) -> bool:
    """Whether the neighbour of output x is input ``floor(x / s)`` for whole factors s."""
    if where == "asymmetric":
        return how == "floor" or (how == "round_prefer_floor" and largest <= 2)
    if where == "tf_half_pixel_for_nn":
        return how == "floor"
    # No output lies halfway between two inputs.
    return where in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric") and how.startswith("round_prefer")


def _factors(own: Recording, node: ir.Node, input: fx.Node) -> tuple[tuple[sympy.Expr, sympy.Expr], list[int] | None]:
    """By how much height and width grow; and the output's size, if the factor follows from that and is not whole."""
    present = [expression(each) for each in input.meta["val"].shape]
    axes = [each % 4 for each in ints(node, "axes") or range(4)]
    scales, sizes = _told(own, node, 2), _told(own, node, 3)
    exact = scales is not None and scales.values.size > 0
    told = scales if exact else sizes
    if told is None or told.values.size != len(axes):
        raise NotReadError("its output's size is computed.")
    ratios = {
        axis: sympy.cancel(each if exact else each / present[axis])
        for axis, each in zip(axes, told.values.reshape(-1), strict=True)
    }
    if any(not each.is_number for each in ratios.values()):
        raise NotReadError("its output's size is computed, and no constant multiple of its input's.")
    if any(ratio != 1 for axis, ratio in ratios.items() if axis < 2):
        raise NotReadError("it resizes other axes than height and width, as where channels come last.")
    factors = (ratios.get(2, sympy.Integer(1)), ratios.get(3, sympy.Integer(1)))
    if exact or all(each.is_Integer for each in factors):
        return factors, None
    size = [factor * here for factor, here in zip(factors, present[2:], strict=True)]
    if not all(each.is_Integer for each in size):
        raise NotReadError("its output's size is no whole multiple of its input's.")
    return factors, [int(each) for each in size]


def _told(own: Recording, node: ir.Node, place: int) -> Terms | None:
    value = node.inputs[place] if place < len(node.inputs) else None
    return None if value is None else own.terms.get(value)


def concat(own: Recording, node: ir.Node) -> fx.Node:
    """``Concat`` of channels."""
    parts = [own.image(node, place) for place in range(len(node.inputs))]
    if number(node, "axis", 0) not in (1, -3):
        raise NotReadError("")
    return own.call(aten.cat.default, parts, 1)


LAYERS: Mapping[str, Callable[[Recording, ir.Node], fx.Node]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DepthToSpace": depth_to_space,
    "Pad": pad,
    "Resize": resize,
    "Concat": concat,
}

GROWING = frozenset({"Resize", "ConvTranspose", "DepthToSpace", "Upsample"})
"""Those that make a value larger, of which it is said why they are left alone."""
