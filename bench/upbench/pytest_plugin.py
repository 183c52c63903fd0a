"""The pytest front: ``pytest --benchmark``, the axes as options, and a fixture that benchmarks one upsampler.

The same engine as ``upbench run`` measures each case in isolated workers; the rounds that it returns are then replayed
into pytest-benchmark's own fixture by way of its ``timer`` option, so that everything pytest-benchmark does with a
benchmark — JSON, autosave, comparison, grouping — works on them. Loaded in every pytest run that has this package
installed, so nothing heavy is imported before a case is measured.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from upbench.cases.case import Case
    from upbench.sweep.engine import Engine

AXES = {
    "upsamplers": "Names from 'upbench list'.",
    "scales": "Such as 2,3,4, 1.5, or 1.5x2 for height and width.",
    "channels": "Such as 16,64.",
    "out_channels": "Such as 3, or 'same'.",
    "sizes": "Low-resolution height x width, such as 48x48.",
    "batches": "Such as 1,8.",
    "dtypes": "float32, float64, bfloat16, float16.",
    "layouts": "contiguous, channels_last.",
    "threads": "Threads of one operator.",
    "devices": "cpu, cuda.",
    "runtimes": "eager, compiled, onnx, openvino.",
    "steps": "inference, training.",
}

_engine_key = pytest.StashKey["Engine"]()
_now_s = 0.0


def worker_clock() -> float:
    """The clock given to pytest-benchmark: it stands still except while a measured round is replayed."""
    return _now_s


def _advance(rounds_s: Iterator[float]) -> None:
    global _now_s
    # Profiling calls once more than there are rounds.
    _now_s += next(rounds_s, 0.0)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register ``--benchmark``, and where a project keeps its benchmarks."""
    parser.getgroup("benchmark").addoption(
        "--benchmark",
        action="store_true",
        help="Run the benchmarks and only them; without paths, those of the ini option benchmark_paths.",
    )
    parser.getgroup("benchmark").addoption(
        "--benchmark-gate",
        metavar="REF",
        help="Compare the benchmarks with a commit's, as 'upbench gate --against REF' does, and fail if any got worse.",
    )
    parser.addini("benchmark_paths", "Where 'pytest --benchmark' finds benchmarks when no path is given.", type="args")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Register the axes where our own suite is asked for, and nowhere else.

    Their names are general, and another project's conftest may well have a ``--threads`` of its own.
    """
    asked_for = [*args, *early_config.getini("benchmark_paths")]
    if not any(re.search(r"upbench[./]suite", argument) for argument in asked_for):
        return
    group = parser.getgroup("upsample-bench", "axes of upsample-bench's own suite")
    for axis, example in AXES.items():
        group.addoption(f"--{axis.replace('_', '-')}", dest=f"upbench_{axis}", metavar="LIST", help=example)
    group.addoption(
        "--in-process",
        dest="upbench_in_process",
        action="store_true",
        help="Let pytest-benchmark itself time in this process, as it does any suite; to see what that is worth.",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Turn ``--benchmark`` into pytest-benchmark's own ``--benchmark-only`` before that plugin reads it."""
    if not config.getoption("benchmark"):
        return
    if not config.pluginmanager.hasplugin("benchmark"):
        raise pytest.UsageError("--benchmark needs the plugin pytest-benchmark, which '-p no:benchmark' turns off.")
    config.option.benchmark_only = True
    paths = config.getini("benchmark_paths")
    if paths and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = [str(config.rootpath / path) for path in paths]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """With ``--benchmark-gate``, run the gate in place of the tests; its exit code is the session's."""
    reference = config.getoption("benchmark_gate")
    # The sides of a gate are pytest sessions of their own, which read the same settings.
    if not reference or config.pluginmanager.has_plugin("upbench_gate"):
        return None
    from rich.console import Console

    from upbench.errors import UsageError, UserError
    from upbench.gate import front
    from upbench.gate.procedure import GateSettings

    try:
        return front.live(
            _without_gate(config.invocation_params.args), GateSettings(reference), front.Files(), Console()
        )
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    except UserError as error:
        print(f"pytest: {error}")
        return error.exit_code


def _without_gate(arguments: Iterable[str | os.PathLike[str]]) -> list[str]:
    """What the sides are to be called with."""
    kept: list[str] = []
    rest = (os.fspath(argument) for argument in arguments)
    for argument in rest:
        if argument == "--benchmark-gate":
            next(rest, None)
        elif not argument.startswith("--benchmark-gate=") and argument != "--benchmark":
            kept.append(argument)
    return kept


def chosen_cases(config: pytest.Config) -> list[Case]:
    """The quick grid with the axes that the command line changed.

    Raises:
        pytest.UsageError: an axis has a value that no case can have.
    """
    from dataclasses import replace

    from upbench.cases import grid
    from upbench.cases.spelling import given_axes
    from upbench.sweep.plan import planned

    try:
        given = given_axes(**{axis: config.getoption(f"upbench_{axis}", None) for axis in AXES})
        return planned(replace(grid.quick(), **given))
    except grid.GridError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.fixture
def upsampler_benchmark(benchmark: Any, request: pytest.FixtureRequest) -> Callable[[Case], None]:
    """Benchmark one case: measure it in isolation, replay its rounds, and put its fields into ``extra_info``.

    The test using it must be marked ``@pytest.mark.benchmark(timer=worker_clock)``.
    """

    def run(case: Case) -> None:
        engine = _engine(request.config)
        record = engine.check(case) if benchmark.disabled else engine.measure(case)
        if record.outcome == "unsupported":
            pytest.skip(record.outcome_reason or "unsupported")
        if record.outcome not in ("ok", "unstable"):
            pytest.fail(f"{record.outcome}: {record.outcome_reason}", pytrace=False)
        benchmark.group = case.cell.label
        benchmark.extra_info.update(record.extra_info)
        if not benchmark.disabled:
            benchmark.pedantic(_advance, args=(iter(record.rounds_s),), rounds=len(record.rounds_s))

    return run


def _engine(config: pytest.Config) -> Engine:
    from upbench.sweep.engine import Engine
    from upbench.sweep.schedule import SweepSettings

    if _engine_key not in config.stash:
        # pytest-benchmark's own limit for one benchmark, beyond the five launches that are always made.
        config.stash[_engine_key] = Engine(SweepSettings(budget_s=float(config.getoption("benchmark_max_time"))))
    return config.stash[_engine_key]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Describe the machine as ``upbench run`` does, if our engine has measured anything."""
    if _engine_key in config.stash:
        machine_info.update(config.stash[_engine_key].machine_info())


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, benchmarks: list[Any], output_json: dict[str, Any]) -> None:
    """Add what makes the file a record of ours, so that ``upbench report`` reads it."""
    if _engine_key in config.stash:
        output_json["upsample_bench"] = config.stash[_engine_key].file_facts()
