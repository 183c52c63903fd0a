"""What changes the choice: two cells that differ in one thing alone, and whether the same upsampler wins both.

Who wins is judged within each cell. Where those that cannot be told apart in one cell have nobody in common with those
of the other, the choice is surely another; no latency of one cell meets one of the other, so that cells of different
runtimes, devices and machines may stand beside each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from upbench.cases.case import Cell, device_text, scale_text
from upbench.report.evidence import Evidence, Setting
from upbench.report.headings import heading
from upbench.report.section import Section
from upbench.report.tables import write_table
from upbench.wording import Message, alternatives, listed, say, series

MOST_EXAMPLES = 2

NOTE = say(
    "Pairs of cells that differ in nothing else; of sizes and other numbers those next to each other, where the winner "
    "crosses over between the two. In some pairs it cannot be told, as several may be fastest in one of the cells."
)

Place = Mapping[str, Any]
"""What a cell has in each respect, by the name of its column."""


@dataclass(frozen=True)
class Answer:
    """Who wins a cell.

    Attributes:
        place: the cell, and the machine where there are several.
        names: of the fastest, or of all that cannot be told from it.
    """

    place: Place
    names: tuple[str, ...]


@dataclass
class Respect:
    """What was seen of pairs that differ in one respect.

    Attributes:
        pairs: how many there are.
        same: those that one upsampler surely wins both of.
        other: those whose winner surely is another, by what changed: the two values and the two winners.
    """

    pairs: int = 0
    same: int = 0
    other: Counter[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=Counter)

    @property
    def changed(self) -> int:
        """How many pairs surely have another winner."""
        return self.other.total()

    @property
    def examples(self) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
        """Of pairs that surely have another winner: what was seen most often, and clear winners before ties."""
        return sorted(self.other, key=lambda each: (len(each[2]) + len(each[3]), -self.other[each]))[:MOST_EXAMPLES]


def choice_section(evidence: Evidence, output: Path) -> Section | None:
    """Write the table; None where no two cells that differ in one thing have a winner."""
    found = respects(answers(evidence))
    if not found:
        return None
    table = choice_table(found)
    write_table(table, output, "choice")
    return Section("choice", say("What changes the choice"), [finding(found)], table, NOTE)


def answers(evidence: Evidence, **further: str) -> list[Answer]:
    """Who wins each cell of a machine in which there are rivals.

    Args:
        evidence: of the machine.
        further: respects that a cell has not, such as the machine.
    """
    return [
        Answer({**_place(result.cell), **further}, tuple(evidence.title(name) for name in result.fastest.names))
        for result in evidence.results
        # Who competes with nobody is nobody's choice.
        if result.fastest is not None and result.fastest.runner_up is not None
    ]


def respects(found: Sequence[Answer]) -> dict[str, Respect]:
    """What was seen in each respect in which any two cells differ, with nothing else between them."""
    names = dict.fromkeys(name for answer in found for name in answer.place)
    seen = {name: Respect() for name in names}
    for name, respect in seen.items():
        for one, other in _pairs(found, name):
            respect.pairs += 1
            respect.same += len(one.names) == 1 and one.names == other.names
            if not set(one.names) & set(other.names):
                values = _text(name, one.place[name]), _text(name, other.place[name])
                respect.other[(*values, one.names, other.names)] += 1
    return {name: respect for name, respect in seen.items() if respect.pairs}


def choice_table(found: Mapping[str, Respect]) -> pd.DataFrame:
    """A row for each respect: how often another upsampler wins, and between what."""
    return pd.DataFrame(
        [
            {
                "what differs": heading(name),
                "pairs": str(respect.pairs),
                "another winner": str(respect.changed),
                "the same winner": str(respect.same),
                "cannot be told": str(respect.pairs - respect.changed - respect.same),
                "such as": series([_example(*each) for each in respect.examples]) if respect.other else "–",
            }
            for name, respect in _by_share(found)
        ]
    )


def finding(found: Mapping[str, Respect]) -> Message:
    """In which respects another upsampler wins how often, most often first."""
    parts = [
        say("{respect} in {count} of {total}", respect=heading(name), count=respect.changed, total=respect.pairs)
        for name, respect in _by_share(found)
    ]
    return say("Another upsampler wins where one thing alone is changed: {parts} pairs of cells.", parts=listed(parts))


def _by_share(found: Mapping[str, Respect]) -> list[tuple[str, Respect]]:
    return sorted(found.items(), key=lambda each: -each[1].changed / each[1].pairs)


def _pairs(found: Iterable[Answer], name: str) -> Iterator[tuple[Answer, Answer]]:
    """Those that differ in one respect alone: of numbers the next to each other, of names each with each."""
    groups: dict[Hashable, list[Answer]] = {}
    for answer in found:
        if name in answer.place:
            rest = tuple((key, value) for key, value in answer.place.items() if key != name)
            groups.setdefault(rest, []).append(answer)
    for group in groups.values():
        if any(isinstance(answer.place[name], str) for answer in group):
            yield from combinations(group, 2)
        else:
            yield from pairwise(sorted(group, key=lambda answer: answer.place[name]))


def _place(cell: Cell) -> dict[str, Any]:
    return {
        "scale": cell.factors,
        "channels": cell.channels,
        "output channels": Setting.of(cell).out_channels,
        "size": (cell.height, cell.width),
        "batch": cell.batch,
        "dtype": cell.dtype,
        "layout": cell.layout,
        "threads": cell.threads,
        "device": device_text(cell.device, cell.switches),
        "runtime": cell.runtime,
        "step": cell.step,
    }


def _text(name: str, value: Any) -> str:
    """As the other tables write it."""
    if name == "scale":
        vertical, horizontal = value
        return f"×{scale_text(vertical if vertical == horizontal else value)}"
    return "×".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _example(one: str, other: str, first: Sequence[str], second: Sequence[str]) -> Message:
    return say(
        "{one}: {first} → {other}: {second}",
        one=one, other=other, first=alternatives(first), second=alternatives(second),
    )  # fmt: skip
