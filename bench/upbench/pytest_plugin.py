"""The pytest front: ``pytest --benchmark``, the axes as options, and a fixture that benchmarks one upsampler.

The same engine as ``upbench run`` measures each case in isolated workers; the rounds that it returns are then replayed
into pytest-benchmark's own fixture by way of its ``timer`` option, so that everything pytest-benchmark does with a
benchmark — JSON, autosave, comparison, grouping — works on them. Loaded in every pytest run that has this package
installed, so nothing heavy is imported before a case is measured, and no name is taken that another project may have.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
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
    "runtimes": "eager, compiled, cudagraph, onnx, openvino, ncnn, litert.",
    "steps": "inference, training.",
    "tf32": "On CUDA: off, on.",
    "cudnn_benchmark": "On CUDA: off, on.",
    "caches": "On CUDA, of each timed call: cold, warm.",
}

BENCHMARK, GATE = "upbench_benchmark", "upbench_gate"
"""Where ``config.option`` keeps our options; another project's ``--benchmark`` is called ``benchmark`` there."""

OPTIONS: dict[str, dict[str, str]] = {
    "--benchmark": {
        "dest": BENCHMARK,
        "action": "store_true",
        "help": "Run the benchmarks and only them; without paths, those of the ini option benchmark_paths.",
    },
    "--benchmark-gate": {
        "dest": GATE,
        "metavar": "REF",
        "help": "Compare the benchmarks with a commit's, as 'upbench gate --against REF' does; fail if any got worse.",
    },
}
"""By name, as ``argparse`` has them."""

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
    """Register where a project keeps its benchmarks; the options wait until other projects have theirs."""
    parser.addini("benchmark_paths", "Where 'pytest --benchmark' finds benchmarks when no path is given.", type="args")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """Take our options off the command line, unless a conftest or another plugin has one of that name.

    Theirs may come as late as when a folder is collected, so that ours are registered for ``--help`` alone. The axes
    have general names, and are there only where our own suite is asked for.
    """
    result = yield
    for name, settings in OPTIONS.items():
        if {"-h", "--help"} & set(args) and _is_free(parser, args, name):
            parser.getgroup("benchmark").addoption(name, **settings)
        elif any(argument.partition("=")[0] == name for argument in args) and _is_free(parser, args, name):
            setattr(early_config.option, settings["dest"], _taken_off(args, name, takes_value="metavar" in settings))
    asked_for = list(args)
    # Settings that name no paths are of interest only to whoever asks for the benchmarks in them.
    with suppress(pytest.UsageError):
        asked_for += _benchmark_paths(early_config)
    if any(re.search(r"upbench[./]suite", argument) for argument in asked_for):
        _register_axes(parser, args)
    return result


def _benchmark_paths(config: pytest.Config) -> list[str]:
    """The ini option, of which another project may have made text.

    Raises:
        pytest.UsageError: it is neither text nor a list of paths.
    """
    try:
        paths = config.getini("benchmark_paths") or []
        return paths.split() if isinstance(paths, str) else [os.fspath(path) for path in paths]
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"benchmark_paths in pytest's settings names no paths: {error}.") from error


def _is_free(parser: pytest.Parser, args: list[str], name: str) -> bool:
    """Whether nobody else has an option called ``name``."""
    try:
        return name in parser.parse_known_and_unknown_args([*args, name])[1]
    except pytest.UsageError:
        # Somebody's option, which wants a value.
        return False


def _taken_off(args: list[str], name: str, takes_value: bool) -> str | bool:
    """Remove an option from ``args`` and return its value, or True for one that takes none.

    Raises:
        pytest.UsageError: the value is missing, or there is one too many.
    """
    value: str | bool = True
    while place := next((place for place, each in enumerate(args, 1) if each.partition("=")[0] == name), 0):
        _, equals, text = args.pop(place - 1).partition("=")
        if takes_value and not equals:
            text = args.pop(place - 1) if place <= len(args) else ""
        if takes_value != bool(text):
            raise pytest.UsageError(f"{name} {'needs a value' if takes_value else 'takes no value'}.")
        value = text or True
    return value


def _register_axes(parser: pytest.Parser, args: list[str]) -> None:
    from upbench.cases.shadowed import check_not_shadowed
    from upbench.errors import UsageError

    try:
        check_not_shadowed()
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    group = parser.getgroup("upsample-bench", "axes of upsample-bench's own suite")
    free = [axis for axis in AXES if _is_free(parser, args, _option_of(axis))]
    for axis in free:
        group.addoption(_option_of(axis), dest=f"upbench_{axis}", metavar="LIST", help=AXES[axis])
    group.addoption(
        "--in-process",
        dest="upbench_in_process",
        action="store_true",
        help="Let pytest-benchmark itself time in this process, as it does any suite; to see what that is worth.",
    )


def _option_of(axis: str) -> str:
    return f"--{axis.replace('_', '-')}"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Turn ``--benchmark`` into pytest-benchmark's own ``--benchmark-only`` before that plugin reads it."""
    if not getattr(config.option, BENCHMARK, False):
        return
    if not config.pluginmanager.hasplugin("benchmark"):
        raise pytest.UsageError("--benchmark needs the plugin pytest-benchmark, which '-p no:benchmark' turns off.")
    config.option.benchmark_only = True
    paths = _benchmark_paths(config)
    if paths and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = [str(config.rootpath / path) for path in paths]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """With ``--benchmark-gate``, run the gate in place of the tests; its exit code is the session's."""
    reference = getattr(config.option, GATE, None)
    # The sides of a gate are pytest sessions of their own, which read the same settings.
    if not reference or config.pluginmanager.has_plugin("upbench_gate"):
        return None
    from upbench.errors import UsageError, UserError
    from upbench.gate import front
    from upbench.gate.procedure import GateSettings
    from upbench.terminal import PlainConsole

    try:
        return front.live(_without_ours(config), GateSettings(reference), front.Files(), PlainConsole())
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    except UserError as error:
        PlainConsole().say(f"pytest: {error}")
        return error.exit_code


def _without_ours(config: pytest.Config) -> list[str]:
    """What the sides are to be called with."""
    kept = [os.fspath(argument) for argument in config.invocation_params.args]
    for name, settings in OPTIONS.items():
        if getattr(config.option, settings["dest"], None):
            _taken_off(kept, name, takes_value="metavar" in settings)
    return kept


def chosen_cases(config: pytest.Config) -> list[Case]:
    """The quick grid with the axes that the command line changed.

    Raises:
        pytest.UsageError: an axis has a value that no case can have.
    """
    from dataclasses import replace

    from upbench.cases import grid
    from upbench.cases.case import GridError
    from upbench.cases.spelling import given_axes
    from upbench.sweep.plan import planned

    try:
        given = given_axes(**{axis: config.getoption(f"upbench_{axis}", None) for axis in AXES})
        return planned(replace(grid.quick(), **given))
    except GridError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.fixture
def upsampler_benchmark(benchmark: Any, request: pytest.FixtureRequest) -> Callable[[Case], None]:
    """Benchmark one case: measure it in isolation, replay its rounds, and put its fields into ``extra_info``.

    The first test that is run waits until all cases are measured that any of the session's tests has as a parameter, as
    rivals are timed side by side.
    The test using it must be marked ``@pytest.mark.benchmark(timer=worker_clock)``.
    """

    def run(case: Case) -> None:
        engine = _engine(request.session)
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


def _engine(session: pytest.Session) -> Engine:
    config = session.config
    from upbench.progress import watcher_for
    from upbench.sweep.engine import Engine
    from upbench.sweep.settings import SweepSettings
    from upbench.terminal import PlainConsole

    if _engine_key not in config.stash:
        # pytest-benchmark's own limit for one benchmark, beyond the launches that are always made.
        settings = SweepSettings(budget_s=float(config.getoption("benchmark_max_time")))
        config.stash[_engine_key] = Engine(_announced(session), settings, watcher_for(PlainConsole(stderr=True)))
    return config.stash[_engine_key]


def _announced(session: pytest.Session) -> list[Case]:
    """The cases that the session's tests will ask the fixture for, as far as their parameters tell."""
    from upbench.cases.case import Case

    found: dict[Case, None] = {}
    for item in session.items:
        if "upsampler_benchmark" in getattr(item, "fixturenames", ()) and hasattr(item, "callspec"):
            found |= {each: None for each in item.callspec.params.values() if isinstance(each, Case)}
    return list(found)


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
