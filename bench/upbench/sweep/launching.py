"""One launch of a question: fresh processes of all its rivals, alive at once, and what came of timing them.

Where the memory does not suffice for all at once, they are parted into groups that share the control as an anchor.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upbench.cases.case import Case
from upbench.errors import UserError
from upbench.processes import cores
from upbench.processes.gpu_watch import GpuWatch, watch_of
from upbench.processes.isolation import EndedError, Isolation, Outcome, Worker
from upbench.processes.rivals import call_s_of, side_by_side
from upbench.processes.stack import MOST_FRAMES
from upbench.sweep import worker

SHARE_S, LAUNCH_S = 0.04, 0.8
"""Timed of each rival in a launch, and at least of all together, unless the fewest rounds of their calls take longer.

A launch must outlast a neighbour's burst of work, which slows what needs much memory more than what does not.
"""

SERVER_S = 10.0
"""Of launches from one server of processes. To start another takes two to three seconds, and is worth it: what is drawn
then, such as where libraries lie, is else the same in all launches."""

CONTROL = "control"
"""Its name among the rivals of a launch; a case's name says more."""

MEMORY_SHARE = 0.6
"""Of the free memory that the rivals of a launch may take together."""


class MachineError(UserError):
    """This machine cannot be measured at all; one sentence says why."""


@dataclass(frozen=True)
class Start:
    """What the launches of a sweep have in common.

    Attributes:
        isolation: where processes come from.
        timeout_s: allowed for one answer.
        kept: a folder for each case, by its name, in which its processes leave converted modules for each other.
        needs_bytes: memory of a process of each case, by its name, as far as it is known.
        heap_bytes: what each of them should have from the system before it is timed.
    """

    isolation: Isolation
    timeout_s: float
    kept: Mapping[str, Path]
    needs_bytes: Mapping[str, int]
    heap_bytes: Mapping[str, int]

    def process(self, case: Case, depth: int) -> Worker:
        """A fresh process that races ``case``, from a depth of the stack."""
        name = case.id
        return self.isolation.start(worker.race, case, depth, self.kept.get(name), self.heap_bytes.get(name, 0))


def launch(start: Start, cases: Sequence[Case], number: int, free_bytes: int, rng: random.Random) -> dict[str, Any]:
    """Time the cases of a question side by side, each in a fresh process.

    Args:
        start: as for the whole sweep.
        cases: alike in their threads and device.
        number: of the launch, which decides its cores.
        free_bytes: of the memory that the processes share.
        rng: of the order.

    Returns:
        An entry of the journal: how each rival ended, with its level and blocks if all went well, and the control's;
        of a GPU, how it was clocked meanwhile.

    Raises:
        MachineError: the control does not run.
    """
    begun = time.perf_counter()
    parts = grouped(cases, start.needs_bytes, int(MEMORY_SHARE * free_bytes))
    rivals: dict[str, Any] = {}
    control_s: list[float] = []
    watch = watch_of(cases[0].cell.device)
    for part in parts:
        found, control = _side_by_side(start, part, number, rng, watch)
        rivals |= found
        control_s += control
    seconds = time.perf_counter() - begun
    gpu = None if watch is None else watch.summary()
    told = {} if gpu is None else {"gpu": gpu}
    return {"rivals": rivals, "control_s": control_s, "groups": len(parts), "seconds": seconds, **told}


def grouped(cases: Sequence[Case], needs_bytes: Mapping[str, int], most_bytes: int) -> list[list[Case]]:
    """Part cases into as few groups, in order, as each have room at once; one alone always has."""
    parts: list[list[Case]] = []
    taken = 0
    for case in cases:
        need = needs_bytes.get(case.id, 0)
        if not parts or taken + need > most_bytes:
            parts.append([])
            taken = 0
        parts[-1].append(case)
        taken += need
    return parts


class _Racer:
    """A worker that serves blocks, as a rival."""

    def __init__(self, process: Worker, timeout_s: float, watch: GpuWatch | None) -> None:
        self._process, self._timeout_s, self._watch = process, timeout_s, watch
        self.faults: list[float] = []
        self.wall_s: list[float] = []

    def block(self, calls: int) -> float:
        seconds, waited_s, faults = self._process.ask(calls, self._timeout_s)
        self.faults.append(faults)
        self.wall_s.append(seconds + waited_s)
        if self._watch is not None:
            self._watch.look()
        return float(seconds)


def _side_by_side(
    start: Start, cases: Sequence[Case], number: int, rng: random.Random, watch: GpuWatch | None
) -> tuple[dict[str, Any], list[float]]:
    """The rivals' fields by case, and what the control's blocks took with all waiting for a core."""
    cell = cases[0].cell
    ended: dict[str, Outcome] = {}
    # The same for all, as whatever else a launch draws.
    depth = rng.randrange(MOST_FRAMES)
    with ExitStack() as stack:
        control = stack.enter_context(start.isolation.start(worker.race_control, cell.threads, cell.device, depth))
        processes = {case.id: stack.enter_context(start.process(case, depth)) for case in rng.sample(cases, len(cases))}
        racers = {}
        for name, process in ({CONTROL: control} | processes).items():
            try:
                process.receive(start.timeout_s)
                racer = _Racer(process, start.timeout_s, watch)
                # Until now all cores helped to make ready.
                cores.pin(process.pid, cores.of_launch(number, cell.threads))
                racers[name] = racer
            except EndedError as error:
                ended[name] = error.outcome
        call_s = {}
        for name, racer in list(racers.items()):
            try:
                call_s[name] = call_s_of(racer)
            except EndedError as error:
                ended[name] = error.outcome
                del racers[name]
        _check_control(ended)
        blocks = side_by_side(list(racers.values()), list(call_s.values()), max(LAUNCH_S, SHARE_S * len(racers)), rng)
    for place, end in blocks.ended.items():
        assert isinstance(end, EndedError)
        ended[list(racers)[place]] = end.outcome
    _check_control(ended)
    fields: dict[str, Any] = {
        name: {"outcome": outcome.kind, "reason": outcome.reason} for name, outcome in ended.items()
    }
    anchor, *levels = blocks.levels
    for place, (name, racer) in enumerate(racers.items()):
        if name != CONTROL and name not in ended:
            fields[name] = {
                "outcome": "ok",
                "reason": None,
                "level": levels[place - 1] - anchor,
                "rounds_s": blocks.of(place),
                "iterations": blocks.calls[place],
                "page_faults_per_call": sum(racer.faults) / len(racer.faults),
            }
    return fields, racers[CONTROL].wall_s


def _check_control(ended: Mapping[str, Outcome]) -> None:
    if CONTROL in ended:
        raise MachineError(f"the control operator cannot run on this machine: {ended[CONTROL].reason}")
