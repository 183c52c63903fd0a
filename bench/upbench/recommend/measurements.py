"""What the records hold for one kind of question: figures at measured places, of every upsampler at every scale.

Who competes: operators that need no guide. Networks, textbook definitions and guided upsamplers answer other questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

from upbench.cases.case import Case, Cell, Scale
from upbench.recommend.plane import Place, place
from upbench.recommend.quantities import QUANTITIES, Figure, Quantity, figure, logarithm
from upbench.records.record import Record, Run
from upbench.records.statistics import Interval


@dataclass(frozen=True)
class Surroundings:
    """Everything of a cell but scale, channels, size and batch: what interpolation must hold fixed.

    ``out_channels``: None for as many as go in.
    """

    out_channels: int | None = None
    dtype: str = Cell.dtype
    layout: str = Cell.layout
    threads: int = Cell.threads
    device: str = Cell.device
    runtime: str = Cell.runtime
    step: str = Cell.step
    tf32: str = Cell.tf32
    cudnn_benchmark: str = Cell.cudnn_benchmark
    cache: str = Cell.cache

    @classmethod
    def of(cls, cell: Cell) -> Surroundings:
        """Those of a cell."""
        out = None if cell.in_channels == cell.out_channels else cell.out_channels
        return cls(out, *(getattr(cell, each.name) for each in fields(cls) if each.name != "out_channels"))

    def cell(self, scale: Scale, channels: int, height: int, width: int, batch: int = 1) -> Cell:
        """The cell of an operator in these surroundings."""
        return Cell(
            scale, channels, channels, self.out_channels or channels, height, width, batch, self.dtype, self.layout,
            self.threads, self.device, self.runtime, self.step, self.tf32, self.cudnn_benchmark, self.cache,
        ).settled  # fmt: skip

    def hold(self, cell: Cell) -> bool:
        """Whether a cell lies in them; as many channels as asked for may be as many as go in."""
        return cell == self.cell(cell.scale, cell.channels, cell.height, cell.width, cell.batch)


@dataclass(frozen=True)
class Point:
    """A quantity of one record: its figure, and where and how high it lies in the plane of logarithms."""

    case: Case
    interval: Interval
    place: Place
    height: float


@dataclass(frozen=True)
class Surface:
    """One quantity of one upsampler at one scale."""

    quantity: Quantity
    upsampler: str
    scale: Scale


@dataclass(frozen=True)
class Measurements:
    """The records of one machine in the same surroundings, a case once.

    Attributes:
        surroundings: that all of them share.
        records: by case, of operators that compete.
        runs: the run that each comes from.
        usual: the upsampler of which one is an exact form, by name, or itself.
    """

    surroundings: Surroundings
    records: Mapping[Case, Record]
    runs: Mapping[Case, Run]
    usual: Mapping[str, str]

    @cached_property
    def names(self) -> list[str]:
        """The upsamplers, in the order in which they were measured."""
        return list(dict.fromkeys(case.upsampler for case in self.records))

    @cached_property
    def _figures(self) -> dict[Quantity, dict[Case, Figure]]:
        of_all: dict[Quantity, dict[Case, Figure]] = {}
        for quantity in QUANTITIES:
            own = {case: figure(record, self.runs[case], quantity) for case, record in self.records.items()}
            of_all[quantity] = {case: each for case, each in own.items() if each is not None}
        return of_all

    @cached_property
    def side_by_side(self) -> bool:
        """Whether any latency is of rivals side by side; then others, of a busy machine, do not count."""
        return any(each.side_by_side for each in self._figures["latency"].values())

    @cached_property
    def not_side_by_side(self) -> int:
        """How many latencies do not count."""
        return sum(not each.side_by_side for each in self._figures["latency"].values()) if self.side_by_side else 0

    @cached_property
    def points(self) -> dict[Surface, tuple[Point, ...]]:
        """By surface; one without a point is left out."""
        found: dict[Surface, list[Point]] = {}
        for quantity, figures in self._figures.items():
            for case, own in figures.items():
                if quantity == "latency" and own.side_by_side != self.side_by_side:
                    continue
                height = logarithm(quantity, own.interval.estimate)
                point = Point(case, own.interval, place(case.cell), height)
                found.setdefault(Surface(quantity, case.upsampler, case.cell.scale), []).append(point)
        return {surface: tuple(points) for surface, points in found.items()}


def measurements(runs: Sequence[Run], surroundings: Surroundings) -> Measurements:
    """Pick the records for a kind of question; of a case that was measured twice the newest.

    Args:
        runs: of one machine, in any order.
        surroundings: of the question.
    """
    in_order = sorted(runs, key=lambda run: run.measured_at)
    records: dict[Case, Record] = {}
    origins: dict[Case, Run] = {}
    for run, record in _operators(in_order):
        if surroundings.hold(record.case.cell):
            records[record.case], origins[record.case] = record, run
    usual = {name: str(card.get("exact_form_of") or name) for run in runs for name, card in run.facts["cards"].items()}
    return Measurements(surroundings, records, origins, usual)


def all_surroundings(runs: Sequence[Run]) -> list[Surroundings]:
    """Every kind of question that the records know something of, in order of appearance."""
    return list(dict.fromkeys(Surroundings.of(record.case.cell) for _, record in _operators(runs)))


def competitors(runs: Sequence[Run]) -> list[str]:
    """The upsamplers of all records, in whatever surroundings, that compete."""
    return list(dict.fromkeys(record.case.upsampler for _, record in _operators(runs)))


def _operators(runs: Iterable[Run]) -> Iterable[tuple[Run, Record]]:
    for run in runs:
        for record in run.records:
            card = run.facts["cards"].get(record.case.upsampler, {})
            if card.get("kind") == "operator" and not card.get("guided") and not record.case.twin:
                yield run, record
