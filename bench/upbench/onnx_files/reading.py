"""Reading an ONNX file, and saying in one sentence what is wrong with one that cannot be rewritten."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from upbench.errors import UsageError
from upbench.wording import say

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
    file = str(path)
    if not path.exists():
        raise ModelFileError(str(say("{file} is not there.", file=file)))
    if not path.is_file():
        raise ModelFileError(str(say("{file} is no file.", file=file)))
    size = path.stat().st_size
    if size == 0:
        raise ModelFileError(str(say("{file} is empty.", file=file)))
    if size > LARGEST_FILE:
        large = say("{file} is larger than 2 GB, which no ONNX file is: save its weights as external data.", file=file)
        raise ModelFileError(str(large))
    try:
        model = ir.load(path, format="protobuf")
    except OSError:
        raise
    except Exception as error:  # whatever a parser says of bytes that are no model
        raise ModelFileError(str(say("{file} is damaged, or no ONNX file.", file=file))) from error
    if not len(model.graph):
        raise ModelFileError(str(say("{file} is no ONNX file: it holds no operators.", file=file)))
    _refuse_old(model, file)
    _refuse_missing_weights(model, file)
    return model


def opset_of(model: ir.Model) -> int:
    """The version of ONNX's own operators that a model uses; 0 if it uses none."""
    imported: dict[str, int] = model.opset_imports
    return imported.get("", imported.get("ai.onnx", 0))


def external_files(model: ir.Model) -> set[Path]:
    """The files beside the model's own that hold its weights."""
    return {Path(each.path) for each in _external(model)}


def _external(model: ir.Model) -> list[ir.ExternalTensor]:
    tensors = (value.const_value for value in model.graph.initializers.values())
    return [each for each in tensors if isinstance(each, ir.ExternalTensor)]


def _refuse_old(model: ir.Model, file: str) -> None:
    opset = opset_of(model)
    if not opset:
        raise ModelFileError(str(say("{file} uses no operators of ONNX itself.", file=file)))
    if opset < LEAST_OPSET:
        old = say(
            "{file} uses opset {opset}, and files are rewritten from {least} on: onnx.version_converter raises it.",
            file=file,
            opset=opset,
            least=LEAST_OPSET,
        )
        raise ModelFileError(str(old))


def _refuse_missing_weights(model: ir.Model, file: str) -> None:
    for tensor in _external(model):
        there = Path(tensor.path)
        if not there.is_file():
            missing = say("{file} keeps weights in {data}, which is not there.", file=file, data=str(there))
            raise ModelFileError(str(missing))
        if there.stat().st_size < (tensor.offset or 0) + (tensor.length or 0):
            short = say("{file} keeps weights in {data}, which is too short.", file=file, data=str(there))
            raise ModelFileError(str(short))
