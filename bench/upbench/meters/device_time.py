"""How much of a call on a CUDA device is the device's own work, and how long the host takes to queue it.

Where queueing takes longer, the latency is the host's, and a CUDA graph would show the device's. Both are single
figures that explain a latency and are never compared.
"""

from __future__ import annotations

from typing import Any

from upbench.meters.meter import Meter
from upbench.processes.cuda_events import CudaEvents, cuda_events
from upbench.runtimes.runtime import Call
from upbench.runtimes.workload import Workload

MOST_CALLS = 10
QUEUED_S = 0.005
"""Of queueing at most, as far as one call allows: while it lasts the device is kept from its queue."""


class DeviceTime(Meter):
    """``queueing_s`` and ``device_s`` of one call, caches warm; no fields on other devices."""

    name = "device_time"

    def measure(self, workload: Workload) -> dict[str, Any]:
        device = workload.input.device
        return device_time(workload.call, cuda_events(device, "warm")) if device.type == "cuda" else {}


def device_time(call: Call, events: CudaEvents) -> dict[str, Any]:
    """Time the host's part, and then the device's with as many calls as are queued in time."""
    queueing_s = events.queueing_s(call, 1)
    calls = max(1, min(MOST_CALLS, int(QUEUED_S / max(queueing_s, 1e-9))))
    return {"queueing_s": queueing_s, "device_s": events.device_s(call, calls)}
