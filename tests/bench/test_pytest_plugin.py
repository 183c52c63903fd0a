"""The pytest front, tested by running pytest in pytest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.record import read_run
from bench.statistics import Interval
from tests.bench.test_cli import upbench

pytest_plugins = ["pytester"]

TINY = ("--upsamplers", "subpixel", "--scales", "2", "--channels", "4", "--sizes", "8x9")
SUITE = ("--pyargs", "bench.suite")
THEIRS = """
def test_theirs(benchmark):
    benchmark(sum, range(10))

def test_not_a_benchmark():
    pass
"""


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
        "import sys\ndef test_light(benchmark):\n    benchmark(int)\n    assert 'torch' not in sys.modules"
    )
    pytester.runpytest_subprocess("--benchmark", "--benchmark-json=out.json").assert_outcomes(passed=1)
    assert "upsample_bench" not in json.loads((pytester.path / "out.json").read_text())


def test_the_axes_do_not_get_in_the_way_of_a_foreign_conftest(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--threads')")
    pytester.makepyfile(THEIRS)
    pytester.runpytest_subprocess("--benchmark", "--threads=3").assert_outcomes(passed=1, skipped=1)


def test_the_flag_needs_pytest_benchmark(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_plain(): pass")
    result = pytester.runpytest_subprocess("--benchmark", "-p", "no:benchmark")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--benchmark needs the plugin pytest-benchmark*"])


def test_our_suite_writes_records_that_agree_with_upbench_run(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--benchmark", *SUITE, *TINY, "--benchmark-json=ours.json")
    result.assert_outcomes(passed=1)
    run = read_run(pytester.path / "ours.json")
    (record,) = run.records
    assert record.measured
    assert run.facts["limits"]
    assert run.fingerprint["cpu"]

    output = pytester.path / "cli.json"
    axes = ("--upsampler", "subpixel", "--scale", "2", "--channels", "4", "--size", "8x9", "--time-limit", "1")
    assert upbench("run", *axes, "--output", output).returncode == 0
    (other,) = read_run(output).records
    assert record.case == other.case
    exact = ("macs", "flops", "params", "min_bytes", "peak_tensor_bytes", "peak_allocated_bytes", "definition_error")
    assert {name: record.quantities[name] for name in exact} == {name: other.quantities[name] for name in exact}
    assert isinstance(record.latency, Interval)

    document = json.loads((pytester.path / "ours.json").read_text())
    (benchmark,) = document["benchmarks"]
    assert benchmark["group"] == record.case.cell.label
    assert benchmark["options"]["timer"] == "worker_clock"
    # What pytest-benchmark computed from the replay is what the engine measured.
    assert benchmark["stats"]["rounds"] == len(record.rounds_s)
    low, high = sorted(record.quantities["launch_medians_s"])[0], sorted(record.quantities["launch_medians_s"])[-1]
    assert low * 0.999 <= benchmark["stats"]["median"] <= high * 1.001
    assert upbench("report", pytester.path / "ours.json", "--output", pytester.path / "plots").returncode == 0


def test_pytest_benchmarks_own_options_work_on_our_suite(pytester: pytest.Pytester) -> None:
    options = ("--benchmark-autosave", "--benchmark-group-by=group", "--benchmark-storage=saved")
    pytester.runpytest_subprocess("--benchmark", *SUITE, *TINY, *options).assert_outcomes(passed=1)
    again = pytester.runpytest_subprocess("--benchmark", *SUITE, *TINY, *options, "--benchmark-compare")
    again.assert_outcomes(passed=1)
    again.stdout.fnmatch_lines(["*benchmark 'x2-c4-4to4-8x9*2 tests*"])
    saved = list(Path(pytester.path, "saved").rglob("*.json"))
    assert len(saved) == 2
    assert read_run(saved[0]).records[0].quantities["launch_medians_s"]


def test_disabled_benchmarks_check_the_output_without_timing(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess(*SUITE, *TINY, "--benchmark-disable")
    result.assert_outcomes(passed=1)


def test_an_unsupported_case_is_skipped_with_its_reason(pytester: pytest.Pytester) -> None:
    axes = ("--upsamplers", "nearest_conv_staged", "--scales", "3", "--channels", "4", "--sizes", "8")
    result = pytester.runpytest_subprocess("--benchmark", *SUITE, *axes, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*scales 2, 4, 8*"])


def test_a_wrong_axis_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--benchmark", *SUITE, "--upsamplers", "subpixl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR or "did you mean 'subpixel'" in result.stdout.str()
    assert "did you mean 'subpixel'" in result.stdout.str() + result.stderr.str()
