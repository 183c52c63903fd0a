"""OpenVINO on the CPU."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from upbench.runtimes.runtime import Call, ConversionError, Runtime

PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}


class OpenVINO(Runtime):
    """One stream tuned for latency, computing in the module's own precision."""

    name = "openvino"
    title = "OpenVINO"
    packages = ("openvino",)

    def prepare(self, module: nn.Module, inputs: tuple[Tensor, ...], kept: Path | None = None) -> Call:
        import openvino

        try:
            # It traces, of which torch warns, and so do values that are fixed by the inputs' sizes.
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = openvino.convert_model(
                    module, example_input=inputs, input=[tuple(each.shape) for each in inputs]
                )
            compiled = core().compile_model(model, "CPU", latency_settings(inputs[0].dtype))
            request = compiled.create_infer_request()
            feeds = [_as_openvino(each) for each in inputs]
            request.infer(feeds)
        except Exception as error:
            raise ConversionError(self, error) from error

        def call() -> Tensor:
            request.infer()
            return _as_torch(request.get_output_tensor(0).data, inputs[0].dtype)

        return call


@functools.cache
def core() -> Any:
    """The one core of this process, which stays.

    Each core gives the thread that makes it a stack for signals of its own, and puts back the one that it found when it
    goes. Where two go in the order in which they came, a freed stack stays behind, and the next signal ends the process
    (openvinotoolkit/openvino, pull request 11894).
    """
    import openvino

    return openvino.Core()


def latency_settings(dtype: torch.dtype) -> dict[str, Any]:
    """OpenVINO's settings for a model of this dtype, with as many threads as torch has now."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # It would compute in bfloat16 by itself where the processor has it.
        "INFERENCE_PRECISION_HINT": PRECISIONS.get(dtype, "f32"),
    }


def _as_openvino(input: Tensor) -> Any:
    """Share memory; numpy knows nothing of bfloat16, which goes by its bits."""
    import openvino

    if input.dtype is not torch.bfloat16:
        return openvino.Tensor(input.detach().numpy())
    return openvino.Tensor(input.detach().view(torch.int16).numpy(), list(input.shape), openvino.Type.bf16)


def _as_torch(output: Any, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(output.view("int16")).view(dtype) if dtype is torch.bfloat16 else torch.from_numpy(output)
