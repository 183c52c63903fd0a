"""What runs ONNX models: each runtime loads a file, or the bytes of one, and is called with arrays by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from upbench import runtimes
from upbench.errors import UsageError
from upbench.runtimes.onnx import session_options
from upbench.runtimes.openvino import core, latency_settings
from upbench.wording import shown

Array = np.ndarray[Any, Any]
Feeds = Mapping[str, Array]
Loaded = Callable[[Feeds], list[Array]]
"""A model that stands ready: from its inputs to its outputs, which are valid until the next call."""


class EngineError(Exception):
    """A runtime cannot load or run a model; the message holds the runtime's own words, in one line."""

    def __init__(self, runtime: str, error: Exception) -> None:
        lines = filter(None, map(str.strip, str(error).splitlines()))
        # They may quote names of the file, of any length.
        words = shown(next(lines, type(error).__name__))
        super().__init__(f"{runtimes.get(runtime).title}: {words}")


def load(runtime: str, model: Path | bytes, weights: Feeds | None = None) -> Loaded:
    """Let a runtime load a model; it runs with as many threads as torch has now.

    Args:
        runtime: a name of :data:`ENGINES`.
        model: a file, beside which its weights may lie, or what would stand in one.
        weights: for ONNX Runtime alone, those that the model has elsewhere.

    Raises:
        EngineError: it cannot.
    """
    try:
        run = ENGINES[runtime](model, weights or {})
    except Exception as error:  # runtimes have errors of their own
        raise EngineError(runtime, error) from error

    def call(feeds: Feeds) -> list[Array]:
        try:
            return run(feeds)
        except Exception as error:
            raise EngineError(runtime, error) from error

    return call


def known(names: Sequence[str]) -> tuple[str, ...]:
    """Runtimes by name, each once.

    Raises:
        UsageError: one of them runs no ONNX files, or is not installed.
    """
    for name in names:
        if name not in ENGINES:
            raise UsageError(f"{name} is no runtime for ONNX files; known are {', '.join(ENGINES)}.")
        if (missing := runtimes.get(name).missing) is not None:
            raise UsageError(missing)
    return tuple(dict.fromkeys(names))


def _onnxruntime(model: Path | bytes, weights: Feeds) -> Loaded:
    import onnxruntime

    options = session_options()
    options.log_severity_level = 4
    held = [onnxruntime.OrtValue.ortvalue_from_numpy(each) for each in weights.values()]
    if held:
        options.add_external_initializers(list(weights), held)
    given = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])

    def run(feeds: Feeds) -> list[Array]:
        return session.run(None, dict(feeds))  # type: ignore[no-any-return]

    return run


def _openvino(model: Path | bytes, weights: Feeds) -> Loaded:
    import openvino

    read = core().read_model(model if isinstance(model, bytes) else str(model))
    kinds = [each.get_element_type().get_type_name() for each in read.inputs]
    compiled = core().compile_model(read, "CPU", latency_settings(torch.float16 if "f16" in kinds else torch.float32))
    request, names = compiled.create_infer_request(), [_name(each) for each in compiled.inputs]

    def run(feeds: Feeds) -> list[Array]:
        request.infer([openvino.Tensor(np.ascontiguousarray(feeds[name])) for name in names])
        return [request.get_output_tensor(number).data for number in range(len(compiled.outputs))]

    return run


def _name(port: Any) -> str:
    return str(port.get_any_name())


ENGINES: Mapping[str, Callable[[Path | bytes, Feeds], Loaded]] = {"onnx": _onnxruntime, "openvino": _openvino}
"""By the names that the house has for runtimes."""
