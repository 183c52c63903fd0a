"""A live process: plain pytest-benchmark suites in it, a project's own settings, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from packaging.version import Version

from tests.upbench.gate.foreign_project import Project, Result
from upbench.gate import live, timed
from upbench.gate.launch import LiveProcess
from upbench.gate.timed import Benchmark, UntimeableError
from upbench.gate.trees import Side

UNJUDGED = ("--against", "HEAD", "--latency", "advise", "--budget", "0")
LONGEST_START_S, LONGEST_END_S = 120.0, 20.0

ORDINARY_SETTINGS = """
[pytest]
addopts = -n 2 --dist loadscope --benchmark-skip --benchmark-disable --failed-first --maxfail 1 --strict-config
    --junitxml=report.xml --basetemp=temporary --log-file=log.txt
cache_dir = cache
"""


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Result]:
    """Identical code on both sides, in a project whose settings are made for its ordinary test runs."""
    project = Project.in_folder(tmp_path_factory.mktemp("unchanged") / "home")
    (project.root / "pytest.ini").write_text(ORDINARY_SETTINGS)
    project.commit()
    return project, project.gate(*UNJUDGED, "benchmarks")


def test_identical_code_passes(unchanged: tuple[Project, Result]) -> None:
    _, result = unchanged
    assert result.returncode == 0, result.stdout
    assert result.document["outcome"] == "pass"
    assert "PASS: No error, no exact quantity and no memory got worse." in result.stdout
    assert result.document["notes"] == []


@pytest.mark.parametrize(
    "name",
    [
        "test_words.py::test_plain",
        "test_words.py::test_parametrised[heap]",
        "test_words.py::test_parametrised[sort]",
        "test_words.py::test_decorator",
        "test_words.py::test_pedantic",
        "test_words.py::test_statistics",
        "test_classes.py::TestLengths::test_method",
        "test_classes.py::TestUnit::test_unit",
    ],
)
def test_a_plain_benchmark_is_measured_however_it_is_written(unchanged: tuple[Project, Result], name: str) -> None:
    verdict = unchanged[1].verdict(name)
    assert verdict["launches"] >= 6
    assert len(verdict["log_ratios"]) == verdict["launches"]
    assert all(seconds > 0 for seconds in verdict["call_s"])
    assert [len(samples) for samples in verdict["resident_peak_bytes"]] in ([2, 2], [4, 4])


def test_a_skipped_benchmark_is_skipped_and_a_test_that_is_none_is_not_run(unchanged: tuple[Project, Result]) -> None:
    project, result = unchanged
    assert result.verdict("test_skipped")["kind"] == "skipped"
    assert "not on this machine" in result.reasons("test_skipped")
    assert not [verdict for verdict in result.document["verdicts"] if "test_not_a_benchmark" in verdict["name"]]
    assert "not a benchmark" not in [what for _, what in project.traces()]


def test_whatever_is_set_up_is_torn_down_in_the_same_process(unchanged: tuple[Project, Result]) -> None:
    open_in: dict[int, list[str]] = {}
    for process, what in unchanged[0].traces():
        stack = open_in.setdefault(process, [])
        if what.startswith("+"):
            stack.append(what[1:])
        elif what.startswith("-"):
            assert stack.pop() == what[1:]
    assert len(open_in) >= 14
    assert not any(open_in.values())


def test_a_modules_fixture_is_set_up_once_in_a_process(unchanged: tuple[Project, Result]) -> None:
    counts = Counter(trace for trace in unchanged[0].traces() if trace[1].startswith("+text"))
    assert set(counts.values()) == {1}


def test_rounds_are_set_up_and_torn_down_in_every_process(unchanged: tuple[Project, Result]) -> None:
    calls = [int(what.split()[1]) for _, what in unchanged[0].traces() if what.startswith("pedantic")]
    assert len(calls) >= 14
    assert all(count > 2 and count % 2 == 0 for count in calls)


def test_a_gate_leaves_the_working_tree_as_it_was(unchanged: tuple[Project, Result]) -> None:
    assert unchanged[0].left_behind() == []


Killed = dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """Gates that get a signal half-way: exit code and errors, without progress, once nothing of them is left."""
    signals: dict[str, Callable[[int], None]] = {
        # At a terminal, everything in the foreground gets it.
        "SIGINT": lambda process: os.killpg(process, signal.SIGINT),
        "SIGTERM": lambda process: os.kill(process, signal.SIGTERM),
        "SIGKILL": lambda process: os.kill(process, signal.SIGKILL),
    }
    running = {}
    for name in signals:
        project = Project.in_folder(tmp_path_factory.mktemp(name) / "home").commit()
        running[name] = project, project.start(*UNJUDGED, "benchmarks")
    ended = {}
    for name, (project, process) in running.items():
        # Both sides of the pair that examines set up and tear down each benchmark once, so the next pair is timed.
        _until(lambda project=project: len(project.traces()) > 40, LONGEST_START_S)
        signals[name](process.pid)
        _, stderr = process.communicate(timeout=LONGEST_END_S)
        _until(lambda project=project: not project.left_behind(), LONGEST_END_S)
        # Where it takes long until then, it says how far it has come.
        errors = [line for line in stderr.splitlines(keepends=True) if " s measured, about " not in line]
        ended[name] = process.returncode, "".join(errors)
    return ended


def _until(reached: Callable[[], bool], longest_s: float) -> None:
    end = time.monotonic() + longest_s
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_interrupted_gate_says_so_and_leaves_nothing_behind(killed: Killed) -> None:
    code, stderr = killed["SIGINT"]
    assert code == 130
    assert len(stderr.splitlines()) == 1
    assert "Interrupted" in stderr


def test_a_terminated_gate_leaves_nothing_behind(killed: Killed) -> None:
    code, stderr = killed["SIGTERM"]
    assert code in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert "Traceback" not in stderr


def test_a_killed_gate_leaves_nothing_behind(killed: Killed) -> None:
    assert killed["SIGKILL"] == (-signal.SIGKILL, "")


SUITE = """
import os, sys
import wordcount

def test_first(benchmark, words):
    assert benchmark(wordcount.lengths, words)

def test_second(benchmark, words, tmp_path):
    assert benchmark(wordcount.lengths, words)

def test_never_called(benchmark):
    pass

def test_called_twice(benchmark):
    benchmark(int)
    benchmark(int)

def test_wrong_afterwards(benchmark):
    assert benchmark(int) == 1

def test_says(benchmark):
    benchmark.extra_info.update(path=sys.path[0], arguments=len(sys.argv), worker=os.environ.get("PYTEST_XDIST_WORKER"))
    benchmark.extra_info["no plain value"] = object()
    benchmark(int)
"""
FILE = "benchmarks/test_protocol.py"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project.in_folder(tmp_path / "home").write({"benchmarks/test_protocol.py": SUITE}).commit()
    monkeypatch.setenv("WORDCOUNT_LEDGER", str(project.ledger))
    return project


Start = Callable[..., LiveProcess]


@pytest.fixture
def start(project: Project) -> Iterator[Start]:
    started: list[LiveProcess] = []

    def one(path: str | None = None) -> LiveProcess:
        path = str(project.root) if path is None else path
        side = Side("candidate", project.root, project.root, sys.executable, (FILE,), path)
        logs = project.home / "logs"
        logs.mkdir(exist_ok=True)
        cores = os.sched_getaffinity(0)
        process = LiveProcess(side, "time", project.home / "other", cores, 1, {}, logs / "log", 60.0)
        started.append(process)
        return process

    yield one
    for process in started:
        process.hang_up()
        process.wait()


def test_a_process_answers_until_the_benchmark_is_closed(start: Start) -> None:
    process = start()
    what, found, errors = process.receive()
    assert (what, len(found), errors) == ("collected", 6, [])
    assert process.ask("open", f"{FILE}::test_first", None)[0] == "opened"
    what, seconds = process.ask("block", 3)
    assert what == "timed"
    assert seconds > 0
    assert process.ask("peak")[0] == "peak"
    assert process.ask("close")[:3] == ("closed", "passed", "")
    own, foreign, installed, instead = process.ask("loaded", ["elsewhere/json/decoder.py", "json.py"])[1:]
    assert {"wordcount/__init__.py", "benchmarks/conftest.py", FILE} == set(own)
    assert foreign == installed == []
    assert [file for file, _ in instead] == ["elsewhere/json/decoder.py", "json.py"]
    assert all("json" in path for _, path in instead)


def test_how_a_test_ends_is_told_in_its_own_words(start: Start) -> None:
    process = start()
    process.receive()
    _, outcome, reason, *_ = process.ask("open", f"{FILE}::test_never_called", None)
    assert (outcome, reason) == ("skipped", "the test has a benchmark fixture and never calls it")
    for name, message in (("called_twice", "Fixture can only be used once"), ("wrong_afterwards", "AssertionError")):
        assert process.ask("open", f"{FILE}::test_{name}", None)[0] == "opened"
        _, outcome, reason, *_ = process.ask("close")
        assert outcome == "failed"
        assert message in reason
    process.ask("open", f"{FILE}::test_says", None)
    _, outcome, _, stated, *_ = process.ask("close")
    assert outcome == "passed"
    assert "no plain value" not in stated


def test_a_process_hung_up_on_in_a_benchmark_tears_down_what_is_set_up(start: Start, project: Project) -> None:
    process = start()
    process.receive()
    process.ask("open", f"{FILE}::test_first", f"{FILE}::test_second")
    assert [what for _, what in project.traces()] == ["+text test_protocol.py", "+words test_first"]
    process.hang_up()
    process.wait()
    assert [what for _, what in project.traces()][2:] == ["-words test_first", "-text test_protocol.py"]


def test_an_installed_package_is_not_hidden_by_the_tree(start: Start, project: Project) -> None:
    process = start(path=str(project.home / "installed"))
    _, _, errors = process.receive()
    assert len(errors) == 1
    assert "No module named 'wordcount'" in errors[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PYTEST_ADDOPTS", "-p no:xdist -p no:pytest_cov"),
        ("PYTEST_ADDOPTS", "-p no:cacheprovider"),
        ("PYTEST_ADDOPTS", "-n auto --benchmark-only --benchmark-json=results.json"),
        ("PYTEST_XDIST_WORKER", "gw1"),
        ("PYTHONSAFEPATH", "1"),
    ],
)
def test_a_users_environment_keeps_no_benchmark_from_running(
    start: Start, project: Project, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    process = start()
    process.receive()
    assert process.ask("open", f"{FILE}::test_says", None)[0] == "opened"
    _, outcome, _, stated, *_ = process.ask("close")
    assert outcome == "passed"
    assert stated == {"path": stated["path"], "arguments": stated["arguments"], "worker": None}
    process.hang_up()
    process.wait()
    # Before 5.3 pytest-benchmark made the file as soon as it read the option.
    is_made = "--benchmark-json" in value and Version(version("pytest-benchmark")) < Version("5.3")
    assert project.git("status", "--porcelain") == ("?? results.json\n" if is_made else "")


def test_plugins_need_not_be_loaded_by_themselves(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p pytest_benchmark.plugin")
    process = start()
    process.receive()
    assert process.ask("open", f"{FILE}::test_first", None)[0] == "opened"


class Clock:
    """Seconds that pass only while something says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> Callable[..., float]:
        def takes(*_: object) -> float:
            self.now += seconds
            return self.now

        return takes


def test_setup_and_teardown_of_a_round_are_not_timed() -> None:
    clock = Clock()
    setup, teardown = clock.passes(10.0), clock.passes(100.0)
    benchmark = Benchmark(clock, clock.passes(2.0), setup=lambda: setup() and None, teardown=teardown)
    assert benchmark.block(3) == pytest.approx(2.0)
    # The first of them is not timed either.
    assert clock.now == pytest.approx((1 + 3) * 112.0)


def test_the_arguments_that_a_round_is_set_up_with_are_its_own() -> None:
    made = iter(range(10))
    called: list[int] = []
    torn_down: list[int] = []
    benchmark = Benchmark(
        time.perf_counter, called.append, setup=lambda: ((next(made),), {}), teardown=torn_down.append
    )
    benchmark.block(3)
    assert called == torn_down == [0, 1, 2, 3]


def test_a_setup_that_makes_arguments_excludes_arguments() -> None:
    benchmark = Benchmark(time.perf_counter, int, args=("1",), setup=lambda: (("2",), {}))
    with pytest.raises(TypeError, match="Can't use `args` or `kwargs`"):
        benchmark.block(1)


def test_a_round_of_several_iterations_is_timed_as_one() -> None:
    clock = Clock()
    benchmark = Benchmark(clock, clock.passes(2.0), iterations=5)
    assert benchmark.block(3) == pytest.approx(10.0)
    assert benchmark.result == clock.now == pytest.approx((1 + 3) * 10.0)


def test_a_clock_that_stands_still_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed, "STANDSTILL_S", 0.01)
    with pytest.raises(UntimeableError, match="its clock stands still"):
        Benchmark(lambda: 0.0, int).calibrate()


@pytest.mark.parametrize("tick", [1e-9, 1e-3, 0.5])
def test_a_block_has_fifty_ticks_of_the_clock_at_least(tick: float) -> None:
    clock = Clock()

    def coarse() -> float:
        # Whoever looks at it takes a little time as well.
        clock.now += tick / 7
        return tick * (clock.now // tick)

    benchmark = Benchmark(coarse, clock.passes(tick / 10))
    assert benchmark.least_block_s() == pytest.approx(timed.TICKS * tick)
    assert benchmark.calibrate() == pytest.approx(tick / 10, rel=0.1)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_limited_rounds_are_all_timed_and_none_is_spent_on_knowing(rounds: int) -> None:
    calls: list[int] = []
    benchmark = Benchmark(time.perf_counter, lambda: calls.append(1), most_rounds=rounds)
    assert benchmark.calibrate() == 0.0
    for _ in range(rounds):
        assert benchmark.block(1) > 0
    benchmark.call_at_least_once()
    assert len(calls) == rounds


def test_a_limited_benchmark_that_nobody_times_is_called_once() -> None:
    benchmark = Benchmark(time.perf_counter, lambda: 7, most_rounds=1)
    benchmark.calibrate()
    benchmark.call_at_least_once()
    assert benchmark.result == 7


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([1, 2], [1.0, 2.0]),
        (np.array([1 + 2j]), [[1.0, 2.0]]),
        (torch.tensor([1 - 2j]).conj(), [[1.0, 2.0]]),
        (torch.tensor([1.5], dtype=torch.bfloat16, requires_grad=True), [1.5]),
        (None, None),
        ({"a": 1}, None),
        ("text", None),
        ([[1], [1, 2]], None),
        (torch.eye(2).to_sparse(), None),
    ],
    ids=str,
)
def test_an_output_is_numbers_or_cannot_be_compared(result: Any, expected: Any) -> None:
    found = live._as_array(result)
    assert (None if found is None else found.tolist()) == expected


def test_memory_is_not_judged_where_the_system_keeps_its_high_water_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    calls: list[int] = []
    monkeypatch.setattr(Path, "write_text", refuse)
    assert Benchmark(time.perf_counter, calls.append, (1,)).peak_bytes() == 0
    assert len(calls) == 2
