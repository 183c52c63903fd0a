"""What runs inside an isolated process: build one case, let meters look at it, answer a dictionary.

Only this module is preloaded into the server that workers are forked from, so importing it must not run an operator:
a process forked after a parallel operator hangs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from upbench import meters
from upbench.cases import inputs
from upbench.cases.case import Case
from upbench.machine.limits import Limits, measure_limits
from upbench.processes import allocator, control
from upbench.runtimes.workload import build, gradients_as_in

# Decoded once in the server and shared by every worker; plain numpy, no operator of torch.
inputs.photographs()


def measure(
    case: Case, meter_names: tuple[str, ...], quiet_control_s: float | None = None, kept: Path | None = None
) -> dict[str, Any]:
    """Build ``case`` and return the fields of the named meters.

    Args:
        case: what to measure.
        meter_names: which of its quantities.
        quiet_control_s: the control's time on the quiet machine, for meters that time.
        kept: a folder of this case alone in which its workers leave for each other what its runtime has converted.

    Raises:
        UnsupportedCaseError: the case cannot be run on this machine.
    """
    chosen = [meters.get(name) for name in meter_names]
    if any(meter.gives_memory_back for meter in chosen):
        allocator.give_memory_back()
    with gradients_as_in(case.cell):
        workload = build(case, quiet_control_s, kept)
        fields: dict[str, Any] = {"allocator": allocator.current()}
        for meter in chosen:
            fields |= meter.measure(workload)
    return fields


def calibrate_control(threads: int) -> list[float]:
    """Sample the control operator; see :mod:`upbench.processes.control`."""
    with torch.inference_mode():
        return control.calibrate(threads)


def limits(dtype: str, threads: int, device: str) -> Limits:
    """Measure what this machine can do at most; see :mod:`upbench.machine.limits`."""
    with torch.inference_mode():
        return measure_limits(dtype, threads, device)
