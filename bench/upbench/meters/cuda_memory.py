"""Peak CUDA memory of one forward pass: what tensors held, and what the caching allocator took from the device.

It ran on one device, an H200 with torch 2.11; the tests need no GPU and check its logic.
"""

from __future__ import annotations

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
    """``peak_cuda_allocated_bytes`` and ``peak_cuda_reserved_bytes`` above the start; None on other devices."""

    name = "cuda_memory"

    def measure(self, workload: Workload) -> dict[str, Any]:
        if workload.input.device.type != "cuda":
            return {"peak_cuda_allocated_bytes": None, "peak_cuda_reserved_bytes": None}
        return peak_cuda_memory(workload, torch.cuda)


def peak_cuda_memory(workload: Workload, cuda: CudaMemoryStatistics) -> dict[str, Any]:
    """Run once warm, drop what the cache holds, and read the peaks of the second run."""
    workload.call()
    cuda.synchronize()
    # Blocks that are cached from the warm-up would hide what this pass has to reserve.
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    allocated, reserved = cuda.memory_allocated(), cuda.memory_reserved()
    workload.call()
    cuda.synchronize()
    return {
        "peak_cuda_allocated_bytes": cuda.max_memory_allocated() - allocated,
        "peak_cuda_reserved_bytes": cuda.max_memory_reserved() - reserved,
    }
