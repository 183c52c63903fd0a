"""Scheduling: what is measured how often, in which order, and what a failure or a restart changes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from math import log
from pathlib import Path
from typing import Any

import pytest

from tests.upbench.synthetic import case
from upbench import meters, runtimes
from upbench.cases.case import Case
from upbench.machine.cuda_clock import ClockCheck
from upbench.machine.limits import Limits
from upbench.processes.isolation import EndedError, Outcome
from upbench.sweep import schedule, worker
from upbench.sweep.launching import Start
from upbench.sweep.schedule import MemoryLog, Sweep
from upbench.sweep.session import run_facts
from upbench.sweep.settings import SweepSettings
from upbench.sweep.standing import FEWEST_LAUNCHES

CASES = [case(name, scale) for scale in (2, 3) for name in ("nearest_conv", "subpixel", "transposed")]
IN_LITERT = [case(each.upsampler, each.cell.scale, runtime="litert") for each in CASES]
SPEED = {"nearest_conv": 3.0, "subpixel": 1.0, "transposed": 2.0, "pre_upsampling": 4.0}
EXAMINED = {"flops": 80_000_000, "min_bytes": 1_600, "params": 3, "process_bytes": 1 << 20}
LIMITS = Limits(flops_per_s=80e9, bytes_per_s=16e9)
CLOCK = ClockCheck(hz=1.98e9, told_hz=1.965e9, bend=0.001)
CONTROL_S = 50e-6


class Answer:
    """A worker that has its answer ready."""

    def __init__(self, outcome: Outcome, machine: FakeMachine) -> None:
        self.outcome, self.machine = outcome, machine

    def receive(self, timeout: float) -> Any:
        if self.outcome.kind != "ok":
            raise EndedError(self.outcome)
        return self.outcome.value

    def end(self) -> None:
        self.machine.alive -= 1


class FakeMachine:
    """Stands in for isolated workers and their launches: answers what it is told to, and remembers what it was asked.

    Args:
        noise: what is added to a rival's level in a launch, by case and by number of its launch.
    """

    def __init__(self, noise: Callable[[Case, int], float] = lambda case, launch: 0.0) -> None:
        self.noise = noise
        self.examined: list[tuple[str, str]] = []
        self.launches: list[list[str]] = []
        self.trouble: dict[tuple[str, str], Outcome] = {}
        self.kept: dict[str, set[Path]] = {}
        self.free_bytes: list[int] = []
        self.renewed: list[bool] = []
        self.preloaded: list[tuple[str, ...]] = []
        self.seconds = 1.0
        self.limits_of: list[tuple[Any, ...]] = []
        self.alive = self.most_alive = 0
        self.gpu: dict[str, Any] | None = None

    def renew(self, steady: bool, preload: tuple[str, ...] | None = None) -> None:
        self.renewed.append(steady)
        self.preloaded.append(preload or ())

    def call(self, function: Callable[..., Any], *arguments: Any, timeout: float) -> Outcome:
        if function is worker.free_bytes:
            return Outcome("ok", 1 << 30)
        if function is worker.clock:
            return Outcome("ok", CLOCK)
        assert function is worker.limits
        self.limits_of.append(arguments)
        return Outcome("ok", LIMITS)

    def start(self, function: Callable[..., Any], the_case: Case, names: tuple[str, ...], kept: Path) -> Answer:
        assert function is worker.examine
        stage = "alone" if names == meters.of_stage("alone") else "examine"
        self.examined.append((the_case.id, stage))
        self.kept.setdefault(the_case.id, set()).add(kept)
        fields = EXAMINED if stage == "examine" else {"peak_rss_bytes": 4096}
        self.alive += 1
        self.most_alive = max(self.most_alive, self.alive)
        return Answer(self.trouble.get((the_case.id, stage), Outcome("ok", fields)), self)

    def launch(
        self, start: Start, cases: Sequence[Case], number: int, free_bytes: int, rng: random.Random
    ) -> dict[str, Any]:
        self.launches.append([each.id for each in cases])
        self.free_bytes.append(free_bytes)
        rivals: dict[str, Any] = {}
        for each in cases:
            outcome = self.trouble.get((each.id, "launch"), Outcome("ok"))
            count = sum(each.id in before for before in self.launches)
            rivals[each.id] = {"outcome": outcome.kind, "reason": outcome.reason}
            if outcome.kind == "ok":
                seconds = SPEED[each.upsampler] * 1e-3
                level = log(seconds / CONTROL_S) + self.noise(each, count)
                figures = {"level": level, "rounds_s": [seconds] * 3, "iterations": 1, "page_faults_per_call": 0.0}
                rivals[each.id] |= figures
        told = {} if self.gpu is None else {"gpu": self.gpu}
        control_s = [CONTROL_S] * 9 + [2 * CONTROL_S]
        return {"rivals": rivals, "control_s": control_s, "groups": 1, "seconds": self.seconds, **told}

    def count(self, the_case: Case) -> int:
        return sum(the_case.id in names for names in self.launches)


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sweep]:
    def make(
        machine: FakeMachine, log: MemoryLog | None = None, cases: Sequence[Case] = CASES, **settings: Any
    ) -> Sweep:
        monkeypatch.setattr(schedule, "launch", machine.launch)
        return Sweep(cases, SweepSettings(**settings), machine, log or MemoryLog())  # type: ignore[arg-type]

    return make


def test_every_case_is_examined_once_and_every_question_launched_until_it_is_settled(
    swept: Callable[..., Sweep],
) -> None:
    machine = FakeMachine()
    records = swept(machine).run()
    assert [record.case for record in records] == CASES
    assert Counter(machine.examined) == {(c.id, stage): 1 for c in CASES for stage in ("examine", "alone")}
    questions = [sorted(c.id for c in CASES if c.cell.scale == scale) for scale in (2, 3)]
    assert Counter(tuple(sorted(names)) for names in machine.launches) == {tuple(names): 4 for names in questions}
    for record in records:
        fastest = record.case.upsampler == "subpixel"
        assert (record.outcome, record.quantities["stopped_by"]) == ("ok", "precision" if fastest else "beaten")
        assert record.quantities["latency_s"] == pytest.approx(SPEED[record.case.upsampler] * 1e-3)
        assert record.quantities["peak_rss_bytes"] == 4096
        assert record.quantities["disturbed_share"] == pytest.approx(0.1)


@pytest.mark.parametrize(("seconds", "servers"), [(1.0, 1), (6.0, 4)])
def test_memory_is_told_exactly_and_what_is_timed_comes_from_another_server_every_ten_seconds(
    swept: Callable[..., Sweep], seconds: float, servers: int
) -> None:
    machine = FakeMachine()
    machine.seconds = seconds
    swept(machine).run()
    assert machine.renewed == [False] + [True] * servers


def test_what_converts_is_imported_only_where_models_are_not_kept_yet(swept: Callable[..., Sweep]) -> None:
    (converter,) = runtimes.get("litert").converter_preload
    machine, log = FakeMachine(), MemoryLog()
    machine.seconds = 6.0
    swept(machine, log, IN_LITERT).run()
    assert [converter in each for each in machine.preloaded] == [True] + [False] * 4
    assert all(set(runtimes.get("litert").preload) <= set(each) for each in machine.preloaded)
    resumed = FakeMachine()
    resumed.seconds = 6.0
    swept(resumed, MemoryLog(log.entries[:-4]), IN_LITERT).run()
    # The examination's server has nothing to do there, but the first launch converts again.
    assert [converter in each for each in resumed.preloaded] == [True, True, False]


def test_the_share_of_the_limit_is_the_attainable_time_over_the_latency(swept: Callable[..., Sweep]) -> None:
    # 80 MFLOP at 80 GFLOP/s would take 1 ms.
    by_name = {record.case.upsampler: record for record in swept(FakeMachine()).run()}
    assert by_name["transposed"].quantities["roofline_share"] == pytest.approx(0.5)


def test_a_rival_that_is_hard_to_tell_from_the_fastest_gets_more_launches_with_it_and_the_others_do_not(
    swept: Callable[..., Sweep],
) -> None:
    noisy, fastest, third = CASES[2], CASES[1], CASES[0]
    machine = FakeMachine(lambda c, launch: 2.0 * (launch % 2) if c == noisy else 0.0)
    records = swept(machine).run()
    assert (machine.count(noisy), machine.count(fastest), machine.count(third)) == (30, 30, 4)
    assert records[2].outcome == "unstable"
    assert [record.quantities["stopped_by"] for record in records[:3]] == ["beaten", "budget", "budget"]


def test_what_is_certainly_beaten_need_not_be_known_as_closely(swept: Callable[..., Sweep]) -> None:
    slow = CASES[0]
    machine = FakeMachine(lambda c, launch: 0.08 * (launch % 2) if c == slow else 0.0)
    records = swept(machine).run()
    assert 4 < machine.count(slow) < 30
    assert records[0].quantities["stopped_by"] == "beaten"


def test_one_without_rivals_is_compared_with_the_control(swept: Callable[..., Sweep]) -> None:
    machine = FakeMachine(lambda c, launch: 0.15 * (launch % 2))
    (record,) = swept(machine, cases=CASES[:1], budget_s=100.0).run()
    assert (machine.count(CASES[0]), record.quantities["stopped_by"], record.outcome) == (30, "budget", "ok")
    steady = FakeMachine()
    swept(steady, cases=CASES[:1]).run()
    assert steady.count(CASES[0]) == 6


def test_a_spent_budget_ends_a_question(swept: Callable[..., Sweep]) -> None:
    machine = FakeMachine(lambda c, launch: SPEED[c.upsampler] * (launch % 2))
    machine.seconds = 7.0
    records = swept(machine, budget_s=18.0).run()
    # Three rivals of 18 s have eight launches of 7 s.
    assert {machine.count(each) for each in CASES} == {8}
    assert {record.quantities["stopped_by"] for record in records} == {"budget"}


def test_passes_go_over_the_questions_in_an_order_that_changes(swept: Callable[..., Sweep]) -> None:
    cases = [case("subpixel", scale) for scale in (2, 3, 4)]
    machine = FakeMachine()
    swept(machine, cases=cases).run()
    starts = range(0, 3 * FEWEST_LAUNCHES, 3)
    passes = [tuple(names for (names,) in machine.launches[start : start + 3]) for start in starts]
    assert all(set(one_pass) == {each.id for each in cases} for one_pass in passes)
    assert len(set(passes)) > 1


def test_runtimes_and_layouts_that_answer_one_question_are_rivals(swept: Callable[..., Sweep]) -> None:
    ways: list[dict[str, str]] = [{"runtime": "onnx"}, {"layout": "channels_last"}, {}]
    cases = [case("subpixel", scale, **way) for way in ways for scale in (2, 3)]
    machine = FakeMachine()
    swept(machine, cases=cases).run()
    assert {len(names) for names in machine.launches} == {3}


def test_networks_and_other_settings_are_questions_of_their_own(swept: Callable[..., Sweep]) -> None:
    cases = [case(name, threads=t) for t in (1, 2) for name in ("nearest_conv", "subpixel", "pre_upsampling")]
    machine = FakeMachine()
    swept(machine, cases=cases).run()
    assert Counter(len(names) for names in machine.launches) == {2: 8, 1: 12}


def test_the_processes_of_a_case_share_a_folder_of_their_own(swept: Callable[..., Sweep]) -> None:
    machine = FakeMachine()
    swept(machine).run()
    folders = [folder for (folder,) in machine.kept.values()]
    assert len(set(folders)) == len(CASES)
    assert not any(folder.parent.exists() for folder in folders)


def test_a_devices_own_memory_bounds_the_rivals_that_are_alive_at_once(swept: Callable[..., Sweep]) -> None:
    machine = FakeMachine()
    swept(machine, cases=[case("subpixel", device="cuda")]).run()
    assert set(machine.free_bytes) == {1 << 30}


ON_CUDA = [case(name, device="cuda", **settings) for name in SPEED for settings in ({}, {"tf32": "on"})]


def test_cases_of_a_gpu_are_examined_one_at_a_time_so_that_none_lacks_the_memory_that_another_has(
    swept: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule.cores, "at_once", lambda: 4)
    together, apart = FakeMachine(), FakeMachine()
    swept(together).run()
    swept(apart, cases=ON_CUDA).run()
    assert (together.most_alive, apart.most_alive) == (4, 1)


def test_a_gpus_events_are_held_against_its_cycles_once_and_the_file_says_so(swept: Callable[..., Sweep]) -> None:
    log = MemoryLog()
    sweep = swept(FakeMachine(), log, ON_CUDA)
    sweep.run()
    clock = {"device": "cuda", "hz": 1.98e9, "told_hz": 1.965e9, "bend": 0.001}
    assert sweep.clocks == run_facts(sweep)["clocks"] == [clock]
    resumed = FakeMachine()
    assert swept(resumed, MemoryLog(log.entries), ON_CUDA).clocks == [clock]
    assert "clocks" not in run_facts(swept(FakeMachine()))


def test_tf32_has_limits_of_its_own(swept: Callable[..., Sweep]) -> None:
    machine = FakeMachine()
    sweep = swept(machine, cases=ON_CUDA)
    records = sweep.run()
    assert machine.limits_of == [("float32", 1, "cuda"), ("tf32", 1, "cuda")]
    assert [each["dtype"] for each in sweep.limits] == ["float32", "tf32"]
    assert all(record.quantities["roofline_share"] for record in records)


def test_launches_of_a_gpu_that_was_slowed_are_marked_as_those_of_a_busy_machine(
    swept: Callable[..., Sweep],
) -> None:
    machine = FakeMachine()
    (plain, *_) = swept(machine, cases=ON_CUDA).run()
    assert plain.quantities["disturbed_share"] == pytest.approx(0.1)
    assert "slowed_share" not in plain.quantities
    machine = FakeMachine()
    machine.gpu = {"slowed_share": 0.5, "slowed_by": ["power cap"], "sm_clock_mhz": 1200.0}
    (slowed, *_) = swept(machine, cases=ON_CUDA).run()
    told = {name: slowed.quantities[name] for name in ("disturbed_share", "slowed_share", "slowed_by", "sm_clock_mhz")}
    assert told == {"disturbed_share": 0.5, "slowed_share": 0.5, "slowed_by": ["power cap"], "sm_clock_mhz": 1200.0}
    assert slowed.outcome == "ok"


@pytest.mark.parametrize("kind", ["unsupported", "out_of_memory", "timeout", "crashed"])
@pytest.mark.parametrize("stage", ["examine", "alone", "launch"])
def test_a_failure_is_recorded_with_its_reason_and_the_sweep_goes_on(
    swept: Callable[..., Sweep], kind: Any, stage: str
) -> None:
    machine = FakeMachine()
    machine.trouble[CASES[0].id, stage] = Outcome(kind, reason="because")
    records = swept(machine).run()
    assert (records[0].outcome, records[0].outcome_reason) == (kind, "because")
    assert not records[0].measured
    assert machine.count(CASES[0]) == (stage == "launch")
    assert {record.outcome for record in records[1:]} == {"ok"}


@pytest.mark.parametrize("known", [0, 1, 2, 7, 13, 14, 19, 21])
def test_a_resumed_sweep_measures_nothing_twice(swept: Callable[..., Sweep], known: int) -> None:
    whole = MemoryLog()
    expected = swept(FakeMachine(), whole).run()
    partial = MemoryLog()
    partial.entries = whole.entries[:known]
    machine = FakeMachine()
    records = swept(machine, partial).run()
    assert [record.latency for record in records] == [record.latency for record in expected]
    entries = partial.entries
    examined = [(entry["case"], entry["stage"]) for entry in entries if "case" in entry]
    launched = Counter(entry["question"] for entry in entries if "question" in entry)
    assert len(examined) == len(set(examined)) == 12
    assert set(launched.values()) == {4}
    assert len({entry["launch"] for entry in entries if "question" in entry}) == 8
    before = whole.entries[:known]
    assert len(machine.examined) == 12 - sum("case" in entry for entry in before)
    assert len(machine.launches) == 8 - sum("question" in entry for entry in before)


def test_the_time_limit_ends_a_sweep_after_the_fewest_launches(swept: Callable[..., Sweep]) -> None:
    machine = FakeMachine(lambda c, launch: SPEED[c.upsampler] * launch**2)
    records = swept(machine, time_limit_s=0.0).run()
    assert {machine.count(each) for each in CASES} == {4}
    assert {record.quantities["stopped_by"] for record in records} == {"time limit"}


class Told:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.left_s: list[float] = []

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, elapsed_s: float, left_s: float, doing: str) -> None:
        self.left_s.append(left_s)


def test_the_time_that_is_left_comes_down_to_nothing(swept: Callable[..., Sweep]) -> None:
    sweep = swept(FakeMachine())
    told = Told()
    sweep._watcher = told
    sweep.run()
    assert told.left_s[0] > told.left_s[len(told.left_s) // 2] > told.left_s[-1] == 0.0
