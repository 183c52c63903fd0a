"""One benchmark for each case of the chosen grid; the axes are options, see ``pytest --help``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from upbench.cases.case import Case
from upbench.pytest_plugin import chosen_cases, worker_clock


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case."""
    metafunc.parametrize("case", chosen_cases(metafunc.config), ids=lambda case: case.id)
    if _is_timed_here(metafunc.config):
        # A gate starts the next pair of processes while it times with this one, so that imports are free now.
        importlib.import_module("upbench.suite.in_process")


def _is_timed_here(config: pytest.Config) -> bool:
    """Whether a gate, or pytest-benchmark itself, times the calls in this process, rather than our workers."""
    return config.pluginmanager.has_plugin("upbench_gate") or config.getoption("upbench_in_process", False)


@pytest.mark.benchmark(timer=worker_clock)
def test_upsampler(
    case: Case, upsampler_benchmark: Callable[[Case], None], benchmark: Any, request: pytest.FixtureRequest
) -> None:
    """Latency in the benchmark's statistics; memory, FLOPs and the rest in its ``extra_info``."""
    if _is_timed_here(request.config):
        from upbench.suite.in_process import benchmark_here

        gate = request.config.pluginmanager.get_plugin("upbench_gate")
        benchmark_here(case, benchmark, examining=getattr(gate, "examining", False))
    else:
        upsampler_benchmark(case)
