"""The shapes of a model's values: what follows from its file, and what they are when it is run on an example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from upbench.onnx_files.engines import Array, EngineError, Feeds, load
from upbench.onnx_files.translation import Shapes

LARGE = 1024
"""Bytes of a weight that is handed to the runtime where it is."""


def inferred(model: ir.Model) -> Shapes:
    """The shapes that follow from a file, by value; the model is left as it was."""
    values = list(_values(model.graph))
    before = [(value.shape, value.type) for value in values]
    # What a size is computed to is propagated.
    ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(model)
    made = {value: value.shape for value in values}
    for value, (shape, kind) in zip(values, before, strict=True):
        if kind is not None:
            value.shape, value.type = shape, kind
        else:
            # Its dtype is of use, and a file may say it or not.
            value.shape = shape
    return made


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from graph.inputs
    for node in graph:
        yield from node.outputs


def seen(model: ir.Model, shapes: Shapes, feeds: Feeds) -> dict[str, tuple[int, ...]]:
    """The shapes that do not follow from the file, in a run on an example, by the value's name.

    Raises:
        EngineError: the model cannot be run.
    """
    found = {name: array.shape for name, array in feeds.items()}
    open_ones = [value for node in model.graph for value in node.outputs if value.name and not _fixed(shapes[value])]
    wanted = [value.name or "" for value in open_ones]
    if not wanted:
        return found
    proto, weights = _without_weights(model)
    try:
        return {**found, **_shapes_of(proto, weights, wanted, feeds)}
    except EngineError:
        # Values of which nothing is known may be no tensors.
        typed = [value.name or "" for value in open_ones if isinstance(value.type, ir.TensorType)]
        return {**found, **_shapes_of(proto, weights, typed, feeds)}


def _fixed(shape: ir.Shape | None) -> bool:
    return shape is not None and all(isinstance(each, int) for each in shape)


def _shapes_of(
    proto: onnx.ModelProto, weights: Mapping[str, Array], wanted: list[str], feeds: Feeds
) -> dict[str, tuple[int, ...]]:
    asking = onnx.ModelProto()
    asking.CopyFrom(proto)
    names = [f"shape_of/{name}" for name in wanted]
    del asking.graph.output[:]
    for name, output in zip(wanted, names, strict=True):
        asking.graph.node.append(onnx.helper.make_node("Shape", [name], [output]))
        asking.graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.INT64, [None]))
    run = load("onnx", asking.SerializeToString(), weights)
    return {name: tuple(map(int, each)) for name, each in zip(wanted, run(feeds), strict=True)}


def _without_weights(model: ir.Model) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """A model whose large weights are elsewhere, and these, which are not copied."""
    weights: dict[str, Array] = {}
    kept: list[tuple[ir.Value, ir.TensorProtocol]] = []
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if tensor is None:
            continue
        if tensor.nbytes <= LARGE or not _plain(tensor.dtype):
            if isinstance(tensor, ir.ExternalTensor):
                # What is only bytes has no place beside which a file could lie.
                kept.append((value, tensor))
                value.const_value = ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=name)
            continue
        weights[name] = np.asarray(tensor.numpy())
        kept.append((value, tensor))
        shape = ir.Shape(tuple(tensor.shape.numpy()))
        value.const_value = ir.ExternalTensor("weights", 0, tensor.nbytes, tensor.dtype, shape=shape, name=name)
    try:
        return ir.to_proto(model), weights
    finally:
        for value, tensor in kept:
            value.const_value = tensor


def _plain(dtype: ir.DataType) -> bool:
    return dtype in (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.INT64, ir.DataType.INT8)
