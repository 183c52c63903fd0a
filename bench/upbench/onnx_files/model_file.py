"""Reading an ONNX file, and saying in one sentence what is wrong with one that cannot be rewritten."""

from __future__ import annotations

from pathlib import Path, PurePath

import onnx_ir as ir

from upbench.errors import UsageError

LEAST_OPSET = 11
"""From which on the operators that are written mean the same in every opset."""

LARGEST_FILE = 2**31 - 1
"""Bytes of a protobuf message."""


class ModelFileError(UsageError):
    """A file cannot be read as an ONNX model that could be rewritten; one sentence says which and why."""


def read(path: Path) -> ir.Model:
    """Read a model; weights in files of their own stay there until somebody asks for one.

    Raises:
        ModelFileError: there is no such file, it is no ONNX model, or its opset is too old.
    """
    if not path.exists():
        raise ModelFileError(f"{path} is not there.")
    if not path.is_file():
        raise ModelFileError(f"{path} is no file.")
    size = path.stat().st_size
    if size == 0:
        raise ModelFileError(f"{path} is empty.")
    if size > LARGEST_FILE:
        raise ModelFileError(f"{path} is larger than 2 GB, as no ONNX file is: save its weights as external data.")
    try:
        model = ir.load(path, format="protobuf")
    except OSError:
        raise
    except Exception as error:  # whatever a parser says of bytes that are no model
        raise ModelFileError(f"{path} is damaged, or no ONNX file.") from error
    if not len(model.graph):
        raise ModelFileError(f"{path} is no ONNX file: it holds no operators.")
    _refuse_old(model, path)
    _refuse_missing_weights(model, path)
    return model


def opset_of(model: ir.Model) -> int:
    """The version of ONNX's own operators that a model uses; 0 if it uses none."""
    imported: dict[str, int] = model.opset_imports
    return imported.get("", imported.get("ai.onnx", 0))


def external_files(model: ir.Model) -> set[Path]:
    """The files beside the model's own that hold its weights."""
    return {Path(each.path) for each in _external(model)}


def _external(model: ir.Model) -> list[ir.ExternalTensor]:
    """Wherever in the file a tensor may be: as an initialiser or an attribute, of the graph, a branch or a function."""
    graphs = [model.graph, *model.graph.subgraphs()]
    nodes = [*model.graph.all_nodes(), *(node for each in model.functions.values() for node in each.all_nodes())]
    tensors: list[object] = [value.const_value for graph in graphs for value in graph.initializers.values()]
    for attribute in (each for node in nodes for each in node.attributes.values()):
        if attribute.type == ir.AttributeType.TENSOR:
            tensors.append(attribute.value)
        elif attribute.type == ir.AttributeType.TENSORS:
            tensors += attribute.value or ()
    return [each for each in tensors if isinstance(each, ir.ExternalTensor)]


def _refuse_old(model: ir.Model, path: Path) -> None:
    opset = opset_of(model)
    if not opset:
        raise ModelFileError(f"{path} uses no operators of ONNX itself.")
    if opset < LEAST_OPSET:
        raise ModelFileError(
            f"{path} uses opset {opset}, and files are rewritten from opset {LEAST_OPSET} on:"
            " onnx.version_converter raises it."
        )


def _refuse_missing_weights(model: ir.Model, path: Path) -> None:
    for tensor in _external(model):
        there, inside = Path(tensor.path), PurePath(tensor.location)
        if inside.is_absolute() or ".." in inside.parts:
            raise ModelFileError(f"{path} keeps weights in {inside}, which is outside its folder.")
        if not there.is_file():
            raise ModelFileError(f"{path} keeps weights in {there}, which is not there.")
        first, length = tensor.offset or 0, tensor.length or 0
        if min(first, length) < 0 or there.stat().st_size < first + length:
            raise ModelFileError(f"{path} keeps weights in {there}, which is too short.")
