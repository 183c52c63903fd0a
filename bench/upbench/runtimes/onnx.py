"""ONNX Runtime on the CPU, by way of torch's own export to ONNX."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from upbench.runtimes.runtime import Call, ConversionError, Runtime, leave


class Onnx(Runtime):
    """Every graph optimisation that ONNX Runtime has, one operator after the other."""

    name = "onnx"
    title = "ONNX Runtime"
    packages = ("onnx", "onnxruntime", "onnxscript")

    def prepare(self, module: nn.Module, inputs: tuple[Tensor, ...], kept: Path | None = None) -> Call:
        import onnxruntime

        file = None if kept is None else kept / "model.onnx"
        options = session_options()
        try:
            model = file.read_bytes() if file and file.exists() else exported(module, inputs)
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            names = [given.name for given in session.get_inputs()]
            feeds = {name: each.detach().numpy() for name, each in zip(names, inputs, strict=True)}
            session.run(None, feeds)
        except Exception as error:
            raise ConversionError(self, error) from error
        if file is not None:
            leave(model, file)

        def call() -> Tensor:
            return torch.from_numpy(session.run(None, feeds)[0])

        return call


def session_options() -> Any:
    """ONNX Runtime's settings: all optimisations, and as many threads as torch has now."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    return options


def exported(module: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    """The module as an ONNX model for inputs of these sizes."""
    # The exporter warns of its own insides, and logs what it does not find of torchvision.
    silenced = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(module, inputs, dynamo=True, verbose=False)
    finally:
        logging.disable(silenced)
    assert program is not None
    model: bytes = program.model_proto.SerializeToString()
    return model
