"""One case in the process that asks, for the gate, which times both sides' calls itself.

Part of the suite, so that both sides of a gate run the same; what it builds and checks is each side's own code.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from upbench.cases import inputs
from upbench.cases.case import Case
from upbench.cases.outcome import RefusedCaseError, UnsupportedCaseError
from upbench.runtimes.workload import build, gradients_as_in

# Decoded when the suite is collected, not within the first benchmark of every launch.
inputs.photographs()

EXAMINED = ("arithmetic", "tensor_memory")
RESULT_RTOL = {"float64": 1e-10, "float32": 1e-5, "bfloat16": 2e-2, "float16": 2e-3, "tf32": 2e-3}
"""How far the outputs of both sides may be apart, as a share of the largest value: float rounding."""


def benchmark_here(case: Case, benchmark: Any, examining: bool) -> None:
    """Hand the case's call to the benchmark fixture; when examining, state its exact quantities first."""
    with gradients_as_in(case.cell):
        try:
            workload = build(case)
            benchmark.extra_info["pool"] = case.upsampler
            if examining:
                # Half a second of imports, which no launch that is timed needs.
                from upbench import meters

                for name in EXAMINED:
                    benchmark.extra_info.update(meters.get(name).measure(workload))
                benchmark.extra_info["result_rtol"] = RESULT_RTOL[case.cell.arithmetic]
        except UnsupportedCaseError as error:
            pytest.skip(str(error))
        except RefusedCaseError as error:
            pytest.fail(str(error), pytrace=False)
        # Elsewhere this suite replays what workers have measured, on a clock that stands still in between.
        benchmark._timer = time.perf_counter
        benchmark(workload.call)
