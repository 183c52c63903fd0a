"""One benchmark for each case of the chosen grid; the axes are options, see ``pytest --help``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.case import Case
from bench.pytest_plugin import chosen_cases, worker_clock


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case."""
    metafunc.parametrize("case", chosen_cases(metafunc.config), ids=lambda case: case.id)


@pytest.mark.benchmark(timer=worker_clock)
def test_upsampler(
    case: Case, upsampler_benchmark: Callable[[Case], None], benchmark: Any, request: pytest.FixtureRequest
) -> None:
    """Latency in the benchmark's statistics; memory, FLOPs and the rest in its ``extra_info``."""
    gate = request.config.pluginmanager.get_plugin("upbench_gate")
    if gate is None and not request.config.getoption("upbench_in_process", False):
        upsampler_benchmark(case)
    else:
        from bench.suite.in_process import benchmark_here

        benchmark_here(case, benchmark, examining=gate is not None and gate.examining)
