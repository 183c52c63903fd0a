"""Peak bytes asked of torch's CPU allocator, the convolution library's reordered copies and scratch included.

Exact and repeatable: the running sum of every allocation and release that the profiler sees, above the start.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from torch.autograd.profiler import profile

from bench.meters.interface import Meter
from bench.workload import Workload


class AllocatedMemory(Meter):
    """``peak_allocated_bytes`` of one forward pass on the CPU, above inputs and weights; output included."""

    name = "allocated_memory"

    def measure(self, workload: Workload) -> dict[str, Any]:
        if workload.input.device.type != "cpu":
            return {"peak_allocated_bytes": None}
        # The first call at this size keeps what libraries cache for good, such as compiled primitives.
        workload.call()
        # torch.profiler.profile would import the compiler first, two seconds in every process.
        with profile(use_cpu=True, use_kineto=True, profile_memory=True) as profiler:
            workload.call()
        results = profiler.kineto_results
        assert results is not None
        memory_events = [event for event in results.events() if event.name() == "[memory]"]
        memory_events.sort(key=lambda event: event.start_ns())
        running = accumulate((event.nbytes() for event in memory_events), initial=0)
        return {"peak_allocated_bytes": max(running)}
