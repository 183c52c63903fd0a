"""What the lines of a fleet's journal must hold before it is gone on with: which machine, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from upbench.fleet.ledger import End
from upbench.records.documents import fault_in
from upbench.records.shapes import MachineShape, Shape, Told, Words
from upbench.sweep.entry_shapes import check_entries
from upbench.sweep.journal import garbled


class SeatShape(Shape):
    """A machine, as one node of a cluster has it."""

    seat: Words
    node: Words
    info: MachineShape
    kernel: Words
    niceness: int


class MeasuredShape(Shape):
    """What a machine measured of a question: an entry as in the journal of a sweep on one machine."""

    seat: Words
    of: Words
    entry: dict[str, Any]


class EndShape(Shape):
    """How a question ended on a machine."""

    seat: Words
    of: Words
    end: End
    why: Told = ""


SHAPES: dict[str, type[Shape]] = {"info": SeatShape, "entry": MeasuredShape}
"""By the key that only such a line has."""


def check_lines(lines: Iterable[Mapping[str, Any]]) -> None:
    """See whether a fleet can go on from these lines.

    Raises:
        JournalError: one of them lacks something, has something else in its place, or is of a machine that none tells.
    """
    seats = set()
    for line in lines:
        shape = next((shape for key, shape in SHAPES.items() if key in line), EndShape)
        if fault := fault_in(line, shape):
            raise garbled(fault)
        if shape is SeatShape:
            seats.add(line["seat"])
        elif line["seat"] not in seats:
            raise garbled("seat: nothing says which machine it is")
        if shape is MeasuredShape:
            check_entries([line["entry"]])
