"""``upbench gate`` as a user meets it: exit codes, sentences and files, on a project that knows nothing of us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.upbench.gate.foreign_project import CODE, Project, Result

UNJUDGED = ("--against", "HEAD", "--latency", "advise", "--budget", "0")
MEBIBYTE = 1 << 20

BEFORE = """
import os, signal

NAMES = ("a", "b")
FLOPS = 100
STATED = "one"

def steady(): return sum(range(100))
def raises(): return steady()
def exits(): return steady()
def is_killed(): return steady()
def hungry(): return steady()
def result(): return [1.0, 2.0]
def skips(): return False
"""

AFTER = """
NAMES = ("a",)
FLOPS = 101
STATED = "two"

def raises(): raise RuntimeError("out of words")
def exits(): os._exit(7)
def is_killed(): os.kill(os.getpid(), signal.SIGKILL)
# Zeros alone would never become resident.
def hungry(): return len(b"x" * (32 << 20)) + steady()
def result(): return [1.0, 2.001]
def skips(): return True
"""

SUITE = """
import pytest
from wordcount import changed

@pytest.mark.parametrize("name", changed.NAMES)
def test_named(benchmark, name):
    benchmark(changed.steady)

def test_raises(benchmark):
    benchmark(changed.raises)

def test_exits(benchmark):
    benchmark(changed.exits)

def test_is_killed(benchmark):
    benchmark(changed.is_killed)

def test_hungry(benchmark):
    benchmark(changed.hungry)

def test_flops(benchmark):
    benchmark.extra_info["flops"] = changed.FLOPS
    benchmark(changed.steady)

def test_stated(benchmark):
    benchmark.extra_info["stated"] = changed.STATED
    benchmark(changed.steady)

def test_result(benchmark):
    benchmark.extra_info["result_rtol"] = 1e-4
    benchmark(changed.result)

def test_skips(benchmark):
    if changed.skips():
        pytest.skip("no longer")
    benchmark(changed.steady)
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Result]:
    """A change that breaks every benchmark but one, each in a way of its own."""
    project = Project.in_folder(tmp_path_factory.mktemp("broken") / "home")
    project.write({"wordcount/changed.py": BEFORE, "benchmarks/test_changes.py": SUITE}).commit()
    project.append("wordcount/changed.py", AFTER)
    files = (f"--{kind}={project.home / 'deep' / kind}" for kind in ("markdown", "junit"))
    result = project.gate(*UNJUDGED, *files, "--exact", "stated", "benchmarks/test_changes.py")
    return project, result


def test_a_broken_benchmark_fails_the_gate_in_one_sentence(broken: tuple[Project, Result]) -> None:
    _, result = broken
    assert result.returncode == 1
    assert result.document["outcome"] == "regression"
    sentence = result.document["sentence"]
    assert sentence.startswith("benchmarks/test_changes.py::")
    assert f"REGRESSION: {sentence}" in result.stdout.splitlines()


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("test_named[b]", "error", "missing on the candidate side"),
        ("test_raises", "error", "failed on the candidate side: RuntimeError: out of words"),
        ("test_exits", "error", "pytest on the candidate side ended with exit code 7"),
        ("test_is_killed", "error", "pytest on the candidate side was killed by signal 9"),
        ("test_flops", "regression", "flops: 100 → 101"),
        ("test_result", "error", "the output differs by 5.0e-04 of its largest value, allowed 1e-04"),
        ("test_skips", "error", "skipped on the candidate side alone: Skipped: no longer"),
        ("test_hungry", "regression", "resident peak: "),
    ],
)
def test_what_is_worse_on_the_candidates_side_alone_is_named(
    broken: tuple[Project, Result], name: str, kind: str, reason: str
) -> None:
    _, result = broken
    verdict = result.verdict(name)
    assert verdict["kind"] == kind
    assert verdict["fails_without_latency"]
    assert reason in result.reasons(name)
    assert "reference side" not in result.reasons(name)


def test_memory_grows_by_what_the_candidate_holds_in_addition(broken: tuple[Project, Result]) -> None:
    reference, candidate = broken[1].verdict("test_hungry")["resident_peak_bytes"]
    # Two processes each, with samples of their own.
    assert len(reference) == len(candidate) == 4
    assert 31 * MEBIBYTE < min(candidate) - max(reference) < 34 * MEBIBYTE


def test_a_stated_quantity_that_is_no_number_is_news_and_no_regression(broken: tuple[Project, Result]) -> None:
    _, result = broken
    assert "stated: one → two" in result.reasons("test_stated")
    assert not result.verdict("test_stated")["fails_without_latency"]


def test_a_benchmark_that_takes_its_process_with_it_leaves_the_others_measured(
    broken: tuple[Project, Result],
) -> None:
    for name in ("test_named[a]", "test_flops", "test_stated", "test_hungry"):
        verdict = broken[1].verdict(name)
        assert verdict["launches"] >= 6
        assert len(verdict["log_ratios"]) == verdict["launches"]


def test_the_step_summary_names_what_is_wrong_before_the_rest(broken: tuple[Project, Result]) -> None:
    project, _ = broken
    text = (project.home / "deep" / "markdown").read_text()
    assert text.startswith("### ❌ Benchmarks against `HEAD`: regression")
    told, _, quiet = text.partition("<details>")
    assert "`benchmarks/test_changes.py::test_raises`" in told
    assert "`benchmarks/test_changes.py::test_raises`" not in quiet


def test_junit_has_a_case_for_each_benchmark(broken: tuple[Project, Result]) -> None:
    project, result = broken
    cases = {
        case.get("name"): case for case in ElementTree.parse(project.home / "deep" / "junit").getroot().iter("testcase")
    }
    assert {verdict["name"] for verdict in result.document["verdicts"]} < set(cases)
    assert cases["benchmarks/test_changes.py::test_raises"].find("error") is not None
    assert cases["benchmarks/test_changes.py::test_flops"].find("failure") is not None


def test_json_states_the_settings_and_the_commit(broken: tuple[Project, Result]) -> None:
    project, result = broken
    assert result.document["reference_commit"] == project.git("rev-parse", "HEAD").strip()
    assert result.document["settings"]["rule"]["exact"][-1] == "stated"
    assert result.document["exit_code"] == 1
    assert set(result.document["controls"]) == {"control: arithmetic", "control: copy"}


def test_a_gate_that_found_everything_broken_leaves_nothing_behind(broken: tuple[Project, Result]) -> None:
    assert broken[0].left_behind() == [" M wordcount/changed.py"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.in_folder(tmp_path_factory.mktemp("small") / "home").commit()


def test_a_reference_that_is_no_commit_is_wrong_usage(small: Project) -> None:
    result = small.gate("--against", "no-such-branch", "benchmarks")
    assert result.returncode == 2
    assert "There is no commit 'no-such-branch'" in result.last_sentence


def test_a_folder_outside_of_any_repository_is_wrong_usage(small: Project) -> None:
    result = small.gate("--against", "HEAD", "benchmarks", folder=small.home)
    assert result.returncode == 2
    assert "is in no git repository" in result.last_sentence


def test_a_suite_that_does_not_exist_is_wrong_usage(small: Project) -> None:
    result = small.gate("--against", "HEAD", "benchmarks/test_none.py")
    assert result.returncode == 2
    assert "There is no benchmarks/test_none.py here" in result.last_sentence


def test_a_suite_without_a_benchmark_is_wrong_usage(tmp_path: Path) -> None:
    project = Project.in_folder(tmp_path / "home").write({"tests/test_plain.py": "def test_plain(): pass"}).commit()
    result = project.gate(*UNJUDGED, "tests")
    assert result.returncode == 2
    assert "No test in tests uses pytest-benchmark's benchmark fixture." in result.last_sentence
    assert project.left_behind() == []


def test_code_that_cannot_be_imported_on_one_side_fails_the_gate_and_names_it(tmp_path: Path) -> None:
    project = Project.in_folder(tmp_path / "home").commit()
    project.append(CODE, "\nimport no_such_module\n")
    result = project.gate(*UNJUDGED, "benchmarks")
    assert result.returncode == 1
    sentence = result.document["sentence"]
    assert "candidate side" in sentence
    assert f"REGRESSION: {sentence}" in result.stdout.splitlines()
    reasons = ["; ".join(verdict["reasons"]) for verdict in result.document["verdicts"]]
    assert all("candidate side" in each and "reference side" not in each for each in reasons)
    assert any("No module named 'no_such_module'" in each for each in reasons)
    assert project.left_behind() == [f" M {CODE}"]


def test_a_conftest_that_cannot_be_imported_on_one_side_fails_the_gate_and_names_it(tmp_path: Path) -> None:
    project = Project.in_folder(tmp_path / "home")
    project.write({"benchmarks/conftest.py": "import wordcount"}).commit()
    project.append(CODE, "\nimport no_such_module\n")
    result = project.gate(*UNJUDGED, "benchmarks/test_words.py")
    assert result.returncode == 1
    assert "candidate side" in result.last_sentence
    assert "No module named 'no_such_module'" in result.last_sentence


def test_other_processes_on_every_core_never_make_a_regression(small: Project) -> None:
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        # Latency decides; without a budget beyond the screening, as no chance of a wrong verdict belongs in a test.
        result = small.gate("--against", "HEAD", "--budget", "0", "benchmarks/test_words.py::test_plain")
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert result.returncode in (0, 3)
    assert result.verdict("test_plain")["launches"] >= 6
