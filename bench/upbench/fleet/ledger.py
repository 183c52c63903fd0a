"""What a fleet's journal says: which machines there are, and which of them has measured which question, and how far.

What two machines have measured of one question is kept apart, and only what one of them has finished counts.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any, Literal, Protocol, get_args

from upbench.machine import fingerprint as machine
from upbench.records.comparison import SAME_MEMORY
from upbench.sweep.schedule import Log

Entry = dict[str, Any]

End = Literal["done", "lost", "given up"]
DONE, LOST, GIVEN_UP = get_args(End)
"""How a question can end on a seat: measured, to be measured again elsewhere, or lost too often."""


@dataclass(frozen=True)
class Seat:
    """One machine as one node of a cluster has it; the same again after an interruption.

    Attributes:
        key: by which the journal and the records name it, which tells nobody where it stands.
        node: its name in the cluster, for whoever runs it.
        kind: the same for all machines of one fingerprint.
        info: as in a record file, with the fingerprint.
        kernel: shared by all seats on one machine.
        niceness: of what measures; above 0 it gives way to others.
    """

    key: str
    node: str
    kind: str
    info: Mapping[str, Any]
    kernel: str
    niceness: int

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What identifies its kind."""
        found: Mapping[str, Any] = self.info["fingerprint"]
        return found


class BatchLog(Log, Protocol):
    """Where several lines can be written at once, as :class:`~upbench.sweep.journal.Journal` does."""

    def extend(self, entries: Sequence[Mapping[str, Any]]) -> None: ...


class Ledger:
    """Reads a journal and writes it.

    Args:
        journal: of the sweep.
        each_kind: whether every kind of machine measures every question, or any of them.
    """

    def __init__(self, journal: BatchLog, each_kind: bool) -> None:
        self._journal = journal
        self.each_kind = each_kind
        self.seats: dict[str, Seat] = {}
        self._entries: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._begun: dict[str, dict[str, None]] = defaultdict(dict)
        self._limits: dict[str, dict[str, Entry]] = defaultdict(dict)
        self._ends: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._counts: Counter[str] = Counter()
        for line in journal.entries:
            self._learn(line)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of any question has been measured."""
        return not self._entries

    def write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Take in what has come, on disk first."""
        if lines:
            self._journal.extend(lines)
        for line in lines:
            self._learn(line)

    def seat(self, node: str, facts: Mapping[str, Any]) -> Seat:
        """The seat of a node that tells such facts; a new one is written down."""
        own = [facts["kernel"], node, machine.identity(facts["info"]["fingerprint"])]
        key = _digest(own)
        if key not in self.seats:
            told = {name: facts[name] for name in ("kernel", "niceness", "info")}
            self.write([{"seat": key, "node": node, **told}])
        return self.seats[key]

    def pool(self, seat: Seat) -> str:
        """What shares its questions with the seat: its kind, or all machines."""
        return seat.kind if self.each_kind else ""

    def ended(self, label: str, pool: str) -> bool:
        """Whether a question needs nothing more in a pool."""
        return (label, pool) in self._ends

    def count_ended(self, pool: str) -> int:
        """How many questions need nothing more in a pool."""
        return self._counts[pool]

    def begun(self, seat: Seat) -> Iterable[str]:
        """The questions of which the seat has measured some, and not all."""
        return self._begun[seat.key]

    def known(self, seat: Seat, labels: Iterable[str]) -> list[Entry]:
        """What the seat has measured that a sweep of these questions need not measure again."""
        own = [entry for label in labels for entry in self._entries.get((label, seat.key), ())]
        return [*self._limits[seat.key].values(), *own]

    def finished(self, seat: Seat) -> list[str]:
        """The questions that ended on a seat."""
        return [label for (label, _), (key, _, _) in self._ends.items() if key == seat.key]

    def given_up(self, seat: Seat) -> dict[str, str]:
        """Those of them that were lost too often, and why the last time."""
        return {label: why for (label, _), (key, end, why) in self._ends.items() if key == seat.key and end == GIVEN_UP}

    def _learn(self, line: Mapping[str, Any]) -> None:
        key = line["seat"]
        if "info" in line:
            told = {name: line[name] for name in ("node", "info", "kernel", "niceness")}
            self.seats[key] = Seat(key=key, kind=self._kind(line["info"]["fingerprint"]), **told)
        elif "entry" in line:
            entry = line["entry"]
            if "machine" in entry:
                self._limits[key][json.dumps(entry["of"])] = entry
            else:
                self._entries[line["of"], key].append(entry)
                self._begun[key][line["of"]] = None
        elif line["end"] != LOST:
            pool = self.pool(self.seats[key])
            self._begun[key].pop(line["of"], None)
            self._counts[pool] += not self.ended(line["of"], pool)
            self._ends.setdefault((line["of"], pool), (key, line["end"], line.get("why", "")))

    def _kind(self, fingerprint: Mapping[str, Any]) -> str:
        """Memory may differ a little between machines that are the same."""
        for seat in self.seats.values():
            alike = machine.identity(seat.fingerprint) == machine.identity(fingerprint)
            sizes = seat.fingerprint["memory_bytes"], fingerprint["memory_bytes"]
            if alike and isclose(*sizes, rel_tol=SAME_MEMORY):
                return seat.kind
        return _digest(dict(fingerprint))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
