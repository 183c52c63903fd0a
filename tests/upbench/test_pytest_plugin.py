"""The pytest front, tested by running pytest in pytest."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.upbench.test_cli import upbench
from upbench.records.record import read_run
from upbench.records.statistics import Interval
from upbench.report import write_report

pytest_plugins = ["pytester"]

TINY = ("--upsamplers", "subpixel", "--scales", "2", "--channels", "4", "--sizes", "8x9")
SUITE = ("--pyargs", "upbench.suite")
THEIRS = """
def test_theirs(benchmark):
    benchmark.pedantic(sum, args=(range(10),))

def test_not_a_benchmark():
    pass
"""

WORK = """
from ours import work

def test_work(benchmark):
    benchmark(work)
"""
WRONG_BY_A_THOUSANDTH = """

_right = SubPixel.__init__

def _wrong(self, *arguments, **options):
    _right(self, *arguments, **options)
    for parameter in self.parameters():
        parameter.data *= 1.001

SubPixel.__init__ = _wrong
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def not_in_a_worker_of_xdist(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest-benchmark turns itself off where it sees the variable, and the runs in here are no workers.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


def test_the_literal_flag_runs_the_benchmarks_and_only_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(THEIRS)
    result = pytester.runpytest_subprocess("--benchmark")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*test_theirs*"])


def test_without_the_flag_nothing_changes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(THEIRS)
    pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_the_flag_finds_a_projects_benchmarks_by_its_ini_option(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntestpaths = tests\nbenchmark_paths = speed")
    pytester.makepyfile(**{"tests/test_a": "def test_a(benchmark): assert False", "speed/test_b": THEIRS})
    pytester.runpytest_subprocess("--benchmark").assert_outcomes(passed=1, skipped=1)
    pytester.runpytest_subprocess("--benchmark", "tests").assert_outcomes(failed=1)


def test_the_plugin_loads_no_torch_into_foreign_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import sys\ndef test_light(benchmark):\n    benchmark.pedantic(int)\n    assert 'torch' not in sys.modules"
    )
    pytester.runpytest_subprocess("--benchmark", "--benchmark-json=out.json").assert_outcomes(passed=1)
    assert "upsample_bench" not in json.loads((pytester.path / "out.json").read_text())


PACKAGES = {f"{name}/__init__": "" for name in ("bench", "results", "plots", "upsample")}


@pytest.mark.parametrize("own", [PACKAGES, {"upsample": "", "bench": ""}], ids=["packages", "modules"])
@pytest.mark.parametrize("command", [("pytest",), ("python", "-m", "pytest")], ids=" ".join)
def test_a_project_may_have_packages_of_our_rooms_names(
    pytester: pytest.Pytester, own: dict[str, str], command: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        **own,
        **{
            "speed/test_speed": "import bench, upsample\n"
            "def test_speed(benchmark):\n    benchmark.pedantic(int)\n    assert not hasattr(upsample, 'cards')"
        },
    )
    pytester.makeini("[pytest]\nbenchmark_paths = speed\npythonpath = .")
    scripts = Path(sys.executable).parent
    for options in ((), ("--benchmark",)):
        result = pytester.run(scripts / command[0], *command[1:], *options)
        assert result.ret == 0, result.stdout.str()
        result.assert_outcomes(passed=1)


OWN_OPTION = "def pytest_addoption(parser):\n    parser.addoption({option!r}, action='store_true', {more})"


@pytest.mark.parametrize(
    ("place", "more"),
    [
        ("conftest", ""),
        ("conftest", "dest='benchmark'"),
        ("tests/conftest", "dest='own_benchmark'"),
        ("deep/er/conftest", ""),
        ("own_plugin", ""),
    ],
)
def test_an_option_of_ones_own_wins(pytester: pytest.Pytester, place: str, more: str) -> None:
    """In a conftest beside the tests, in one that is only found while they are collected, or in a plugin."""
    folder = "deep/er" if place.startswith("deep") else "tests"
    pytester.makepyfile(
        **{
            place: OWN_OPTION.format(option="--benchmark", more=more),
            f"{folder}/test_own": "def test_plain(): pass\ndef test_speed(benchmark): benchmark.pedantic(int)",
        }
    )
    options = ("-p", "own_plugin") if place == "own_plugin" else ()
    pytester.syspathinsert()
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=2)
    # Theirs does not skip what is no benchmark, as ours does.
    ours = place.startswith("deep")
    asked = pytester.runpytest_subprocess(*options, "--benchmark")
    asked.assert_outcomes(passed=1, skipped=1) if ours else asked.assert_outcomes(passed=2)
    assert pytester.runpytest_subprocess(*options, "--help").ret == 0


def test_no_other_option_gets_in_the_way_either(pytester: pytest.Pytester) -> None:
    own = ("--benchmark-gate", "--threads", "--sizes")
    pytester.makeconftest(f"def pytest_addoption(parser):\n    for name in {own}: parser.addoption(name)")
    pytester.makepyfile(f"def test_it(pytestconfig):\n    assert all(pytestconfig.getoption(n) == '3' for n in {own})")
    given = [f"{name}=3" for name in own]
    pytester.runpytest_subprocess(*given).assert_outcomes(passed=1)
    suite = pytester.runpytest_subprocess(*given, *SUITE, "--collect-only", "-q", "--upsamplers=subpixel")
    assert suite.ret == 0, suite.stdout.str()


def test_an_ini_option_of_ones_own_is_read_as_it_is(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser): parser.addini('benchmark_paths', 'theirs', type='string')")
    pytester.makeini("[pytest]\nbenchmark_paths = speed more")
    pytester.makepyfile(**{"speed/test_a": THEIRS, "more/test_b": THEIRS, "test_c": THEIRS})
    pytester.runpytest_subprocess("--benchmark").assert_outcomes(passed=2, skipped=2)


def test_an_ini_option_that_names_no_paths_is_a_usage_error_for_whoever_asks_for_them(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\nbenchmark_paths = [5]")
    pytester.makepyfile(THEIRS)
    pytester.runpytest_subprocess().assert_outcomes(passed=2)
    result = pytester.runpytest_subprocess("--benchmark")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: benchmark_paths in pytest's settings names no paths*"])


def test_the_options_are_in_the_help_and_their_mistakes_are_usage_errors(pytester: pytest.Pytester) -> None:
    help_text = pytester.runpytest_subprocess("--help").stdout
    help_text.fnmatch_lines(["*--benchmark *", "*--benchmark-gate*REF*"])
    for wrong, said in (("--benchmark=3", "--benchmark takes no value."), ("--benchmark-gate", "needs a value.")):
        result = pytester.runpytest_subprocess(wrong)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{said}*"])


def test_a_library_that_hides_ours_is_named_where_our_suite_is_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(upsample="")
    result = pytester.run(sys.executable, "-m", "pytest", *SUITE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*upsample.py hides the library 'upsample'*"])


def test_the_flag_means_the_same_beside_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(THEIRS)
    result = pytester.runpytest_subprocess("--benchmark", "-n", "1")
    # pytest-benchmark refuses to run nothing but benchmarks there, and says so.
    result.stderr.fnmatch_lines(["*Can't have both --benchmark-only and --benchmark-disable options*"])


def test_the_flag_needs_pytest_benchmark(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_plain(): pass")
    result = pytester.runpytest_subprocess("--benchmark", "-p", "no:benchmark")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--benchmark needs the plugin pytest-benchmark*"])


@pytest.fixture(scope="module")
def suite_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Our suite run twice with options of pytest-benchmark's: the folder, and what each of the runs printed."""
    folder = tmp_path_factory.mktemp("suite")
    command = [sys.executable, "-m", "pytest", "--benchmark", *SUITE, *TINY, "--benchmark-json=ours.json"]
    options = ["--benchmark-autosave", "--benchmark-group-by=group", "--benchmark-storage=saved"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    printed = []
    for more in ([], ["--benchmark-compare"]):
        result = subprocess.run([*command, *options, *more], cwd=folder, env=variables, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "1 passed" in result.stdout
        printed.append(result.stdout)
    return folder, printed


def test_our_suite_writes_records_that_agree_with_upbench_run(
    suite_runs: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, _ = suite_runs
    run = read_run(folder / "ours.json")
    (record,) = run.records
    assert record.measured
    assert run.facts["limits"]
    assert run.fingerprint["cpu"]

    output = tmp_path / "cli.json"
    axes = ("--upsampler", "subpixel", "--scale", "2", "--channels", "4", "--size", "8x9", "--time-limit", "1")
    assert upbench("run", *axes, "--output", output).returncode == 0
    (other,) = read_run(output).records
    assert record.case == other.case
    exact = ("macs", "flops", "params", "min_bytes", "peak_tensor_bytes", "peak_allocated_bytes")
    assert {name: record.quantities[name] for name in exact} == {name: other.quantities[name] for name in exact}
    # One of the two files is written by pytest-benchmark, with all digits.
    assert record.quantities["definition_error"] == pytest.approx(other.quantities["definition_error"], rel=1e-5)
    assert isinstance(record.latency, Interval)

    document = json.loads((folder / "ours.json").read_text())
    (benchmark,) = document["benchmarks"]
    assert benchmark["group"] == record.case.cell.label
    assert benchmark["options"]["timer"] == "worker_clock"
    # What pytest-benchmark computed from the replay is what the engine measured.
    assert benchmark["stats"]["rounds"] == len(record.rounds_s)
    low, high = sorted(record.quantities["launch_medians_s"])[0], sorted(record.quantities["launch_medians_s"])[-1]
    assert low * 0.999 <= benchmark["stats"]["median"] <= high * 1.001
    write_report([run], tmp_path / "plots")


def test_pytest_benchmarks_own_options_work_on_our_suite(suite_runs: tuple[Path, list[str]]) -> None:
    folder, (_, compared) = suite_runs
    assert re.search(r"benchmark 'x2-c4-4to4-8x9.*2 tests", compared)
    saved = list(Path(folder, "saved").rglob("*.json"))
    assert len(saved) == 2
    assert read_run(saved[0]).records[0].quantities["launch_medians_s"]


def test_disabled_benchmarks_check_the_output_without_timing_and_skip_what_is_unsupported(
    pytester: pytest.Pytester,
) -> None:
    axes = ("--upsamplers", "subpixel,nearest_conv_staged", "--scales", "3", "--channels", "4", "--sizes", "8")
    result = pytester.runpytest_subprocess(*SUITE, *axes, "--benchmark-disable", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*scales 2, 4, 8*"])


def test_a_wrong_axis_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--benchmark", *SUITE, "--upsamplers", "subpixl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR or "did you mean 'subpixel'" in result.stdout.str()
    assert "did you mean 'subpixel'" in result.stdout.str() + result.stderr.str()


def commit_all(folder: Path) -> None:
    for command in ("init -q", "add -A", "-c user.name=a -c user.email=a@b commit -qm first"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)


def test_a_gate_takes_the_place_of_the_tests_and_fails_the_session(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(**{"ours": "def work():\n    return sum(range(1000))", "benchmarks/test_work": WORK})
    commit_all(pytester.path)
    unchanged = pytester.runpytest_subprocess("--benchmark-gate=HEAD", "benchmarks")
    # Whether the machine is quiet enough to decide is not this test's question.
    assert unchanged.ret in (0, 3)
    unchanged.stdout.fnmatch_lines(["*benchmarks/test_work.py::test_work*"])
    pytester.makepyfile(ours="def work():\n    raise RuntimeError('broken on purpose')")
    broken = pytester.runpytest_subprocess("--benchmark-gate", "HEAD", "benchmarks")
    assert broken.ret == 1
    broken.stdout.fnmatch_lines(["REGRESSION: *failed on the candidate side: *broken on purpose*"])


def test_a_gate_against_an_unknown_commit_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(**{"benchmarks/test_work": WORK})
    commit_all(pytester.path)
    result = pytester.runpytest_subprocess("--benchmark-gate=nowhere", "benchmarks")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*There is no commit 'nowhere'*"])


def test_a_gate_on_our_own_suite_sees_that_an_output_differs(tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), str(tmp_path)], check=True)
    source = tmp_path / "upsample" / "families" / "subpixel.py"
    source.write_text(source.read_text() + WRONG_BY_A_THOUSANDTH)
    axes = ("--upsamplers", "subpixel", "--scales", "2", "--channels", "4", "--sizes", "8", "--out-channels", "same")
    result = upbench("gate", "--against", "HEAD", "--budget", "0", "bench/upbench/suite", *axes, cwd=tmp_path)
    assert result.returncode == 1
    assert "REGRESSION: bench/upbench/suite/test_upsamplers.py::test_upsampler[subpixel-" in result.stdout
    assert "the output differs by 1.0e-03 of its largest value, allowed 1e-05" in result.stdout
