"""Peak CUDA memory of one call: what tensors held, and what the caching allocator took from the device.

What has run on hardware and what has not is said in docs/cuda.md; tests check the logic on a device that is made up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch

from upbench.meters.meter import Meter
from upbench.runtimes.workload import Workload


class CudaMemoryStatistics(Protocol):
    """The part of ``torch.cuda`` that this meter needs."""

    def synchronize(self) -> None: ...
    def empty_cache(self) -> None: ...
    def reset_peak_memory_stats(self) -> None: ...
    def memory_allocated(self) -> int: ...
    def memory_reserved(self) -> int: ...
    def max_memory_allocated(self) -> int: ...
    def max_memory_reserved(self) -> int: ...


class CudaMemory(Meter):
    """``peak_cuda_allocated_bytes`` and ``peak_cuda_reserved_bytes`` above the start; None on other devices.

    Where a runtime takes its memory when it prepares a call, as a CUDA graph does, it is that of preparing another one.
    """

    name = "cuda_memory"

    def measure(self, workload: Workload) -> dict[str, Any]:
        if workload.input.device.type != "cuda":
            return {"peak_cuda_allocated_bytes": None, "peak_cuda_reserved_bytes": None}
        call: Callable[[], object] = workload.call
        if workload.runtime.holds_memory:
            call = lambda: workload.runtime.prepare(workload.module, workload.inputs)  # noqa: E731 -- two such calls
        return peak_cuda_memory(call, torch.cuda)


def peak_cuda_memory(call: Callable[[], object], cuda: CudaMemoryStatistics) -> dict[str, Any]:
    """Call once warm, drop what the cache holds, and read the peaks of the second call, its result included."""
    call()
    cuda.synchronize()
    # Blocks that are cached from the warm-up would hide what this call has to reserve.
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    allocated, reserved = cuda.memory_allocated(), cuda.memory_reserved()
    result = call()
    cuda.synchronize()
    peaks = {
        "peak_cuda_allocated_bytes": cuda.max_memory_allocated() - allocated,
        "peak_cuda_reserved_bytes": cuda.max_memory_reserved() - reserved,
    }
    del result
    return peaks
