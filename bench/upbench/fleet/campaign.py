"""From a grid to the files of a fleet: journal, cluster and dispatch together, and a file for each kind of machine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console

from upbench.cases.case import Case
from upbench.errors import UserError
from upbench.fleet.cluster import Cluster
from upbench.fleet.dispatch import Dispatch
from upbench.fleet.ledger import Ledger, Seat
from upbench.fleet.line_shapes import check_lines
from upbench.fleet.peers import marks
from upbench.fleet.rig import STATION
from upbench.machine import fingerprint as machine
from upbench.processes.isolation import Isolation
from upbench.progress import watcher_for
from upbench.records.record import SCHEMA, Run, read_run, write_run
from upbench.sweep.journal import Journal, asked, is_whole
from upbench.sweep.schedule import MemoryLog, Sweep
from upbench.sweep.session import run_facts
from upbench.sweep.settings import SweepSettings
from upbench.sweep.standing import by_question


@dataclass(frozen=True)
class Fleet:
    """On what is measured.

    Attributes:
        address: of a Ray cluster, or ``local``.
        labels: that its nodes must have.
        each_kind: whether every kind of machine measures every question, or any of them.
        command: that starts a station on a node.
    """

    address: str
    labels: Mapping[str, str]
    each_kind: bool = False
    command: Sequence[str] = STATION


def measure_on_fleet(
    cases: Sequence[Case], settings: SweepSettings, output: Path, resume: bool, fleet: Fleet, console: Console
) -> dict[Path, Run]:
    """Measure the cases on a fleet and write a run for each kind of machine: to ``output``, or to files beside it.

    A sweep that is to be resumed and has ended already is read instead.

    Raises:
        JournalError: an unfinished sweep stands in the way.
        UserError: there is no such fleet, its nodes have different code, or none is left.
        KeyboardInterrupt: handed on; the journal is whole, and nothing that was started runs any more.
    """
    header = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "cases": [case.id for case in cases],
        "fleet": {"labels": dict(fleet.labels), "each_kind": fleet.each_kind},
        "source": machine.source_digest(),
        "torch": torch.__version__,
    }
    if resume and not Journal.path_for(output).exists():
        beside = sorted(output.parent.glob(f"{output.stem}-*{output.suffix}"))
        if whole := [file for file in (output, *beside) if is_whole(file, header)]:
            return {file: read_run(file) for file in whole}
    with Journal.open(output, header, resume) as journal:
        check_lines(journal.entries)
        ledger = Ledger(journal, fleet.each_kind)
        with watcher_for(console) as watcher:
            try:
                with Cluster(fleet.address, fleet.labels, fleet.command) as cluster:
                    Dispatch(cases, settings, ledger, cluster, watcher).run()
            except UserError:
                # What could not begin is no unfinished sweep.
                if ledger.is_empty:
                    journal.delete()
                raise
            found = runs(cases, settings, ledger, {"asked": asked(header)})
            for line in _remarks(found, ledger):
                watcher.say(line)
        written = _files(output, found)
        for file, run in written.items():
            write_run(run, file)
        journal.delete()
    return written


def runs(cases: Sequence[Case], settings: SweepSettings, ledger: Ledger, facts: Mapping[str, Any]) -> list[Run]:
    """A run for each kind of machine, of what its machines have finished; every record says on which."""
    seats = [seat for seat in ledger.seats.values() if ledger.finished(seat)]
    questions = {own[0].cell.question.label: own for own in by_question(cases)}
    sweeps = {seat.key: _sweep(seat, questions, settings, ledger) for seat in seats}
    noted = {seat.key: _marks(seat, seats, sweeps) for seat in seats}
    place = {case.id: number for number, case in enumerate(cases)}
    commit = machine.commit_info()
    found = []
    for kind in dict.fromkeys(seat.kind for seat in seats):
        own = [seat for seat in seats if seat.kind == kind]
        records = [
            replace(record, quantities={**record.quantities, "node": seat.key, "node_marks": noted[seat.key]})
            for seat in own
            for record in sweeps[seat.key].records()
        ]
        records.sort(key=lambda record: place[record.case.id])
        told = [run_facts(sweeps[seat.key]) for seat in own]
        limits = {(each["dtype"], each["threads"], each["device"]): each for of in told for each in of["limits"]}
        clocks = [
            {**each, "node": seat.key} for seat, of in zip(own, told, strict=True) for each in of.get("clocks", ())
        ]
        together = {
            **told[0],
            **facts,
            "settings": asdict(settings),
            "controls": _together([each for of in told for each in of["controls"]]),
            "limits": list(limits.values()),
            **({"clocks": clocks} if clocks else {}),
            "cards": {name: card for of in told for name, card in of["cards"].items()},
            "nodes": [
                {"node": seat.key, "questions": len(ledger.finished(seat)), "controls": of["controls"],
                 "marks": noted[seat.key]}
                for seat, of in zip(own, told, strict=True)
            ],
        }  # fmt: skip
        found.append(Run(tuple(records), own[0].info, commit, together))
    return found


def _together(controls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the control takes on the quiet machine, in the middle of machines of one kind."""
    times: dict[tuple[int, str], list[float]] = {}
    for each in controls:
        times.setdefault((each["threads"], each["device"]), []).append(each["quiet_s"])
    return [
        {"threads": threads, "device": device, "quiet_s": median(found)} for (threads, device), found in times.items()
    ]


def _sweep(seat: Seat, questions: Mapping[str, list[Case]], settings: SweepSettings, ledger: Ledger) -> Sweep:
    """What a machine has finished, as a sweep that has nothing left to do."""
    labels = ledger.finished(seat)
    entries = ledger.known(seat, labels)
    for label, why in ledger.given_up(seat).items():
        reason = f"the machine was lost meanwhile: {why}"
        failure = {"stage": "examine", "outcome": "crashed", "reason": reason, "fields": None}
        entries += [{"case": case.id, **failure} for case in questions[label]]
    cases = [case for label in labels for case in questions[label]]
    return Sweep(cases, settings, Isolation(settings.allocator), MemoryLog(entries))


def _marks(seat: Seat, seats: Sequence[Seat], sweeps: Mapping[str, Sweep]) -> list[str]:
    others = [sweeps[other.key].control_samples for other in seats if other.kind == seat.kind and other != seat]
    sharing = sum(other.kernel == seat.kernel != "" for other in seats if other != seat)
    return marks(sweeps[seat.key].control_samples, others, seat.niceness, sharing)


def _remarks(found: Sequence[Run], ledger: Ledger) -> Iterator[str]:
    """The same for who runs the fleet and knows its machines by name."""
    for run in found:
        for node in run.facts["nodes"]:
            for mark in node["marks"]:
                yield f"node {ledger.seats[node['node']].node} ({node['node']} in the records): {mark}"


def _files(output: Path, found: Sequence[Run]) -> dict[Path, Run]:
    """Where each run goes: beside each other where there are several kinds of machines."""
    if len(found) == 1:
        return {output: found[0]}
    names = [_slug(run) for run in found]
    times = Counter(names)
    numbered = [f"{name}-{number}" if times[name] > 1 else name for number, name in enumerate(names, 1)]
    return {
        output.with_name(f"{output.stem}-{name}{output.suffix}"): run for name, run in zip(numbered, found, strict=True)
    }


def _slug(run: Run) -> str:
    """What a machine is known by: its GPU, or its processor."""
    fingerprint = run.fingerprint
    name = next(iter(fingerprint["gpus"]), fingerprint["cpu"])
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "machine"
