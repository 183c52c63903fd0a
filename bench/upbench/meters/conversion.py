"""How long the runtime took to convert the module, apart from every latency."""

from __future__ import annotations

from typing import Any

from upbench.meters.meter import Meter
from upbench.runtimes.workload import Workload


class Conversion(Meter):
    """``conversion_s``: from the module to the end of the first call, without the runtime's own imports.

    The worker that examines a case finds nothing converted by an earlier one.
    """

    name = "conversion"

    def measure(self, workload: Workload) -> dict[str, Any]:
        return {"conversion_s": workload.conversion_s}
