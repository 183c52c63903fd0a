"""Schedules examinations and launches over a grid, writes down each answer, and makes records of them.

First every case is examined, on as many cores as there are, as nothing of that is timed. Then passes go over the
questions, in random order, and give each a launch: fresh processes of all its rivals, runtimes and layouts included,
alive at once. Passes go on for the rivals that are not yet known well enough, until their budget is spent.
"""

from __future__ import annotations

import math
import random
import tempfile
import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from upbench import meters
from upbench.cases.case import Case, Cell
from upbench.machine.cuda_clock import ClockCheck
from upbench.machine.limits import Limits
from upbench.processes import container, cores
from upbench.processes.disturbance import busy_share, quiet_time
from upbench.processes.isolation import Isolation, Outcome, outcome_of
from upbench.processes.scratch import own_scratch
from upbench.progress import Watcher
from upbench.records.record import Record, build_record
from upbench.sweep import worker
from upbench.sweep.forecast import MODEST_CORE, estimated_call_s, left_s
from upbench.sweep.journal import entries_as_written
from upbench.sweep.launching import SERVER_S, MachineError, Start, launch
from upbench.sweep.preloading import preload_for
from upbench.sweep.settings import SweepSettings
from upbench.sweep.standing import FEWEST_LAUNCHES, Standing, by_question, next_pass

ONCE: tuple[meters.Stage, ...] = ("examine", "alone")
"""The stages of an examination, which take one process each."""

MACHINE_TIMEOUT_S = 120.0
"""For questions to the machine itself, whatever a case is allowed."""

LEAST_HEAP_BYTES, MOST_HEAP_BYTES, PEAKS_IN_HEAP = 64 << 20, 2 << 30, 8
"""Room for a call's memory at several places, as what is freed is not always taken next."""

CUDA_CONTEXT_BYTES = 600 << 20
"""What a process takes of a device before it holds any tensor."""


class Log(Protocol):
    """Where the sweep writes what it learns; :class:`~upbench.sweep.journal.Journal` keeps it on disk."""

    entries: list[dict[str, Any]]

    def append(self, entry: Mapping[str, Any]) -> None: ...


class MemoryLog:
    """A log that keeps nothing on disk.

    Args:
        entries: what is in it already.
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]] = ()) -> None:
        self.entries: list[dict[str, Any]] = [dict(entry) for entry in entries]

    def append(self, entry: Mapping[str, Any]) -> None:
        self.entries.append(dict(entry))


@dataclass
class _Examined:
    """What is known of one case besides its time."""

    fields: dict[str, Any] = field(default_factory=dict)
    stages: set[str] = field(default_factory=set)
    failure: tuple[str, str | None] | None = None

    def learn(self, entry: Mapping[str, Any]) -> None:
        if entry["outcome"] != "ok":
            self.failure = (entry["outcome"], entry["reason"])
        else:
            self.stages.add(entry["stage"])
            self.fields |= entry["fields"]

    @property
    def needs_bytes(self) -> int:
        """Of a process of this case, on the device that it runs on."""
        on_device = self.fields.get("peak_cuda_reserved_bytes")
        if on_device is not None:
            return int(on_device) + CUDA_CONTEXT_BYTES
        return int(self.fields.get("process_bytes") or 0) + self.heap_bytes

    @property
    def heap_bytes(self) -> int:
        """What a process of this case should have from the system before it is timed."""
        peaks = (self.fields.get(name) or 0 for name in ("peak_rss_bytes", "peak_allocated_bytes"))
        return min(MOST_HEAP_BYTES, LEAST_HEAP_BYTES + PEAKS_IN_HEAP * max(peaks))


class Sweep:
    """Measures a grid; nothing else heavy should run meanwhile.

    Args:
        cases: the grid.
        settings: how to measure.
        isolation: where processes come from.
        log: what is in it already is not measured again.
        watcher: told after every answer.
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
        self._call_s: dict[str, float] = {}
        self._examined = {case.id: _Examined() for case in cases}
        self._questions = {own[0].cell.question.label: Standing(own) for own in by_question(cases)}
        self._standing_of = {case.id: each for each in self._questions.values() for case in each.cases}
        self._limits: dict[tuple[str, int, str], Limits | None] = {}
        self._clocks: dict[str, ClockCheck | None] = {}
        self._start = time.monotonic()
        self._goes_on = bool(log.entries)
        if self._goes_on:
            # Takes a tenth of a second to import.
            from upbench.sweep.entry_shapes import check_entries

            check_entries(log.entries)
        with entries_as_written():
            for entry in log.entries:
                self._learn(entry)

    def run(self) -> list[Record]:
        """Measure everything that the log does not know yet and return one record for each case, in grid order.

        Raises:
            MachineError: nothing can be timed here.
        """
        for _ in self.steps():
            pass
        return self.records()

    def steps(self) -> Generator[dict[str, Any], None, None]:
        """The same, entry by entry as the log gets them, for who hands them on.

        Raises:
            MachineError: as for :meth:`run`.
        """
        with tempfile.TemporaryDirectory(dir=own_scratch()) as folder:
            kept = {case.id: Path(folder, str(place)) for place, case in enumerate(self.cases)}
            yield from self._examine_all(kept)
            yield from self._launch_all(kept)

    def records(self) -> list[Record]:
        """One record for each case, in grid order, from what the log knows."""
        quiet_s = {(each["threads"], each["device"]): each["quiet_s"] for each in self.controls}
        return [self._record(case, quiet_s.get((case.cell.threads, case.cell.device))) for case in self.cases]

    @property
    def limits(self) -> list[dict[str, Any]]:
        """The measured limits of this machine, one entry for each arithmetic, thread count and device of the grid."""
        return [
            {"dtype": arithmetic, "threads": threads, "device": device, **asdict(limits)}
            for (arithmetic, threads, device), limits in self._limits.items()
            if limits is not None
        ]

    @property
    def clocks(self) -> list[dict[str, Any]]:
        """What came of holding each GPU's events against its cycles, where it did not fail."""
        return [{"device": device, **asdict(each)} for device, each in self._clocks.items() if each is not None]

    @property
    def controls(self) -> list[dict[str, Any]]:
        """What the control takes on the quiet machine, for each thread count and device of the grid."""
        return [
            {"threads": threads, "device": device, "quiet_s": quiet_time(samples)}
            for (threads, device), samples in self.control_samples.items()
        ]

    @property
    def control_samples(self) -> dict[tuple[int, str], list[float]]:
        """What each block of the control took, in seconds, by thread count and device."""
        found: dict[tuple[int, str], list[float]] = {}
        for standing in self._questions.values():
            cell = standing.cases[0].cell
            for samples in standing.control_s.values():
                found.setdefault((cell.threads, cell.device), []).extend(samples)
        return found

    def _examine_all(self, kept: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
        self._isolation.renew(steady=False, preload=preload_for(self.cases))
        for stage in ONCE:
            waiting = [
                case
                for case in self.cases
                if self._examined[case.id].failure is None and stage not in self._examined[case.id].stages
            ]
            with closing(self._each_examined(waiting, stage, kept)) as examined:
                for case, outcome in examined:
                    doing = f"{case.id} ({stage})"
                    yield self._write({"case": case.id, "stage": stage, **_as_entry(outcome)}, doing)
        for device in dict.fromkeys(case.cell.device for case in self.cases if case.cell.on_cuda):
            if device not in self._clocks:
                outcome = self._isolation.call(worker.clock, device, timeout=MACHINE_TIMEOUT_S)
                yield self._write({"machine": "clock", "of": device, **_as_entry(outcome)}, f"the clock of {device}")
        for key in dict.fromkeys(_limits_key(case) for case in self.cases):
            if key not in self._limits:
                outcome = self._isolation.call(worker.limits, *key, timeout=MACHINE_TIMEOUT_S)
                yield self._write({"machine": "limits", "of": list(key), **_as_entry(outcome)}, "limits of the machine")

    def _each_examined(
        self, cases: Sequence[Case], stage: meters.Stage, kept: Mapping[str, Path]
    ) -> Generator[tuple[Case, Outcome], None, None]:
        """Examine on several cores at once, but for what says how long it took to convert, and what shares a GPU.

        Of two cases at once on a device, the second might find no memory that it would have alone.
        """
        names = meters.of_stage(stage)
        are_apart = all(case.cell.runtime == Cell.runtime and not case.cell.on_cuda for case in cases)
        at_once = cores.at_once() if are_apart else 1
        for first in range(0, len(cases), at_once):
            with ExitStack() as stack:
                started = []
                for case in cases[first : first + at_once]:
                    process = self._isolation.start(worker.examine, case, names, kept[case.id])
                    stack.callback(process.end)
                    started.append((case, process))
                for case, process in started:
                    yield case, outcome_of(process, self.settings.timeout_s)

    def _launch_all(self, kept: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
        needs = {name: examined.needs_bytes for name, examined in self._examined.items()}
        heaps = {name: examined.heap_bytes for name, examined in self._examined.items()}
        start = Start(self._isolation, self.settings.timeout_s, kept, needs, heaps)
        number = max((len(standing.seconds) for standing in self._questions.values()), default=0)
        # A sweep that goes on has no models yet of those that were examined before.
        converting, served_s = self._goes_on, math.inf
        while open_questions := self._open_questions():
            if served_s > SERVER_S:
                self._isolation.renew(steady=True, preload=preload_for(self.cases, converting))
                converting, served_s = False, 0.0
            rng = random.Random(f"{self.settings.seed}-{number}")
            for label in next_pass(open_questions, rng):
                standing = self._questions[label]
                if self._out_of_time(standing):
                    continue
                rivals = standing.next_rivals(self.settings)
                entry = launch(start, rivals, number, self._free_bytes(rivals[0].cell.device), rng)
                name = f"{number}-{uuid.uuid4().hex[:6]}"
                served_s += entry["seconds"]
                yield self._write({"question": label, "launch": name, **entry}, f"{len(rivals)} rivals, {label}")
            number += 1

    def _open_questions(self) -> dict[str, Standing]:
        return {
            label: standing
            for label, standing in self._questions.items()
            if not self._out_of_time(standing) and standing.open_cases(self.settings)
        }

    def _out_of_time(self, standing: Standing) -> bool:
        """Whether the sweep's time ends before another launch, and the question has the fewest that it needs."""
        if self.settings.time_limit_s is None or len(standing.seconds) < FEWEST_LAUNCHES:
            return False
        return time.monotonic() - self._start + standing.seconds[-1] > self.settings.time_limit_s

    def _free_bytes(self, device: str) -> int:
        if device == "cpu":
            return container.available_memory()
        outcome = self._isolation.call(worker.free_bytes, device, timeout=MACHINE_TIMEOUT_S)
        if outcome.kind != "ok":
            raise MachineError(f"{device} does not say how much memory is free: {outcome.reason}")
        return int(outcome.value)

    def _write(self, entry: dict[str, Any], doing: str) -> dict[str, Any]:
        self._log.append(entry)
        self._learn(entry)
        if self._watcher is not None:
            elapsed_s = time.monotonic() - self._start
            self._watcher.advance(elapsed_s, self._left_s(elapsed_s), doing)
        return entry

    def _left_s(self, elapsed_s: float) -> float:
        # Only who watches needs guesses, and a guess takes milliseconds.
        for case in self.cases:
            if case.id not in self._call_s:
                limits = self._limits.get(_limits_key(case)) or MODEST_CORE
                self._call_s[case.id] = estimated_call_s(case, limits)
        unexamined = sum(each.failure is None and len(each.stages) < len(ONCE) for each in self._examined.values())
        return left_s(list(self._questions.values()), unexamined, self.settings, elapsed_s, self._call_s)

    def _learn(self, entry: Mapping[str, Any]) -> None:
        if entry.get("machine") == "clock":
            self._clocks[entry["of"]] = ClockCheck(**entry["fields"]) if entry["outcome"] == "ok" else None
        elif "machine" in entry:
            arithmetic, threads, device = entry["of"]
            known = Limits(**entry["fields"]) if entry["outcome"] == "ok" else None
            self._limits[arithmetic, threads, device] = known
            for case in self.cases:
                if _limits_key(case) == (arithmetic, threads, device):
                    self._call_s.pop(case.id, None)
        elif "question" in entry:
            if entry["question"] in self._questions:
                self._questions[entry["question"]].learn(entry)
        elif entry["case"] in self._examined:
            examined = self._examined[entry["case"]]
            examined.learn(entry)
            if examined.failure is not None:
                self._standing_of[entry["case"]].failures[entry["case"]] = examined.failure

    def _record(self, case: Case, quiet_s: float | None) -> Record:
        standing, fields = self._standing_of[case.id], self._examined[case.id].fields
        outcome, reason = standing.failures.get(case.id, ("ok", None))
        if outcome != "ok":
            return build_record(case, outcome, reason, fields, [])
        busy = {name: busy_share(samples, quiet_s or 0.0) for name, samples in standing.control_s.items()}
        stopped_by = standing.settled_by(case, self.settings) or "time limit"
        launches = standing.launches_of(case, busy)
        half_width = standing.half_width(case)
        record = build_record(case, outcome, reason, {**fields, "stopped_by": stopped_by}, launches, half_width)
        limits = self._limits.get(_limits_key(case))
        if limits is None or record.latency is None or record.quantities["flops"] is None:
            return record
        attainable_s = limits.attainable_s(record.quantities["flops"], record.quantities["min_bytes"])
        share = attainable_s / record.latency.estimate
        return replace(record, quantities={**record.quantities, "roofline_share": share})


def _limits_key(case: Case) -> tuple[str, int, str]:
    return case.cell.arithmetic, case.cell.threads, case.cell.device


def _as_entry(outcome: Outcome) -> dict[str, Any]:
    value = asdict(outcome.value) if isinstance(outcome.value, Limits | ClockCheck) else outcome.value
    return {"outcome": outcome.kind, "reason": outcome.reason, "fields": value}
