"""LiteRT, the runtime of TensorFlow Lite's files, on the CPU, where XNNPACK takes what operators it has."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from upbench.cases.case import Cell
from upbench.runtimes.quiet import quiet
from upbench.runtimes.runtime import Call, ConversionError, Runtime, leave


class LiteRTError(Exception):
    """There is no model that LiteRT runs as it was asked to."""


class LiteRT(Runtime):
    """The interpreter with its default delegate, XNNPACK, in float32.

    Its operators want channels last, so that the converter puts transpositions at both ends, which every call does.
    """

    name = "litert"
    title = "LiteRT"
    packages = ("ai_edge_litert", "litert_torch")
    beside_extra = ("litert-torch",)
    preload = ("ai_edge_litert.interpreter",)
    converter_preload = ("upbench.runtimes._litert_converter",)

    def refusal(self, cell: Cell) -> str | None:
        if cell.dtype != "float32":
            return f"{self.title} is run in float32, to which its converter turns other numbers; got {cell.dtype}"
        return super().refusal(cell)

    def prepare(self, module: nn.Module, inputs: tuple[Tensor, ...], kept: Path | None = None) -> Call:
        file = None if kept is None else kept / "model.tflite"
        try:
            model = file.read_bytes() if file and file.exists() else converted(module, inputs)
            call = called(model, inputs)
            call()
        except Exception as error:
            raise ConversionError(self, error) from error
        if file is not None:
            leave(model, file)
        return call


def converted(module: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    """The module as a TensorFlow Lite file, for inputs of these sizes.

    Raises:
        LiteRTError: an input is of numbers that the converter would turn into others.
    """
    if others := [each.dtype for each in inputs if each.is_floating_point() and each.dtype is not torch.float32]:
        raise LiteRTError(f"it is run in float32; got {others[0]}")
    with quiet(), torch.no_grad():
        import litert_torch

        model = litert_torch.convert(module, inputs)
        content: bytes = model.model_content()
    return content


def called(model: bytes, inputs: Sequence[Tensor]) -> Call:
    """Load a model, to be called on copies of these inputs with as many threads as torch has now.

    Raises:
        LiteRTError: it computes in other numbers than float32.
    """
    with quiet():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=model, num_threads=torch.get_num_threads())
        interpreter.allocate_tensors()
    for place, input in zip(interpreter.get_input_details(), inputs, strict=True):
        # An input stays as it is from call to call. The converter has turned indices of 64 bits into 32.
        interpreter.set_tensor(place["index"], input.detach().contiguous().numpy().astype(place["dtype"]))
    (place,) = interpreter.get_output_details()
    if place["dtype"].__name__ != "float32":
        raise LiteRTError(f"its output would be {place['dtype'].__name__}")
    interpreter.invoke()
    output = _shared(interpreter, place)

    def call() -> Tensor:
        interpreter.invoke()
        return output

    return call


def _shared(interpreter: Any, place: dict[str, Any]) -> Tensor:
    """The output where the interpreter has it.

    It refuses to run as long as somebody has an array of its own with that memory, which stays where it is once the
    sizes of all tensors are known.
    """
    view = interpreter.tensor(place["index"])()
    shape, address = view.shape, view.ctypes.data
    del view
    memory = (ctypes.c_float * prod(shape)).from_address(address)
    # As long as somebody has the output, its memory is there.
    memory.owner = interpreter
    return torch.frombuffer(memory, dtype=torch.float32).reshape(tuple(shape))
