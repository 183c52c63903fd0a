"""Schedules isolated workers over a grid, writes down each answer, and makes records of them.

The design is a randomised block experiment: every pass launches each case once in a fresh process, blocks in random
order, and within a block in random order those that somebody could choose between, runtimes and layouts included, so
that slow drift of the machine falls on all of them alike. Passes go on for the cases whose latency is not yet precise,
until their budget is spent.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from upbench import meters
from upbench.cases.case import Case, Cell
from upbench.errors import UserError
from upbench.machine.limits import Limits
from upbench.processes.allocator import Allocator
from upbench.processes.disturbance import quiet_time
from upbench.processes.isolation import Isolation, Outcome
from upbench.progress import Watcher
from upbench.records.record import Launch, Record, build_record, counting_launches
from upbench.sweep import worker
from upbench.sweep.stopping import OutOfTime, Precise, Progress, Reason, Spent, StopRule, first_reason

ONCE: tuple[meters.Stage, ...] = ("examine", "alone")
"""The stages that take one worker for each case; launches are repeated."""

MACHINE_TIMEOUT_S = 120.0
"""For questions to the machine itself, whatever a case is allowed."""


@dataclass(frozen=True)
class SweepSettings:
    """How every case of a sweep is measured.

    Attributes:
        allocator: ``pinned``, or ``default`` to time as deployed.
        precision: relative half-width of the 95 % interval over launches at which a latency is good enough.
        least_launches, most_launches: fresh processes for each case.
        budget_s: seconds of launches for each case after which an imprecise one is given up.
        time_limit_s: seconds after which the whole sweep makes no launches but the fewest that give an interval;
            None for no limit.
        timeout_s: seconds after which a single worker is killed.
        seed: of the random order.
    """

    allocator: Allocator = "pinned"
    precision: float = 0.03
    least_launches: int = 5
    most_launches: int = 30
    budget_s: float = 10.0
    time_limit_s: float | None = None
    timeout_s: float = 120.0
    seed: int = 0


class MachineError(UserError):
    """This machine cannot be measured at all; one sentence says why."""


class Log(Protocol):
    """Where the sweep writes what it learns; :class:`~upbench.sweep.journal.Journal` keeps it on disk."""

    entries: list[dict[str, Any]]

    def append(self, entry: Mapping[str, Any]) -> None: ...


class MemoryLog:
    """A log that keeps nothing on disk."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def append(self, entry: Mapping[str, Any]) -> None:
        self.entries.append(dict(entry))


@dataclass
class _State:
    """What is known of one case; rebuilt from the log's entries, so that resuming and running are the same code."""

    case: Case
    fields: dict[str, Any] = field(default_factory=dict)
    finished_stages: set[str] = field(default_factory=set)
    launches: list[Launch] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    spent_s: float = 0.0
    enough: Reason | None = None
    failure: tuple[str, str] | None = None

    @property
    def workers_done(self) -> int:
        return len(self.finished_stages) + len(self.launches)

    def learn(self, entry: Mapping[str, Any], rules: Sequence[StopRule]) -> None:
        if entry["outcome"] != "ok":
            self.failure = (entry["outcome"], entry["reason"])
            return
        if entry["stage"] == "launch":
            self.launches.append(Launch.from_fields(entry["pass"], entry["fields"]))
            self.spent_s += entry["seconds"]
            self.medians = [launch.median_s for launch in counting_launches(self.launches)]
            self.enough = first_reason(rules, Progress(self.medians, len(self.launches), self.spent_s))
        else:
            self.finished_stages.add(entry["stage"])
            self.fields |= entry["fields"]


class Sweep:
    """Measures cases one after the other; nothing else heavy may run meanwhile.

    Args:
        cases: the grid.
        settings: how to measure.
        isolation: where workers come from.
        log: what is in it already is not measured again.
        watcher: told after every worker.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        settings: SweepSettings,
        isolation: Isolation,
        log: Log,
        watcher: Watcher | None = None,
    ) -> None:
        self.cases = cases
        self.settings = settings
        self._isolation = isolation
        self._log = log
        self._watcher = watcher
        self._states = {case.id: _State(case) for case in cases}
        self._controls: dict[int, list[float]] = {}
        self._limits: dict[tuple[str, int, str], Limits | None] = {}
        self._start = time.monotonic()
        self._rules = (
            Precise(settings.precision, settings.least_launches),
            Spent(settings.budget_s, settings.least_launches, settings.most_launches),
        )
        self._time_limit = None if settings.time_limit_s is None else OutOfTime(settings.time_limit_s)
        for entry in log.entries:
            self._learn(entry)

    def run(self) -> list[Record]:
        """Measure everything that the log does not know yet and return one record for each case, in grid order."""
        with tempfile.TemporaryDirectory(prefix="upbench-") as folder:
            self._measure_all(Path(folder))
        return [self._record(case) for case in self.cases]

    def _measure_all(self, kept: Path) -> None:
        for case in self.cases:
            self._measure_machine(case)
            for stage in ONCE:
                state = self._states[case.id]
                if state.failure is None and stage not in state.finished_stages:
                    self._call(case, stage, None, kept)
        sweep_pass = 0
        while self._undecided():
            for case in self._shuffled(sweep_pass):
                state = self._states[case.id]
                launched = any(launch.sweep_pass == sweep_pass for launch in state.launches)
                if not launched and self._stop_reason(state) is None:
                    self._call(case, "launch", sweep_pass, kept)
            sweep_pass += 1

    @property
    def limits(self) -> list[dict[str, Any]]:
        """The measured limits of this machine, one entry for each dtype, thread count and device of the grid."""
        return [
            {"dtype": dtype, "threads": threads, "device": device, **asdict(limits)}
            for (dtype, threads, device), limits in self._limits.items()
            if limits is not None
        ]

    def _undecided(self) -> list[Case]:
        return [case for case in self.cases if self._stop_reason(self._states[case.id]) is None]

    def _stop_reason(self, state: _State) -> str | None:
        if state.failure is not None:
            return state.failure[0]
        out_of_time = self._time_limit is not None and self._time_limit.satisfied(
            Progress(state.medians, len(state.launches), state.spent_s, time.monotonic() - self._start)
        )
        return state.enough or ("time limit" if out_of_time else None)

    def _shuffled(self, sweep_pass: int) -> Iterator[Case]:
        """Blocks in random order, and within each its cases in random order; the same after resuming."""
        order = random.Random(f"{self.settings.seed}-{sweep_pass}")
        by_question: dict[Cell, list[Case]] = {}
        for case in self.cases:
            by_question.setdefault(case.cell.question, []).append(case)
        blocks = list(by_question.values())
        order.shuffle(blocks)
        for block in blocks:
            order.shuffle(block)
            yield from block

    def _call(self, case: Case, stage: meters.Stage, sweep_pass: int | None, kept: Path) -> None:
        start = time.perf_counter()
        names = meters.of_stage(stage)
        quiet_s = quiet_time(self._controls[case.cell.threads]) if stage == "launch" else None
        own = kept / str(self.cases.index(case))
        outcome = self._isolation.call(worker.measure, case, names, quiet_s, own, timeout=self.settings.timeout_s)
        entry = {"case": case.id, "stage": stage, "pass": sweep_pass, **_as_entry(outcome)}
        entry["seconds"] = time.perf_counter() - start
        self._log.append(entry)
        self._learn(entry)
        self._tell(case, stage)

    def _measure_machine(self, case: Case) -> None:
        """Calibrate the control for the case's threads and measure the limits for its dtype too, each once."""
        threads = case.cell.threads
        if threads not in self._controls:
            self._ask_machine("control", [threads], worker.calibrate_control)
        key = (case.cell.dtype, threads, case.cell.device)
        if key not in self._limits:
            self._ask_machine("limits", list(key), worker.limits)

    def _ask_machine(self, question: str, arguments: list[Any], function: Callable[..., Any]) -> None:
        outcome = self._isolation.call(function, *arguments, timeout=MACHINE_TIMEOUT_S)
        if question == "control" and outcome.kind != "ok":
            raise MachineError(f"the control operator cannot run on this machine: {outcome.reason}")
        entry = {"machine": question, "of": arguments, **_as_entry(outcome)}
        self._log.append(entry)
        self._learn(entry)

    def _learn(self, entry: Mapping[str, Any]) -> None:
        if "machine" in entry:
            self._learn_machine(entry)
        elif entry["case"] in self._states:
            state = self._states[entry["case"]]
            state.learn(entry, self._rules)
            if entry["stage"] == "launch" and entry["outcome"] == "ok":
                self._controls[state.case.cell.threads] += entry["fields"]["control_s"]

    def _learn_machine(self, entry: Mapping[str, Any]) -> None:
        if entry["machine"] == "control":
            (threads,) = entry["of"]
            self._controls[threads] = list(entry["fields"])
        else:
            dtype, threads, device = entry["of"]
            known = Limits(**entry["fields"]) if entry["outcome"] == "ok" else None
            self._limits[dtype, threads, device] = known

    def _tell(self, case: Case, stage: meters.Stage) -> None:
        if self._watcher is None:
            return
        done = sum(state.workers_done for state in self._states.values())
        expected = sum(self._expected_workers(state) for state in self._states.values())
        self._watcher.advance(done, expected, f"{case.id} ({stage})")

    def _expected_workers(self, state: _State) -> int:
        if self._stop_reason(state) is not None:
            return state.workers_done
        return max(len(ONCE) + self.settings.least_launches, state.workers_done + 1)

    def _record(self, case: Case) -> Record:
        state = self._states[case.id]
        outcome, reason = state.failure or ("ok", None)
        launches = [] if state.failure else state.launches
        stopped_by = None if state.failure else self._stop_reason(state)
        record = build_record(case, outcome, reason, {**state.fields, "stopped_by": stopped_by}, launches)
        limits = self._limits[case.cell.dtype, case.cell.threads, case.cell.device]
        if limits is None or record.latency is None or record.quantities["flops"] is None:
            return record
        attainable_s = limits.attainable_s(record.quantities["flops"], record.quantities["min_bytes"])
        share = attainable_s / record.latency.estimate
        return replace(record, quantities={**record.quantities, "roofline_share": share})


def _as_entry(outcome: Outcome) -> dict[str, Any]:
    value = asdict(outcome.value) if isinstance(outcome.value, Limits) else outcome.value
    return {"outcome": outcome.kind, "reason": outcome.reason, "fields": value}
