"""A gate that is killed, that meets a benchmark which forks and dies, and that finds no room for its report."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.upbench.faults.running import ROOT, until
from tests.upbench.faults.table import FAULTS, shows
from tests.upbench.gate.foreign_project import Project

pytestmark = pytest.mark.slow

UNJUDGED = ("--against", "HEAD", "--latency", "advise", "--budget", "0")

STEADY = "def fork_and_die(): return 1\ndef steady(): return sum(range(1000))\n"
DYING = """
import os, signal, time
def fork_and_die():
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    os.kill(os.getpid(), signal.SIGKILL)
def steady(): return sum(range(1000))
"""
SUITE = """
import changed
def test_fork_and_die(benchmark):
    benchmark(changed.fork_and_die)
def test_steady(benchmark):
    benchmark(changed.steady)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.in_folder(tmp_path / "home")


@shows("gate killed")
def test_a_gate_killed_at_any_moment_leaves_nothing_behind(project: Project) -> None:
    project.commit()
    rng = random.Random(0)
    for _ in range(10):
        process = project.start(*UNJUDGED, "benchmarks")
        time.sleep(rng.uniform(0.2, 12))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        until(lambda: not project.left_behind(), 30)


@shows("gate's benchmarks")
def test_a_benchmark_that_forks_and_is_killed_is_an_error_and_its_child_is_ended(project: Project) -> None:
    project.write({"changed.py": STEADY, "benchmarks/test_changed.py": SUITE}).commit()
    project.write({"changed.py": DYING})
    result = project.gate(*UNJUDGED, "--timeout", "60", "benchmarks/test_changed.py")
    assert result.returncode == 1, result.stdout
    assert FAULTS["gate's benchmarks"].is_read_in(result.reasons("test_fork_and_die"))
    assert result.verdict("test_steady")["launches"] >= 6
    assert project.left_behind() == [" M changed.py"]


@shows("gate's disk full")
def test_a_report_that_finds_no_room_leaves_the_older_one(project: Project) -> None:
    project.commit()
    report = project.home / "report.json"
    report.write_text("older")
    program = [sys.executable, "-m", "tests.upbench.faults.limiting", "100", "gate", *UNJUDGED, "--json", str(report)]
    environment = project.environment(
        PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    )
    done = subprocess.run(
        [*program, "benchmarks/test_words.py"], cwd=project.root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert FAULTS["gate's disk full"].is_read_in(done.stderr.splitlines()[-1])
    assert report.read_text() == "older"
    assert not list(project.home.glob("*.partial"))
    until(lambda: not project.left_behind(), 30)
