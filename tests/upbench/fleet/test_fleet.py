"""Sweeps on a real Ray cluster of several nodes on this machine: scheduling, streams, journal and deaths are real.

What is timed is not: the stations have their answers ready, as a sweep of hundreds of questions would take hours.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.upbench.fleet.driver import grid
from tests.upbench.fleet.raylets import Driver, raylets
from tests.upbench.fleet.stand_in import CPU, FATAL, SLOWER, SOURCE
from upbench.records.record import Run, read_run
from upbench.report import write_report

pytest.importorskip("ray")
pytestmark = pytest.mark.slow


def whole(files: list[str], questions: int) -> dict[str, Run]:
    """The runs, which hold every case of the grid together, each once and measured."""
    runs = {Path(file).name: read_run(Path(file)) for file in files}
    found = Counter(record.case.id for run in runs.values() for record in run.records)
    assert found == Counter(case.id for case in grid(questions))
    assert {record.outcome for run in runs.values() for record in run.records} == {"ok"}
    return runs


def nodes_of(run: Run) -> set[str]:
    """Whose records there are, where each question has one node alone and no launch twice."""
    of: dict[str, set[str]] = {}
    for record in run.records:
        of.setdefault(record.case.cell.question.label, set()).add(record.quantities["node"])
        assert len(set(record.quantities["launch_ids"])) == record.quantities["launches"] == 4
    assert {len(nodes) for nodes in of.values()} == {1}
    return {node for nodes in of.values() for node in nodes}


def no_station() -> bool:
    return not any("stand_in" in " ".join(_command(each)) for each in psutil.process_iter())


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_thousand_cases_over_four_nodes_of_which_one_dies_none_lost_and_none_doubled(tmp_path: Path) -> None:
    with raylets("a", "b", "c", "d") as cluster:
        driver = Driver(tmp_path, cluster.address, questions=500)
        driver.until(lambda: len(driver.lines()) > 200)
        cluster.kill("b")
        cluster.add("e")
        code, files, said = driver.end()
        assert code == 0, said
        (run,) = whole(files, 500).values()
        assert len(nodes_of(run)) >= 4
        ends = Counter(line["of"] for line in driver.lines() if line["what"] == "end")
        # At most what the dead node had in hand was measured anew: finished, but not heard of.
        assert sum(count - 1 for count in ends.values()) <= 1
        assert len(ends) == 500
        driver.process.wait()
        assert not driver.journal()


def test_a_node_killed_in_mid_question_leaves_it_to_another_which_begins_it_anew(tmp_path: Path) -> None:
    with raylets("a", "b") as cluster:
        driver = Driver(tmp_path, cluster.address, questions=4, pause_s=0.5)
        driver.until(lambda: sum("entry" in line for line in driver.journal()) >= 4)
        lost = {line["seat"]: line for line in driver.journal() if "info" in line}
        seat = next(key for key, line in lost.items() if line["node"] == "b")
        cluster.kill("b")
        code, files, said = driver.end()
        assert code == 0, said
        assert "was lost on node b" in said
        (run,) = whole(files, 4).values()
        assert seat not in nodes_of(run)


def test_a_node_that_does_not_answer_any_more_is_as_good_as_dead(tmp_path: Path) -> None:
    with raylets("a", "b") as cluster:
        driver = Driver(tmp_path, cluster.address, questions=4, pause_s=0.3)
        driver.until(lambda: sum("entry" in line for line in driver.journal()) >= 4)
        cluster.vanish("b")
        code, files, said = driver.end()
        assert code == 0, said
        assert "was lost on node b" in said
        whole(files, 4)


def test_other_code_on_a_node_is_named_before_anything_is_measured(tmp_path: Path) -> None:
    with raylets("a") as cluster:
        cluster.add("old", env_vars={SOURCE: "0123456789abcdef"})
        driver = Driver(tmp_path, cluster.address, questions=2)
        code, _, said = driver.end()
        assert code == 2
        assert "node old has source 0123456789abcdef, not " in said
        assert "Traceback" not in said
        assert driver.lines() == []
        assert no_station()


def test_a_cluster_without_the_resource_and_one_without_the_labels_say_how_to_start_a_node(tmp_path: Path) -> None:
    with raylets() as cluster:
        cluster.add("plain", resources={})
        code, _, said = Driver(tmp_path, cluster.address, questions=1).end()
        assert code == 2
        assert """start each with ray start --address=HEAD:6379 --resources='{"upbench": 1}'""" in said
        cluster.add("amd", labels={"cpu": "amd"})
        code, _, said = Driver(tmp_path, cluster.address, questions=1, labels={"cpu": "intel"}).end()
        assert code == 2
        assert "and --labels cpu=intel." in said
        code, files, said = Driver(tmp_path, cluster.address, questions=1, labels={"cpu": "amd"}).end()
        assert code == 0, said
        whole(files, 1)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_running_and_resumed_it_measures_nothing_twice(
    tmp_path: Path, stop: signal.Signals
) -> None:
    with raylets("a", "b") as cluster:
        driver = Driver(tmp_path, cluster.address, questions=6, pause_s=0.2)
        driver.until(lambda: sum("end" in line for line in driver.journal()) >= 2)
        driver.process.send_signal(stop)
        code, _, said = driver.end(60)
        assert code == 130, said
        assert "Traceback" not in said
        assert no_station()
        entries = [line for line in driver.journal() if "entry" in line]
        ended = {line["of"] for line in driver.journal() if "end" in line}
        again = Driver(tmp_path, cluster.address, questions=6, pause_s=0.0, resume=True)
        code, files, said = again.end()
        assert code == 0, said
        (run,) = whole(files, 6).values()
        nodes_of(run)
        begun = Counter(line["of"] for line in again.lines() if line["what"] == "begin")
        assert all(begun[label] == 1 for label in ended)
        kept = {entry["entry"]["launch"] for entry in entries if entry["of"] in ended and "launch" in entry["entry"]}
        assert kept <= {each for record in run.records for each in record.quantities["launch_ids"]}
        # Once more there is nothing to do, and no cluster is needed.
        code, files, said = Driver(tmp_path, "local", questions=6, resume=True).end()
        assert (code, [Path(file).name for file in files]) == (0, ["out.json"])


def test_each_kind_of_machine_has_a_file_of_its_own_and_the_report_shows_them_beside_each_other(tmp_path: Path) -> None:
    with raylets("a") as cluster:
        cluster.add("b", env_vars={CPU: "Another CPU"})
        code, files, said = Driver(tmp_path, cluster.address, questions=3, each_kind=True).end()
        assert code == 0, said
    runs = {Path(file).name: read_run(Path(file)) for file in files}
    assert sorted(runs) == ["out-another-cpu.json", "out-test-cpu.json"]
    assert [len(run.records) for run in runs.values()] == [6, 6]
    lines = write_report(list(runs.values()), tmp_path / "report")
    # What changes the choice is of no machine; whether anything does is up to how they measured.
    of_machines = [line.split(":")[0] for line in lines if not line.startswith("Another upsampler wins where")]
    assert sorted(of_machines) == ["Another CPU", "Test CPU"]
    assert (tmp_path / "report" / "another-cpu" / "report.html").exists()


def test_a_slow_node_is_marked_beside_those_of_its_kind(tmp_path: Path) -> None:
    with raylets("a", "b") as cluster:
        cluster.add("tired", env_vars={SLOWER: "1.3"})
        code, files, said = Driver(tmp_path, cluster.address, questions=12, pause_s=0.02).end()
        assert code == 0, said
    (run,) = whole(files, 12).values()
    slow = [node for node in run.facts["nodes"] if any(mark.startswith("slow: ") for mark in node["marks"])]
    assert len(slow) == 1
    assert "node tired" in said
    marked = {
        record.quantities["node"]
        for record in run.records
        if "slow: its control took 1.30" in str(record.quantities["node_marks"])
    }
    assert marked == {slow[0]["node"]}


def test_a_question_that_ends_every_machine_is_given_up_and_the_others_are_measured(tmp_path: Path) -> None:
    label = grid(2)[-1].cell.question.label
    with raylets("a", "b", env_vars={FATAL: label}) as cluster:
        code, files, said = Driver(tmp_path, cluster.address, questions=5).end()
        assert code == 0, said
    assert "it is given up after 3 times" in said
    (run,) = (read_run(Path(file)) for file in files)
    outcomes = {record.case.id: (record.outcome, record.outcome_reason) for record in run.records}
    assert len(outcomes) == 10
    fatal = {case.id for case in grid(2)[-2:]}
    for name, (outcome, reason) in outcomes.items():
        assert outcome == ("crashed" if name in fatal else "ok")
        assert (reason is not None) == (name in fatal)


def test_when_no_node_is_left_it_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    with raylets("a") as cluster:
        driver = Driver(tmp_path, cluster.address, questions=5, pause_s=0.2, wait_s=3.0)
        driver.until(lambda: any("end" in line for line in driver.journal()))
        cluster.kill("a")
        code, _, said = driver.end(120)
        assert code == 1
        assert "questions are left, and no node that could measure them" in said
        assert "Traceback" not in said
        cluster.add("z")
        code, files, said = Driver(tmp_path, cluster.address, questions=5, resume=True).end()
        assert code == 0, said
        whole(files, 5)


def test_a_node_that_comes_later_takes_part(tmp_path: Path) -> None:
    with raylets("a") as cluster:
        driver = Driver(tmp_path, cluster.address, questions=20, pause_s=0.2)
        driver.until(lambda: any("entry" in line for line in driver.journal()))
        cluster.add("late")
        code, files, said = driver.end()
        assert code == 0, said
        (run,) = whole(files, 20).values()
        assert len(nodes_of(run)) == 2


def test_a_driver_that_is_killed_leaves_no_station_behind(tmp_path: Path) -> None:
    with raylets("a") as cluster:
        driver = Driver(tmp_path, cluster.address, questions=5, pause_s=0.5)
        driver.until(lambda: any("entry" in line for line in driver.journal()))
        os.kill(driver.process.pid, signal.SIGKILL)
        driver.process.communicate()
        deadline = time.monotonic() + 60
        while not no_station():
            assert time.monotonic() < deadline
            time.sleep(0.2)
