"""CUDA graphs: the kernels of a call recorded once, and launched all together.

An operator on a small image is over before the host has launched its kernels one by one; a graph takes one launch.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from upbench.cases.case import Cell
from upbench.runtimes.runtime import Call, ConversionError, Runtime

WARM_CALLS = 3
"""Before the recording, as torch's documentation has it: libraries choose algorithms and take workspace in them."""


class CudaGraph(Runtime):
    """Replays what torch's own operators launched, in the memory that they had then."""

    name = "cudagraph"
    title = "CUDA graph"
    in_torch = True
    holds_memory = True

    def refusal(self, cell: Cell) -> str | None:
        if not cell.on_cuda:
            return f"{self.title} is run on CUDA devices only; got {cell.device}"
        if cell.trains:
            return f"{self.title} is run for inference only"
        return super().refusal(cell)

    def prepare(self, module: nn.Module, inputs: tuple[Tensor, ...], kept: Path | None = None) -> Call:
        try:
            return recorded(partial(module, *inputs), torch.cuda)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            raise ConversionError(self, error) from error


def recorded(call: Call, cuda: Any) -> Call:
    """Record a call, and return what replays it; its output is the same tensor every time.

    Args:
        call: launches the same kernels on the same tensors every time, and never waits for the device.
        cuda: the part of ``torch.cuda`` that is used, replaceable in tests.

    Raises:
        RuntimeError: the call does what cannot be recorded, such as asking for a value.
    """
    stream = _stream(cuda)
    stream.wait_stream(cuda.current_stream())
    with cuda.stream(stream):
        for _ in range(WARM_CALLS):
            call()
    cuda.current_stream().wait_stream(stream)
    graph, refused = cuda.CUDAGraph(), None
    try:
        with cuda.graph(graph, stream=stream):
            try:
                output = call()
            except Exception as error:
                refused = error
                raise
    except Exception as error:
        # To end a recording that has failed fails too, in words that say nothing of why.
        raise refused or error from None

    def replay() -> Tensor:
        graph.replay()
        return output

    return replay


_streams: dict[Any, Any] = {}


def _stream(cuda: Any) -> Any:
    """The one stream of this process for recordings on a device: libraries keep workspace for each that they see."""
    key = id(cuda), cuda.current_device()
    if key not in _streams:
        _streams[key] = cuda.Stream()
    return _streams[key]
