"""What is taken for one of torch's layers computes what ONNX Runtime does; the rest is left alone, with a reason."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, fx

from tests.upbench.onnx_files.random_graphs import Model
from tests.upbench.onnx_files.rewriting import apart, run
from upbench.onnx_files import observing
from upbench.onnx_files.translation import Translated, translate

MODES = (
    "asymmetric",
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "half_pixel_symmetric",
    "tf_half_pixel_for_nn",
)
NEAREST = ("floor", "round_prefer_floor", "round_prefer_ceil", "ceil")
SCALES = ((2, 2), (3, 3), (4, 2), (1, 5), (1.5, 2.5))


def read(proto: onnx.ModelProto, **feeds: Any) -> Translated:
    model = ir.from_proto(proto)
    shapes = observing.inferred(model)
    return translate(model, shapes, observing.seen(model, shapes, feeds))


def in_torch(made: Translated, x: Any) -> list[Any]:
    """What the graph that was read computes."""
    values: dict[fx.Node, Any] = {}
    for node in made.recording.graph.nodes:
        if node.op == "get_attr":
            values[node] = made.recording.constants[str(node.target)]
        elif node.op == "output":
            return [values[each].numpy() for each in node.args[0]]
        elif not node.all_input_nodes:
            values[node] = torch.from_numpy(x)
        elif hasattr(node.target, "_schema"):
            args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
            values[node] = node.target(*args, **kwargs)
            assert isinstance(values[node], Tensor)
    raise AssertionError


def resized(scales: Any, mode: str, where: str, nearest: str, opset: int) -> onnx.ModelProto:
    made = Model(opset, 2, (5, 4))
    further = {"nearest_mode": nearest} if mode == "nearest" else {}
    return made.proto(made.resize("x", scales, mode=mode, coordinate_transformation_mode=where, **further))


def known(scales: Any, mode: str, where: str, nearest: str, opset: int) -> bool:
    """Whether a ``Resize`` is taken for an interpolation of torch's; it computes the same if it is."""
    model = resized(scales, mode, where, nearest, opset)
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 4)).astype(np.float32)
    try:
        expected = run(model, x=x)
    except Exception:
        return False
    made = read(model, x=x)
    if made.left:
        assert made.left[0][1]
        return False
    assert apart(expected, in_torch(made, x)) < 1e-5, (scales, mode, where, nearest)
    return True


@pytest.mark.parametrize("scales", SCALES, ids=str)
def test_an_interpolation_is_torchs_or_left_alone(scales: tuple[float, float]) -> None:
    opsets = {"half_pixel_symmetric": 19, "tf_half_pixel_for_nn": 11}
    found = {
        (mode, where, nearest)
        for mode, where, nearest in product(("nearest", "linear", "cubic"), MODES, NEAREST)
        if (mode == "nearest" or nearest == "floor") and known(scales, mode, where, nearest, opsets.get(where, 13))
    }
    whole = all(scale == int(scale) for scale in scales)
    for mode, where in product(("linear", "cubic"), ("half_pixel", "pytorch_half_pixel", "align_corners")):
        assert (mode, where, "floor") in found
    assert (("nearest", "asymmetric", "floor") in found) == whole
    assert (("nearest", "half_pixel", "round_prefer_floor") in found) == whole
    assert ("linear", "asymmetric", "floor") not in found


@pytest.mark.parametrize("order", ["CRD", "DCR"])
@pytest.mark.parametrize("between", ["", "Relu"])
def test_both_orders_of_a_shuffle_are_read(order: str, between: str) -> None:
    made = Model(13, 3, (5, 4))
    value = made.conv("x", 3, 8)
    value = made.op(between, value) if between else value
    model = made.proto(made.op("DepthToSpace", value, blocksize=2, mode=order))
    x = np.random.default_rng(0).standard_normal((1, 3, 5, 4)).astype(np.float32)
    assert apart(run(model, x=x), in_torch(read(model, x=x), x)) < 1e-5


PADS = ([1, 1, 1, 1], [0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 2, 2], [2, 2, 0, 0])


@pytest.mark.parametrize("pads", PADS, ids=str)
@pytest.mark.parametrize("extra", [0, 1])
def test_transposed_convolutions_are_read_however_they_are_padded(pads: list[int], extra: int) -> None:
    made = Model(13, 3, (5, 4))
    settings: dict[str, Any] = {"strides": [2, 2], "pads": pads, "output_padding": [extra] * 2}
    model = made.proto(made.op("ConvTranspose", "x", made.weight(3, 2, 4, 4), made.weight(2), **settings))
    x = np.random.default_rng(0).standard_normal((1, 3, 5, 4)).astype(np.float32)
    assert apart(run(model, x=x), in_torch(read(model, x=x), x)) < 1e-5


@pytest.mark.parametrize("how", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_that_follows_from_a_name_is_read(how: str, stride: int) -> None:
    made = Model(13, 3, (5, 4))
    model = made.proto(made.conv("x", 3, 2, 2, auto_pad=how, strides=[stride, stride]))
    x = np.random.default_rng(0).standard_normal((1, 3, 5, 4)).astype(np.float32)
    assert apart(run(model, x=x), in_torch(read(model, x=x), x)) < 1e-5


def test_a_size_that_is_computed_from_the_inputs_is_followed() -> None:
    from tests.upbench.onnx_files.random_graphs import Grammar

    for seed in range(4):
        grammar = Grammar(seed)
        grammar.made = Model(13, 2, ("h", "w"))
        value = grammar.sized("x", (2, 3), mode="linear", coordinate_transformation_mode="half_pixel")
        model = grammar.made.proto(value)
        x = np.random.default_rng(0).standard_normal((1, 2, 5, 4)).astype(np.float32)
        made = read(model, x=x)
        assert not made.left
        assert apart(run(model, x=x), in_torch(made, x)) < 1e-5


def test_a_size_that_is_no_multiple_is_left_alone_with_a_reason() -> None:
    made = Model(13, 2, ("h", "w"))
    sizes, empty = made.constant([1, 2, 10, 8], np.int64), made.constant([])
    model = made.proto(made.op("Resize", "x", empty, empty, sizes, mode="linear"))
    found = read(model, x=np.zeros((1, 2, 5, 4), np.float32))
    assert found.left == [("Resize_0", "its output's size is computed, and no constant multiple of its input's.")]
