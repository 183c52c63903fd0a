"""Whether a call leaves work on a stream that nobody waits for: then no event times it, and its output is not there."""

from __future__ import annotations

from typing import Any

from upbench.cases.outcome import RefusedCaseError
from upbench.meters.meter import Meter
from upbench.processes.cuda_events import CudaEvents, cuda_events
from upbench.runtimes.runtime import Call
from upbench.runtimes.workload import Workload

CALLS = 10
"""In a row: what each of them leaves adds up."""

MOST_S = 2e-4
"""To find a device idle takes some ten microseconds."""


class UnjoinedWorkError(RefusedCaseError):
    """The module's output is said to be there before it is."""


class UnjoinedWork(Meter):
    """``unjoined_s``: for how long a CUDA device works on after the calls are over; no field elsewhere."""

    name = "unjoined_work"

    def measure(self, workload: Workload) -> dict[str, Any]:
        device = workload.input.device
        return unjoined(workload.call, cuda_events(device, "warm")) if device.type == "cuda" else {}


def unjoined(call: Call, events: CudaEvents) -> dict[str, Any]:
    """Refuse a call whose work goes on when its stream is done.

    Raises:
        UnjoinedWorkError: it does.
    """
    seconds = events.unjoined_s(call, CALLS)
    if seconds > MOST_S:
        raise UnjoinedWorkError(
            f"the device works for {seconds * 1e3:.2g} ms after {CALLS} calls are over: they leave work on a stream "
            "that the current one does not wait for, which no event times"
        )
    return {"unjoined_s": seconds}
