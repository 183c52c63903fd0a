"""One side of a gate: a live pytest process that opens benchmarks and times blocks of them when it is told to.

This file is run as a script by the side's own interpreter, in whose environment our package may be missing or of
another version; it therefore imports the standard library and pytest alone. It speaks with :mod:`upbench.gate.launch`
over a socket, in tuples of plain values.

A benchmark is opened by running its test as usual, fixtures and all, up to the call of pytest-benchmark's ``benchmark``
fixture. There it waits: every request times a block of the benchmarked function and answers the seconds, until the test
is told to go on to its end.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Generator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

PLUGIN_NAME = "upbench_gate"
"""Under which a suite finds this plugin, to know that it is measured by a gate."""

SLOWED = "_upbench_slowed"
"""The attribute of ``sys`` in which functions slowed on purpose (:mod:`upbench.gate.injection`) note that they ran."""

CALIBRATION_S = 0.002
"""Calls are repeated until they take this long altogether, to know how long one takes."""

MOST_ROUNDS = 1 << 20
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


class Benchmark:
    """What a test handed to ``benchmark(...)`` or ``benchmark.pedantic(...)``, ready to be timed block by block.

    Args:
        timer: returns seconds.
        target, args, kwargs: what is called.
        setup, teardown: called around each round, untimed, as in ``pedantic``.
        iterations: calls in one round; blocks are made of whole rounds.
        disable_gc: whether no garbage is collected while a block is timed.
    """

    def __init__(
        self,
        timer: Any,
        target: Any,
        args: Any = (),
        kwargs: Any = None,
        setup: Any = None,
        teardown: Any = None,
        iterations: int = 1,
        disable_gc: bool = False,
    ) -> None:
        self._timer, self._disable_gc = timer, disable_gc
        self._target, self._args, self._kwargs = target, args, kwargs or {}
        self._setup, self._teardown, self._iterations = setup, teardown, iterations
        self.result: Any = None

    def calibrate(self) -> float:
        """Call until caches are warm, and return the seconds of one round."""
        rounds = 1
        while True:
            round_s = self.block(rounds)
            if round_s * rounds >= CALIBRATION_S or rounds >= MOST_ROUNDS:
                return round_s
            rounds *= 2

    def block(self, rounds: int) -> float:
        """Make one untimed round and then so many timed ones; the mean seconds of those.

        As :mod:`upbench.processes.rivals` has it, which says why.
        """
        if not self._disable_gc:
            return self._after_another(rounds)
        gc.disable()
        try:
            return self._after_another(rounds)
        finally:
            gc.enable()

    def _after_another(self, rounds: int) -> float:
        self._mean_round(1)
        return self._mean_round(rounds)

    def _mean_round(self, rounds: int) -> float:
        if self._setup or self._teardown:
            return math.fsum(self._round() for _ in range(rounds)) / rounds
        return self._timed(rounds * self._iterations, self._args, self._kwargs) / rounds

    def _round(self) -> float:
        args, kwargs = self._args, self._kwargs
        if self._setup:
            made = self._setup()
            if made:
                if args or kwargs:
                    raise TypeError("Can't use `args` or `kwargs` if `setup` returns the arguments.")
                args, kwargs = made
        seconds = self._timed(self._iterations, args, kwargs)
        if self._teardown:
            self._teardown(*args, **kwargs)
        return seconds

    def _timed(self, calls: int, args: Any, kwargs: Any) -> float:
        target, timer = self._target, self._timer
        all_but_one = range(calls - 1)
        start = timer()
        for _ in all_but_one:
            target(*args, **kwargs)
        self.result = target(*args, **kwargs)
        return float(timer() - start)

    def peak_bytes(self) -> int:
        """How much the resident set grows at most during one round, as :mod:`upbench.meters.resident_memory` has it."""
        self.block(1)
        self.result = None
        Path("/proc/self/clear_refs").write_text("5")
        before = _status_bytes("VmRSS")
        self.block(1)
        return max(0, _status_bytes("VmHWM") - before)


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


_SMALL = bytes(1 << 18)
_SOURCE, _COPY = bytes(4 << 20), bytearray(4 << 20)


def _arithmetic() -> None:
    """Arithmetic on what a second-level cache holds."""
    hashlib.sha256(_SMALL).digest()


def _copy() -> None:
    """Copying more than a second-level cache holds."""
    _COPY[:] = _SOURCE


CONTROLS = {"control: arithmetic": _arithmetic, "control: copy": _copy}
"""Benchmarks that no change of any code touches; both sides run the same, so that any difference is the machine's."""


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
            if setup and iterations > 1:
                raise ValueError("Can't use more than 1 `iterations` with a `setup` function.")
            benchmark = Benchmark(
                fixture._timer, target, args, kwargs, setup, teardown, iterations, fixture._disable_gc
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
                self._send("loaded", *self._loaded_files())
                continue
            nodeid, next_nodeid = arguments
            if nodeid in CONTROLS:
                self._answer_blocks(Benchmark(time.perf_counter, CONTROLS[nodeid]))
                self._send("closed", "passed", "", {}, None, [])
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
        extra_info = {key: value for key, value in getattr(self._fixture, "extra_info", {}).items() if _is_plain(value)}
        self._send("closed", outcome, reason, extra_info, self._result, self._slowed)

    def _serve(self, fixture: Any, mode: str, benchmark: Benchmark) -> Any:
        """Take the place of pytest-benchmark's own timing inside a test."""
        from pytest_benchmark.fixture import FixtureAlreadyUsed

        if fixture._mode:
            raise FixtureAlreadyUsed(f"Fixture can only be used once. Previously it was used in {fixture._mode} mode.")
        fixture._mode, self._fixture = mode, fixture
        slowed = vars(sys).get(SLOWED)
        if slowed:
            slowed.clear()
        seconds = self._answer_blocks(benchmark)
        self._slowed = sorted(slowed or ())
        # Tests may look at the statistics; pytest-benchmark's own table of them, which takes a second, is for nobody.
        fixture._add_stats = lambda _: None
        stats = fixture._make_stats(1)
        for each in seconds:
            stats.update(each)
        if "result_rtol" in fixture.extra_info:
            self._result = _as_array(benchmark.result)
        return benchmark.result

    def _answer_blocks(self, benchmark: Benchmark) -> list[float]:
        seconds = [benchmark.calibrate()]
        self._send("opened", seconds[0])
        while (message := self._receive()) is not None:
            request, *arguments = message
            if request == "close":
                return seconds
            if request == "peak":
                self._send("peak", benchmark.peak_bytes())
            else:
                seconds.append(benchmark.block(*arguments))
                self._send("timed", seconds[-1])
        pytest.exit("the gate is gone in the middle of a benchmark")

    def _send(self, *message: Any) -> None:
        self._connection.send(message)

    def _receive(self) -> Any:
        """The next request, or None when the gate has hung up."""
        try:
            return self._connection.recv()
        except (EOFError, ConnectionResetError):
            return None

    def _loaded_files(self) -> tuple[list[str], list[str]]:
        """Source files of this side's tree that were imported, and those of the other side's."""
        environment = (Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve())
        own, foreign = [], []
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if not isinstance(file, str):
                continue
            path = Path(file).resolve()
            # This very script may lie in the other tree: when the gate is run on the project that it belongs to.
            if path == Path(__file__).resolve():
                continue
            if path.is_relative_to(self._own):
                if not any(place != self._own and path.is_relative_to(place) for place in environment):
                    own.append(str(path.relative_to(self._own)))
            elif path.is_relative_to(self._foreign) and not any(path.is_relative_to(place) for place in environment):
                foreign.append(str(path))
        return own, foreign


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, type(None)))


def _as_array(result: Any) -> Any:
    """The result as shape and numbers, in numpy's own pickling; None where it is no array or a very large one."""
    import numpy

    array = numpy.asarray(result.detach().cpu().float() if hasattr(result, "detach") else result, dtype=numpy.float64)
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
