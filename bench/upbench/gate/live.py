"""One side of a gate: a live pytest process that opens benchmarks and times blocks of them when it is told to.

This file is run as a script by the side's own interpreter, in whose environment our package may be missing or of
another version; it therefore imports the standard library, pytest and the file beside it alone. It speaks with
:mod:`upbench.gate.launch` over a socket, in tuples of plain values.

A benchmark is opened by running its test as usual, fixtures and all, up to the call of pytest-benchmark's ``benchmark``
fixture. There it waits: every request times a block of the benchmarked function and answers the seconds, until the test
is told to go on to its end.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.metadata
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Generator
from decimal import Decimal
from fractions import Fraction
from multiprocessing.connection import Connection
from numbers import Integral, Rational, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

if TYPE_CHECKING:
    from upbench.gate.timed import CONTROLS, Benchmark, UntimeableError
else:
    # As a package of its own, ours may be another version here, or missing.
    _spec = importlib.util.spec_from_file_location("_upbench_gate_timed", Path(__file__).with_name("timed.py"))
    _timed = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_timed)
    CONTROLS, Benchmark, UntimeableError = _timed.CONTROLS, _timed.Benchmark, _timed.UntimeableError

PLUGIN_NAME = "upbench_gate"
"""Under which a suite finds this plugin, to know that it is measured by a gate."""

SLOWED = "_upbench_slowed"
"""The attribute of ``sys`` in which functions slowed on purpose (:mod:`upbench.gate.injection`) note that they ran."""

RESULT_BYTES = 64 << 20
"""Results that are compared between the sides are no larger than this."""

PR_SET_PDEATHSIG = 1

OPTIONS = {
    # Projects often keep benchmarks out of their ordinary test runs.
    "benchmark_skip": False,
    "benchmark_only": False,
    "benchmark_disable": False,
    "benchmark_enable": True,
    # All runs in this process.
    "dist": "no",
    "tx": [],
    "numprocesses": 0,
    # The candidate's side runs in the user's tree, where it is to leave nothing, nor meet the next process's files.
    "basetemp": None,
    "log_file": os.devnull,
    "xmlpath": None,
}
"""pytest's options, its plugins' included, as they are in a live process whatever the project's settings say."""


class Live:
    """The pytest plugin: collects as usual, then serves requests instead of running the tests in turn.

    Args:
        connection: to the gate.
        own, foreign: this side's tree, and the other's, of which nothing may be loaded here.
        examining: whether this process is there for all but the time; a suite may then state exact quantities of a
            benchmark in ``extra_info`` that would cost too much in every launch.
    """

    def __init__(self, connection: Connection, own: Path, foreign: Path, examining: bool) -> None:
        # pytest calls a plugin by this name.
        self.__name__ = PLUGIN_NAME
        self.examining = examining
        self._connection, self._own, self._foreign = connection, own, foreign
        self._collection_errors: list[str] = []
        self._reports: list[pytest.TestReport] = []
        self._fixture: Any = None
        self._result: Any = None
        self._slowed: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> Generator[None, None, None]:
        # pytest-cov reads it here already. As an option it would be an error where that plugin is turned off.
        early_config.known_args_namespace.no_cov = True
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Take back what a project's settings say for its ordinary test runs."""
        for option, value in OPTIONS.items():
            setattr(config.option, option, value)
        config.addinivalue_line("markers", "benchmark: mark a test with custom benchmark settings.")

    def pytest_sessionstart(self) -> None:
        """Put ourselves in the place where pytest-benchmark would time."""
        from pytest_benchmark.fixture import BenchmarkFixture

        live = self

        def call(fixture: Any, function_to_benchmark: Any, *args: Any, **kwargs: Any) -> Any:
            return live._serve(
                fixture,
                "benchmark(...)",
                Benchmark(fixture._timer, function_to_benchmark, args, kwargs, disable_gc=fixture._disable_gc),
            )

        def pedantic(
            fixture: Any,
            target: Any,
            args: Any = (),
            kwargs: Any = None,
            setup: Any = None,
            teardown: Any = None,
            rounds: int = 1,
            warmup_rounds: int = 0,
            iterations: int = 1,
        ) -> Any:
            if not all(isinstance(each, int) for each in (rounds, warmup_rounds, iterations)) or iterations < 1:
                raise ValueError("Must have whole positive values for `rounds`, `warmup_rounds` and `iterations`.")
            if rounds < 1 or warmup_rounds < 0:
                raise ValueError("Must have positive values for `rounds` and `warmup_rounds`.")
            if setup and iterations > 1:
                raise ValueError("Can't use more than 1 `iterations` with a `setup` function.")
            # Whoever asks for one round may have a function that can be called once. What is set up can be repeated.
            most_rounds = None if setup else rounds
            benchmark = Benchmark(
                fixture._timer,
                target,
                args,
                kwargs,
                setup,
                teardown,
                iterations,
                fixture._disable_gc,
                most_rounds,
                warmup_rounds,
            )
            return live._serve(fixture, "benchmark.pedantic(...)", benchmark)

        for name, method in (("__call__", call), ("pedantic", pedantic)):
            setattr(BenchmarkFixture, name, method)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._collection_errors.append(str(report.longrepr))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Serve until told to quit."""
        items = {item.nodeid: item for item in session.items if "benchmark" in getattr(item, "fixturenames", ())}
        # Otherwise each collection looks through all that was imported, which has nothing to do with any benchmark.
        gc.collect()
        gc.freeze()
        self._send("collected", list(items), self._collection_errors)
        while (message := self._receive()) is not None:
            request, *arguments = message
            if request == "loaded":
                self._send("loaded", *self._loaded_files(*arguments))
                continue
            nodeid, next_nodeid = arguments
            if nodeid in CONTROLS:
                self._answer_blocks(Benchmark(time.perf_counter, CONTROLS[nodeid]))
                self._send("closed", "passed", "", {}, {}, None, [])
            else:
                self._run(items[nodeid], items.get(next_nodeid))
        # Nobody reads the summary, for which other plugins may import a lot.
        session.config.pluginmanager.unregister(name="terminalreporter")
        return True

    def _run(self, item: pytest.Item, next_item: pytest.Item | None) -> None:
        """One test from its set-up to its end; what it measures in between is asked for while it is open."""
        self._reports, self._fixture, self._result, self._slowed = [], None, None, []
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
        bad = next((report for report in self._reports if report.outcome != "passed"), None)
        outcome = bad.outcome if bad else "passed"
        if outcome == "passed" and self._fixture is None:
            outcome, reason = "skipped", "the test has a benchmark fixture and never calls it"
        else:
            reason = _short(bad) if bad else ""
        stated, not_compared = _stated(getattr(self._fixture, "extra_info", {}))
        self._send("closed", outcome, reason, stated, not_compared, self._result, self._slowed)

    def _serve(self, fixture: Any, mode: str, benchmark: Benchmark) -> Any:
        """Take the place of pytest-benchmark's own timing inside a test."""
        from pytest_benchmark.fixture import FixtureAlreadyUsed

        if fixture._mode:
            raise FixtureAlreadyUsed(f"Fixture can only be used once. Previously it was used in {fixture._mode} mode.")
        fixture._mode, self._fixture = mode, fixture
        slowed = vars(sys).get(SLOWED)
        if slowed:
            slowed.clear()
        try:
            self._answer_blocks(benchmark)
        except UntimeableError as error:
            pytest.fail(str(error), pytrace=False)
        self._slowed = sorted(slowed or ())
        # Tests may look at the statistics; pytest-benchmark's own table of them, which takes a second, is for nobody.
        fixture._add_stats = lambda _: None
        stats = fixture._make_stats(1)
        for each in benchmark.seconds:
            stats.update(each)
        if "result_rtol" in fixture.extra_info:
            self._result = _as_array(benchmark.result)
        return benchmark.result

    def _answer_blocks(self, benchmark: Benchmark) -> None:
        self._send("opened", benchmark.calibrate(), benchmark.least_block_s(), benchmark.most_rounds)
        while (message := self._receive()) is not None:
            request, *arguments = message
            if request == "close":
                benchmark.call_at_least_once()
                return
            if request == "peak":
                self._send("peak", benchmark.peak_bytes())
            else:
                self._send("timed", benchmark.block(*arguments))
        pytest.exit("the gate is gone in the middle of a benchmark")

    def _send(self, *message: Any) -> None:
        self._connection.send(message)

    def _receive(self) -> Any:
        """The next request, or None when the gate has hung up."""
        try:
            return self._connection.recv()
        except (EOFError, ConnectionResetError):
            return None

    def _loaded_files(self, of_interest: list[str]) -> tuple[list[str], list[str], list[str], list[tuple[str, str]]]:
        """What was imported, as :class:`upbench.gate.sources.Loaded` has it."""
        environment = (Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve())
        from_folders, folders = _installed_from_folders()
        own, foreign, installed, instead = [], [], [], []
        for imported, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if not isinstance(file, str):
                continue
            path = Path(file).resolve()
            # These very scripts may lie in the other tree: when the gate is run on the project that it belongs to.
            if path.parent == Path(__file__).resolve().parent:
                continue
            if path.is_relative_to(self._own):
                if not any(place != self._own and path.is_relative_to(place) for place in environment):
                    own.append(str(path.relative_to(self._own)))
                    continue
            elif path.is_relative_to(self._foreign) and not any(path.is_relative_to(place) for place in environment):
                foreign.append(str(path))
                continue
            if path in from_folders or any(path.is_relative_to(folder) for folder in folders):
                installed.append(str(path))
            instead += [(name, str(path)) for name in of_interest if _is_called(imported, name, self._own)]
        loaded = set(own)
        return own, foreign, installed, [(name, path) for name, path in instead if name not in loaded]


def _installed_from_folders() -> tuple[set[Path], list[Path]]:
    """What was installed from folders (PEP 610), as projects under development are: files, and folders to be edited."""
    files, folders = set(), []
    for distribution in importlib.metadata.distributions():
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        if "dir_info" in origin:
            files |= {Path(str(file.locate())).resolve() for file in distribution.files or ()}
            if origin["dir_info"].get("editable"):
                folders.append(Path(url2pathname(urlsplit(origin["url"]).path)).resolve())
    return files, folders


def _is_called(module: str, file: str, tree: Path) -> bool:
    """Whether a file of a tree would be imported as this module, from whatever folder its package lies in."""
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if not f".{name}".endswith(f".{module}"):
        return False
    if "." not in module and not file.endswith("/__init__.py") and name not in (module, f"src.{module}"):
        # Of a single file there may be several in a tree, in folders that nobody imports from.
        return False
    above = Path(*name.split(".")[: -len(module.split("."))])
    # In a package it would have a longer name.
    return not (tree / above / "__init__.py").exists()


def _stated(extra_info: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What a test states of itself as plain numbers and texts, and of which type is what cannot be made one."""
    stated, not_compared = {}, {}
    for key, value in extra_info.items():
        try:
            stated[key] = _plain(value)
        except (TypeError, ValueError, OverflowError):
            not_compared[key] = type(value).__name__
    return stated, not_compared


def _plain(value: Any) -> Any:
    """A number of whatever kind as one of Python's own, of the same value; texts and None as they are.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(value, (str, bool, type(None))):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Rational) or (isinstance(value, Decimal) and value.is_finite()):
        ratio = Fraction(value)
        return ratio.numerator if ratio.denominator == 1 else ratio
    if isinstance(value, (Real, Decimal)):
        return float(value)
    # Arrays and tensors of one element; numpy's booleans.
    try:
        item = value.item()
    except (AttributeError, RuntimeError, ValueError) as error:
        raise TypeError from error
    if type(item) is type(value):
        raise TypeError
    return _plain(item)


def _as_array(result: Any) -> Any:
    """The result as shape and numbers, in numpy's own pickling; None where it is no array or a very large one.

    A complex number becomes two.
    """
    import numpy

    if result is None:
        return None
    try:
        if hasattr(result, "detach"):
            result = result.detach().cpu()
            result = (result.resolve_conj() if result.is_complex() else result.double()).numpy()
        array = numpy.asarray(result)
        if numpy.iscomplexobj(array):
            array = numpy.stack([array.real, array.imag], -1)
        array = array.astype(numpy.float64)
    except (TypeError, ValueError):
        return None
    return array.astype(numpy.float32) if array.nbytes <= RESULT_BYTES else None


def _short(report: Any) -> str:
    """Why a test did not pass, in its own last words."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return str(report.longrepr).strip()
    return f"{str(crash.message).strip().splitlines()[0]} ({Path(crash.path).name}:{crash.lineno})"


def main() -> None:
    """``live.py SOCKET OWN FOREIGN MODE PYTEST_ARGUMENT...``, with this side's tree as the current folder."""
    # Even a gate that is killed outright leaves no process behind.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # An interrupt at the terminal is the gate's to handle, which then ends its sides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor, own, foreign, mode, *arguments = sys.argv[1:]
    sys.argv[1:] = arguments
    # A script's folder stands first on the path; ours must not be there for anybody's import. Nor must the tree be,
    # unless PYTHONPATH has it: an installed package would be hidden by its own sources.
    if not sys.flags.safe_path:
        del sys.path[0]
    connection = Connection(int(descriptor))
    # Without its plugin for the cache, pytest would not know options such as --failed-first.
    cache = Path(tempfile.gettempdir(), f"cache-{os.getpid()}")
    plugin = Live(connection, Path(own).resolve(), Path(foreign).resolve(), examining=mode == "examine")
    code = pytest.main(["--assert=plain", *arguments, "-o", f"cache_dir={cache}"], plugins=[plugin])
    sys.stdout.flush()
    # Taking a large library apart, module by module, takes as long as importing it.
    os._exit(int(code))


if __name__ == "__main__":
    main()
