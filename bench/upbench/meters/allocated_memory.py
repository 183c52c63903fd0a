"""Peak bytes asked of torch's CPU allocator, the convolution library's reordered copies and scratch included.

Exact and repeatable: the running sum of every allocation and release that the profiler sees, above the start.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

from torch.autograd.profiler import profile

from upbench.meters.meter import Meter
from upbench.runtimes.workload import Workload


class AllocatedMemory(Meter):
    """``peak_allocated_bytes`` of one call on the CPU, above inputs and weights; output and gradients included.

    None where torch's allocator is not the one that is asked.
    """

    name = "allocated_memory"

    def measure(self, workload: Workload) -> dict[str, Any]:
        if workload.input.device.type != "cpu" or not workload.runtime.in_torch:
            return {"peak_allocated_bytes": None}
        return {"peak_allocated_bytes": peak_allocated_bytes(workload.call)}


def peak_allocated_bytes(call: Callable[[], object]) -> int:
    """Return the most bytes that a call has taken from torch's CPU allocator at any one time, its result included."""
    # The first call at this size keeps what libraries cache for good, such as compiled primitives.
    call()
    # torch.profiler.profile would import the compiler first, two seconds in every process.
    with profile(use_cpu=True, use_kineto=True, profile_memory=True) as profiler:
        result = call()
    del result
    results = profiler.kineto_results
    assert results is not None
    memory_events = [event for event in results.events() if event.name() == "[memory]"]
    memory_events.sort(key=lambda event: event.start_ns())
    return max(accumulate((int(event.nbytes()) for event in memory_events), initial=0))
