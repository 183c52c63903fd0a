"""Random small ONNX models of the operators that are known, and of some that are not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSETS = (11, 13, 17, 20, 22)


class Model:
    """A model that grows operator by operator.

    Args:
        opset: of ONNX's operators.
        channels: of its input, ``x``.
        sides: of the input; names for sizes that are not fixed.
    """

    def __init__(self, opset: int, channels: int, sides: tuple[Any, Any], seed: int = 0, batch: Any = 1) -> None:
        self.opset, self._numpy = opset, np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, channels, *sides])

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def weight(self, *shape: int) -> str:
        return self.constant(self._numpy.standard_normal(shape) / 4)

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        names = [f"v{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind}_{len(self.nodes)}", **attributes))
        return names[0]

    def conv(self, value: str, inside: int, out: int, kernel: int = 3, **attributes: Any) -> str:
        if not attributes.keys() & {"pads", "auto_pad"}:
            attributes["pads"] = [kernel // 2] * 4
        groups = attributes.get("group", 1)
        return self.op(
            "Conv", value, self.weight(out, inside // groups, kernel, kernel), self.weight(out), **attributes
        )

    def resize(self, value: str, scales: Sequence[float], **attributes: Any) -> str:
        empty = self.constant([])
        return self.op("Resize", value, empty, self.constant([1, 1, *scales]), **attributes)

    def proto(self, *outputs: str) -> onnx.ModelProto:
        made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", [self.input], made, self.initializers)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="a test")


class Grammar:
    """Models drawn from one stream of random numbers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seed = seed

    def model(self) -> onnx.ModelProto:
        channels = self.random.choice([2, 4])
        fixed = self.random.random() < 0.5
        sides: tuple[Any, Any] = (self.random.randint(4, 9), self.random.randint(4, 9)) if fixed else ("h", "w")
        self.made = Model(self.random.choice(OPSETS), channels, sides, self.seed, 1 if fixed else "n")
        value, channels = "x", channels
        for _ in range(self.random.randint(0, 2)):
            value, channels = self.random.choice([self.convolution, self.function])(value, channels)
        value, channels = self.upsampled(value, channels)
        outputs = []
        for _ in range(self.random.randint(0, 3)):
            value, channels = self.random.choice([self.convolution, self.convolution, self.function, self.pad])(
                value, channels
            )
            if self.random.random() < 0.1:
                outputs.append(value)
        return self.made.proto(*dict.fromkeys([*outputs, value]))

    def upsampled(self, value: str, channels: int) -> tuple[str, int]:
        kinds = [self.resize, self.resize, self.transposed, self.shuffled, self.joined]
        return self.random.choice(kinds)(value, channels)

    def convolution(self, value: str, channels: int) -> tuple[str, int]:
        out, kernel = self.random.choice([3, 4]), self.random.choice([1, 2, 3])
        kind = self.random.random()
        attributes: dict[str, Any] = {}
        if kind < 0.2:
            attributes = {"auto_pad": self.random.choice(["SAME_UPPER", "SAME_LOWER"])}
        elif kind < 0.4:
            attributes = {"pads": [self.random.randint(0, 2) for _ in range(4)]}
        elif kind < 0.5 and kernel > 1:
            attributes = {"dilations": [2, 1], "pads": [2, 1, 2, 1]}
        elif kind < 0.6:
            attributes, out = {"group": channels}, channels
        return self.made.conv(value, channels, out, kernel, **attributes), out

    def resize(self, value: str, channels: int) -> tuple[str, int]:
        scales = self.random.choice([(2, 2), (2, 2), (3, 3), (1, 2), (4, 2), (1.5, 2.5)])
        mode = self.random.choice(["nearest", "nearest", "linear", "cubic"])
        where = self.random.choice(["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"])
        further = {"nearest_mode": self.random.choice(["floor", "round_prefer_floor"])} if mode == "nearest" else {}
        if self.random.random() < 0.3 and all(scale == int(scale) for scale in scales):
            return self.sized(value, scales, mode=mode, coordinate_transformation_mode=where, **further), channels
        return self.made.resize(value, scales, mode=mode, coordinate_transformation_mode=where, **further), channels

    def sized(self, value: str, scales: Any, **attributes: Any) -> str:
        """The size is computed from the input's, as exporters have it."""
        made = self.made
        shape = made.op("Shape", value)
        first = made.op("Slice", shape, *(made.constant([number], np.int64) for number in (0, 2)))
        sides = []
        for axis, scale in zip((2, 3), scales, strict=True):
            side = made.op("Gather", shape, made.constant(axis, np.int64))
            if self.random.random() < 0.5:
                grown = made.op("Mul", side, made.constant(int(scale), np.int64))
            else:
                real = made.op("Mul", made.op("Cast", side, to=TensorProto.FLOAT), made.constant(float(scale)))
                grown = made.op("Cast", made.op("Floor", real), to=TensorProto.INT64)
            sides.append(made.op("Reshape", grown, made.constant([1], np.int64)))
        sizes = made.op("Concat", first, *sides, axis=0)
        empty = made.constant([])
        return made.op("Resize", value, empty, empty, sizes, **attributes)

    def transposed(self, value: str, channels: int) -> tuple[str, int]:
        kernel, stride = self.random.choice([2, 3, 4]), self.random.choice([2, 2, 3])
        pads = [self.random.randint(0, kernel // 2) for _ in range(4)]
        if self.random.random() < 0.5:
            pads = [pads[0]] * 4
        extra = [self.random.randint(0, stride - 1)] * 2
        weight, bias = self.made.weight(channels, 4, kernel, kernel), self.made.weight(4)
        attributes: dict[str, Any] = {"strides": [stride, stride], "pads": pads, "output_padding": extra}
        if self.random.random() < 0.2:
            attributes = {"strides": [2, 2], "auto_pad": "SAME_UPPER"}
        return self.made.op("ConvTranspose", value, weight, bias, **attributes), 4

    def shuffled(self, value: str, channels: int) -> tuple[str, int]:
        made = self.made.conv(value, channels, 12)
        if self.random.random() < 0.4:
            made, _ = self.function(made, 12)
        return self.made.op("DepthToSpace", made, blocksize=2, mode=self.random.choice(["CRD", "DCR"])), 3

    def joined(self, value: str, channels: int) -> tuple[str, int]:
        grown = self.made.resize(value, (2, 2), mode="nearest", coordinate_transformation_mode="asymmetric")
        self.made.nodes[-1].attribute.append(helper.make_attribute("nearest_mode", "floor"))
        skip = self.made.op("ConvTranspose", "x", self.made.weight(self._input_channels, 3, 2, 2), strides=[2, 2])
        both = self.made.op("Concat", grown, skip, axis=1)
        return self.made.conv(both, channels + 3, 4), 4

    @property
    def _input_channels(self) -> int:
        return int(self.made.input.type.tensor_type.shape.dim[1].dim_value)

    def pad(self, value: str, channels: int) -> tuple[str, int]:
        modes = ["constant", "reflect", "edge"] + (["wrap"] if self.made.opset >= 19 else [])
        sides = self.made.constant([0, 0, 1, 1, 0, 0, 1, self.random.randint(0, 1)], np.int64)
        return self.made.op("Pad", value, sides, mode=self.random.choice(modes)), channels

    def function(self, value: str, channels: int) -> tuple[str, int]:
        made, opset = self.made, self.made.opset
        per_channel = [made.constant(np.linspace(0.5, 1.5, channels)) for _ in range(4)]
        shaped = made.constant(np.linspace(0.2, 0.6, channels).reshape(channels, 1, 1))
        kinds: list[Callable[[], str]] = [
            *(
                lambda kind=kind: made.op(kind, value)
                for kind in ("Relu", "Sigmoid", "Tanh", "Elu", "Selu", "Softplus")
            ),  # type: ignore[misc]
            lambda: made.op("LeakyRelu", value, alpha=0.2),
            lambda: made.op("Clip", value, made.constant(-0.5), made.constant(0.5)),
            lambda: made.op("HardSigmoid", value),
            lambda: made.op("PRelu", value, shaped),
            lambda: made.op("Mul", value, shaped),
            lambda: made.op("Add", value, made.constant(0.3)),
            lambda: made.op("Sub", made.constant([1.0]), value),
            lambda: made.op("Div", value, shaped),
            lambda: made.op("BatchNormalization", value, *per_channel),
            lambda: made.op("Identity", value),
            lambda: made.op("Dropout", value),
            lambda: made.op("Mul", value, made.op("Sigmoid", value)),
            lambda: made.op("Softsign", value),
        ]
        if opset >= 14:
            kinds.append(lambda: made.op("HardSwish", value))
        if opset >= 18:
            kinds.append(lambda: made.op("Mish", value))
        if opset >= 20:
            kinds.append(lambda: made.op("Gelu", value, approximate=self.random.choice(["none", "tanh"])))
        return self.random.choice(kinds)(), channels
