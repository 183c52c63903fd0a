"""Scheduling: what is measured how often, in which order, and what a failure or a restart changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.upbench.synthetic import case
from upbench.cases.case import Case
from upbench.machine.limits import Limits
from upbench.processes.isolation import Outcome
from upbench.sweep import worker
from upbench.sweep.schedule import MachineError, MemoryLog, Sweep, SweepSettings

CASES = [case(name, scale) for scale in (2, 3) for name in ("nearest_conv", "subpixel", "transposed")]
EXAMINED = {"flops": 80_000_000, "min_bytes": 1_600, "params": 3}
LIMITS = Limits(flops_per_s=80e9, bytes_per_s=16e9)


class FakeMachine:
    """Stands in for isolated workers: answers what it is told to, and remembers what it was asked."""

    def __init__(self, latency_s: Callable[[Case, int], float] = lambda case, launch: 1e-3) -> None:
        self.latency_s = latency_s
        self.calls: list[tuple[str, str]] = []
        self.trouble: dict[tuple[str, str], Outcome] = {}
        self.quiet_times: list[float | None] = []
        self.kept: dict[str, set[Path]] = {}
        self.control_s = 50e-6

    def call(self, function: Callable[..., Any], *arguments: Any, timeout: float) -> Outcome:
        if function is worker.limits:
            return Outcome("ok", LIMITS)
        if function is worker.calibrate_control:
            return self.trouble.get(("control", ""), Outcome("ok", [self.control_s] * 100))
        the_case, meter_names, quiet_s, kept = arguments
        stage = {"latency": "launch", "resident_memory": "alone"}.get(meter_names[0], "examine")
        self.calls.append((the_case.id, stage))
        self.quiet_times.append(quiet_s)
        self.kept.setdefault(the_case.id, set()).add(kept)
        if (the_case.id, stage) in self.trouble:
            return self.trouble[the_case.id, stage]
        if stage != "launch":
            return Outcome("ok", EXAMINED if stage == "examine" else {"peak_rss_bytes": 4096})
        launch = self.calls.count((the_case.id, stage))
        fields = {
            "rounds_s": [self.latency_s(the_case, launch)] * 3,
            "iterations": 1,
            "quiet": True,
            "disturbed_share": 0.0,
            "control_s": [self.control_s],
            "page_faults_per_call": 0.0,
        }
        return Outcome("ok", fields)

    @property
    def launched(self) -> list[str]:
        return [case_id for case_id, stage in self.calls if stage == "launch"]


def sweep(machine: FakeMachine, log: MemoryLog | None = None, **settings: Any) -> Sweep:
    return Sweep(CASES, SweepSettings(**settings), machine, log or MemoryLog())  # type: ignore[arg-type]


def test_every_case_is_examined_once_and_launched_until_precise() -> None:
    machine = FakeMachine()
    records = sweep(machine).run()
    assert [record.case for record in records] == CASES
    assert Counter(machine.calls) == {
        (c.id, s): 5 if s == "launch" else 1 for c in CASES for s in ("examine", "alone", "launch")
    }
    for record in records:
        assert record.outcome == "ok"
        assert record.quantities["stopped_by"] == "precision"
        assert record.quantities["latency_s"] == pytest.approx(1e-3)
        assert record.quantities["peak_rss_bytes"] == 4096


def test_the_share_of_the_limit_is_the_attainable_time_over_the_latency() -> None:
    # 80 MFLOP at 80 GFLOP/s would take 1 ms.
    records = sweep(FakeMachine(lambda c, launch: 4e-3)).run()
    assert records[0].quantities["roofline_share"] == pytest.approx(0.25)


def test_an_imprecise_case_gets_more_launches_and_the_others_do_not() -> None:
    noisy = CASES[1]
    machine = FakeMachine(lambda c, launch: 1e-3 * (1 + 0.2 * (launch % 2)) if c == noisy else 1e-3)
    record = sweep(machine).run()[1]
    counts = Counter(machine.launched)
    assert counts[noisy.id] == 30
    assert {count for case_id, count in counts.items() if case_id != noisy.id} == {5}
    assert record.quantities["stopped_by"] == "budget"


def test_a_pass_goes_cell_by_cell_in_an_order_that_changes() -> None:
    machine = FakeMachine()
    sweep(machine).run()
    passes = [machine.launched[start : start + len(CASES)] for start in range(0, len(machine.launched), len(CASES))]
    for one_pass in passes:
        assert set(one_pass) == {c.id for c in CASES}
        scales = ["x2" in case_id for case_id in one_pass]
        assert scales in ([True] * 3 + [False] * 3, [False] * 3 + [True] * 3)
    assert len({tuple(one_pass) for one_pass in passes}) > 1


def test_runtimes_and_layouts_that_answer_one_question_are_launched_next_to_each_other() -> None:
    ways = [{"runtime": "onnx"}, {"layout": "channels_last"}, {}]
    cases = [case("subpixel", scale, **way) for way in ways for scale in (2, 3)]
    machine = FakeMachine()
    Sweep(cases, SweepSettings(), machine, MemoryLog()).run()  # type: ignore[arg-type]
    questions = {each.id: each.cell.question for each in cases}
    order = [questions[case_id] for case_id in machine.launched[: len(cases)]]
    assert len([1 for before, after in pairwise(order) if before != after]) == 1


def test_the_workers_of_a_case_share_a_folder_of_their_own() -> None:
    machine = FakeMachine()
    sweep(machine).run()
    folders = [folder for (folder,) in machine.kept.values()]
    assert len(set(folders)) == len(CASES)
    assert not any(folder.parent.exists() for folder in folders)


def test_networks_have_a_block_of_their_own_and_settings_do_not_mix() -> None:
    cases = [case(name, threads=t) for t in (1, 2) for name in ("nearest_conv", "subpixel", "pre_upsampling")]
    machine = FakeMachine()
    Sweep(cases, SweepSettings(), machine, MemoryLog()).run()  # type: ignore[arg-type]
    cells = {each.id: each.cell for each in cases}
    order = [cells[case_id] for case_id in machine.launched[: len(cases)]]
    assert len([1 for before, after in pairwise(order) if before != after]) == 3


@pytest.mark.parametrize("kind", ["unsupported", "out_of_memory", "timeout", "crashed"])
@pytest.mark.parametrize("stage", ["examine", "alone", "launch"])
def test_a_failure_is_recorded_with_its_reason_and_the_sweep_goes_on(kind: Any, stage: str) -> None:
    machine = FakeMachine()
    machine.trouble[CASES[0].id, stage] = Outcome(kind, reason="because")
    records = sweep(machine).run()
    assert (records[0].outcome, records[0].outcome_reason) == (kind, "because")
    assert not records[0].measured
    assert machine.calls.count((CASES[0].id, stage)) == 1
    assert {record.outcome for record in records[1:]} == {"ok"}


def test_what_does_not_pass_its_examination_is_never_timed() -> None:
    machine = FakeMachine()
    machine.trouble[CASES[0].id, "examine"] = Outcome("crashed", reason="the output differs from the definition")
    sweep(machine).run()
    assert CASES[0].id not in machine.launched


@pytest.mark.parametrize("known", [0, 1, 2, 7, 15, 30, 43])
def test_a_resumed_sweep_measures_nothing_twice_and_ends_the_same(known: int) -> None:
    whole = MemoryLog()
    expected = sweep(FakeMachine(), whole).run()
    partial = MemoryLog()
    partial.entries = whole.entries[:known]
    machine = FakeMachine()
    records = sweep(machine, partial).run()
    assert records == expected
    keys = [(entry["case"], entry["stage"], entry["pass"]) for entry in partial.entries if "case" in entry]
    assert len(keys) == len(set(keys)) == len(CASES) * 7
    done_before = sum("case" in entry for entry in whole.entries[:known])
    assert len(machine.calls) == len(CASES) * 7 - done_before


def test_the_time_limit_ends_a_sweep_after_the_fewest_launches() -> None:
    machine = FakeMachine(lambda c, launch: 1e-3 * launch)
    records = sweep(machine, time_limit_s=0.0).run()
    assert set(Counter(machine.launched).values()) == {3}
    assert {record.quantities["stopped_by"] for record in records} == {"time limit"}


def test_launches_are_told_what_the_control_takes_on_the_quiet_machine() -> None:
    machine = FakeMachine()
    sweep(machine).run()
    told = {quiet for (_, stage), quiet in zip(machine.calls, machine.quiet_times, strict=True) if stage == "launch"}
    assert told == {machine.control_s}


def test_a_machine_on_which_nothing_runs_is_an_error_of_one_sentence() -> None:
    machine = FakeMachine()
    machine.trouble["control", ""] = Outcome("crashed", reason="Illegal instruction")
    log = MemoryLog()
    with pytest.raises(MachineError, match="cannot run on this machine: Illegal instruction"):
        sweep(machine, log).run()
    assert log.entries == []
