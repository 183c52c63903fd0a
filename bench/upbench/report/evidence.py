"""The records of one machine, arranged for judging: settings, cells, and who wins a cell by which measure.

An upsampler is called fastest only when it beats each rival of its cell, unstable ones included, in a test over
launches, at 5 % shared between the rivals (Bonferroni). Rivals that were timed side by side are compared within their
launches, which no neighbour's load reaches. Memory and FLOPs are exact and need no test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from statistics import mean
from typing import Any

from upbench.cases.case import Cell
from upbench.processes.disturbance import CONTROL_TOLERANCE
from upbench.records.comparison import machine_differences, version_differences
from upbench.records.record import ProtocolName, Record, RecordError, Run, peak_memory
from upbench.records.statistics import CONFIDENCE, Comparison, Interval, compare_latencies, compare_levels
from upbench.wording import Message, listed, say

LONGEST_SLUG = 120
"""Characters of a file's name; a system allows 255 bytes."""

BYTES_PER_VALUE = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Setting:
    """Everything of a cell but scale and channels: what one chart may show together."""

    out_channels: str
    height: int
    width: int
    batch: int
    dtype: str
    layout: str
    threads: int
    device: str
    runtime: str
    step: str
    switches: tuple[str, ...] = ()

    @classmethod
    def of(cls, cell: Cell) -> Setting:
        """The setting of a cell; a network's belongs to the operators with as many outputs as inputs."""
        same = cell.in_channels == cell.out_channels
        return cls(
            "as many as in" if same else str(cell.out_channels),
            cell.height,
            cell.width,
            cell.batch,
            cell.dtype,
            cell.layout,
            cell.threads,
            cell.device,
            cell.runtime,
            cell.step,
            cell.switches,
        )

    @property
    def title(self) -> Message:
        """For captions: what was held fixed."""
        same = self.out_channels == "as many as in"
        return listed(
            [
                say("{height}×{width} input", height=self.height, width=self.width),
                say("batch {batch}", batch=self.batch),
                self.dtype,
                self.layout,
                say("1 thread") if self.threads == 1 else say("{count} threads", count=self.threads),
                self.device,
                self.runtime,
                *([] if self.step == "inference" else [say("{step} step", step=self.step)]),
                *self.switches,
                say("output channels: {count}", count=say("as many as in") if same else self.out_channels),
            ]
        )

    @property
    def slug(self) -> str:
        """For file names."""
        out = "same" if self.out_channels == "as many as in" else self.out_channels
        step = "" if self.step == "inference" else f"-{self.step}"
        slug = (
            f"{self.height}x{self.width}-b{self.batch}-{self.dtype}-{self.layout}-t{self.threads}-{self.device}-"
            f"{self.runtime}{step}{''.join(f'-{each}' for each in self.switches)}-out-{out}"
        )
        # Somebody else's records may hold anything, and a slash would lead out of the folder.
        plain = re.sub(r"[^\w.-]", "_", slug, flags=re.ASCII)
        if plain == slug and len(slug) <= LONGEST_SLUG:
            return slug
        return f"{plain[:LONGEST_SLUG]}-{sha256(slug.encode(errors='replace')).hexdigest()[:8]}"


@dataclass(frozen=True)
class Winner:
    """Who is best in a cell by one measure.

    Attributes:
        names: one upsampler, or all that cannot be told apart.
        value: of the best one, in the measure's unit.
        runner_up: the next best; None without a rival.
        lead: how many times the best one's value the next one takes; an interval for latencies.
    """

    names: tuple[str, ...]
    value: float
    runner_up: str | None = None
    lead: Interval | None = None

    @property
    def clear(self) -> bool:
        """Whether there is exactly one."""
        return len(self.names) == 1


@dataclass(frozen=True)
class CellResult:
    """The best operators of one cell by each measure; None where nothing was measured that can be trusted.

    ``ran``: whether any operator did, to whatever end.
    """

    cell: Cell
    ran: bool
    fastest: Winner | None
    leanest: Winner | None
    cheapest: Winner | None


@dataclass(frozen=True)
class Evidence:
    """All records of one machine, deduplicated; the last run given wins where a case was measured twice."""

    runs: tuple[Run, ...]
    records: tuple[Record, ...]

    @cached_property
    def cards(self) -> dict[str, Mapping[str, Any]]:
        """What the runs say of each upsampler: title, family, kind and so on."""
        return {name: card for run in self.runs for name, card in run.facts["cards"].items()}

    def title(self, name: str) -> str:
        """What tables and charts call an upsampler."""
        return str(self.cards[name]["title"])

    def usual_name(self, name: str) -> str:
        """The upsampler of which this is an exact form, or itself."""
        return str(self.cards[name].get("exact_form_of") or name)

    @cached_property
    def names(self) -> list[str]:
        """The upsamplers in the order in which they were measured, which is the catalogue's."""
        return list(dict.fromkeys(record.case.upsampler for record in self.records))

    @cached_property
    def operators(self) -> list[str]:
        """Those that compete with each other: not networks, not textbook definitions, not what needs a guide."""
        return [n for n in self.names if self.cards[n]["kind"] == "operator" and not self.cards[n].get("guided")]

    @property
    def protocols(self) -> list[ProtocolName]:
        """How the runs launched rivals, each way once."""
        return list(dict.fromkeys(run.protocol for run in self.runs))

    def run_of(self, record: Record) -> Run:
        """The run that a record comes from."""
        return self._run_of[record.case.id]

    @cached_property
    def _run_of(self) -> dict[str, Run]:
        return {record.case.id: run for run in self.runs for record in run.records}

    @cached_property
    def settings(self) -> list[Setting]:
        """The settings of the operators, in order of appearance."""
        return list(dict.fromkeys(Setting.of(r.case.cell) for r in self.records if r.case.upsampler in self.operators))

    @cached_property
    def results(self) -> list[CellResult]:
        """The judged cells of the operators, by setting, scale and channels."""
        cells = {record.case.cell for record in self.records if record.case.upsampler in self.operators}
        order = sorted(cells, key=lambda c: (self.settings.index(Setting.of(c)), c.factors, c.channels))
        return [self._judge(cell) for cell in order]

    def in_cell(self, cell: Cell) -> Mapping[str, Record]:
        """The records of a cell by upsampler."""
        return self._cells.get(cell, {})

    @cached_property
    def _cells(self) -> dict[Cell, dict[str, Record]]:
        cells: dict[Cell, dict[str, Record]] = {}
        for record in self.records:
            cells.setdefault(record.case.cell, {})[record.case.upsampler] = record
        return cells

    def compare(self, a: Record, b: Record) -> Comparison | None:
        """How many times longer A takes than B; None where there are too few launches.

        Rivals of one launch are compared within it. Others may each be off as a whole, which widens the interval, but
        for those of an old run that were launched in turns.
        """
        if shared := compare_levels(a.levels, b.levels):
            return shared
        run, other = self.run_of(a), self.run_of(b)
        tolerance = 0.0 if run is other and run.protocol == "interleaved" else CONTROL_TOLERANCE
        return compare_latencies(a.quantities["launch_medians_s"], b.quantities["launch_medians_s"], tolerance)

    def fastest_rival(self, record: Record) -> Record | None:
        """The fastest that can be trusted of those in a record's cell that are of its kind, maybe the record itself."""
        is_operator = record.case.upsampler in self.operators
        in_cell = self.in_cell(record.case.cell).items()
        rivals = [each for name, each in in_cell if (name in self.operators) == is_operator]
        return next((each for each in by_speed(rivals) if each.outcome == "ok"), None)

    def limits_of(self, cell: Cell) -> Mapping[str, Any] | None:
        """The measured limits of the machine for a cell's arithmetic, threads and device."""
        wanted = (cell.arithmetic, cell.threads, cell.device)
        for run in reversed(self.runs):
            for limits in run.facts.get("limits", ()):
                if (limits["dtype"], limits["threads"], limits["device"]) == wanted:
                    return dict(limits)
        return None

    def _judge(self, cell: Cell) -> CellResult:
        in_cell = self.in_cell(cell)
        records = tuple(in_cell[name] for name in self.operators if name in in_cell)
        return CellResult(
            cell,
            ran=any(record.outcome != "unsupported" for record in records),
            fastest=self.fastest([record for record in records if record.latency is not None]),
            leanest=_least(records, peak_memory),
            cheapest=_least(records, lambda record: record.quantities["flops"]),
        )

    def fastest(self, records: Sequence[Record], label: Callable[[Record], str] | None = None) -> Winner | None:
        """The fastest among those that can be trusted; an unstable rival must be beaten like any other.

        Args:
            records: with a latency.
            label: what the winner's names are; the upsampler's unless given.
        """
        named = label or (lambda record: record.case.upsampler)
        ordered = by_speed(records)
        best = next((record for record in ordered if record.outcome == "ok"), None)
        if best is None:
            return None
        rivals = [record for record in ordered if record is not best]
        comparisons = [(named(rival), self.compare(rival, best)) for rival in rivals]
        level = (1 - CONFIDENCE) / max(1, len(rivals))
        tied = [name for name, comparison in comparisons if not _beaten(comparison, level)]
        names = (named(best), *tied)
        if not rivals:
            return Winner(names, best.quantities["latency_s"])
        runner_up, next_best = comparisons[0]
        return Winner(names, best.quantities["latency_s"], runner_up, next_best.ratio if next_best else None)


def gather(runs: Sequence[Run]) -> Evidence:
    """Bring the records of several runs of one machine together.

    Raises:
        RecordError: the machines differ, or no run has a record with a latency.
    """
    for run in runs[1:]:
        differences = [*machine_differences(runs[0], run), *version_differences(runs[0], run)]
        if differences:
            raise RecordError(
                f"the records were measured under different conditions ({', '.join(differences)} differ): write one "
                "report for each, or set two runs side by side with 'upbench compare'."
            )
    by_id = {record.case.id: record for run in runs for record in run.records}
    if not any(record.measured for record in by_id.values()):
        raise RecordError("there is nothing to report: no record has a latency.")
    return Evidence(tuple(runs), tuple(by_id.values()))


def output_bytes(cell: Cell) -> int:
    """The lower bound of the peak above inputs and weights: the output must exist."""
    high, wide = cell.output_size
    return cell.batch * cell.out_channels * high * wide * BYTES_PER_VALUE[cell.dtype]


def by_speed(records: Sequence[Record]) -> list[Record]:
    """Those with a latency from the fastest to the slowest: by their levels, if all have them.

    One that was beaten early took no part in later launches, when the machine may have been less busy.
    """
    timed = [record for record in records if record.latency is not None]
    if all(record.levels for record in timed):
        return sorted(timed, key=lambda record: mean(record.levels.values()))
    return sorted(timed, key=lambda record: float(record.quantities["latency_s"]))


def _beaten(comparison: Comparison | None, level: float) -> bool:
    return comparison is not None and comparison.ratio.low > 1 and comparison.p_value < level


def _least(records: Sequence[Record], measure: Callable[[Record], int | None]) -> Winner | None:
    values = {record.case.upsampler: value for record in records if (value := measure(record)) is not None}
    if not values:
        return None
    least = min(values.values())
    names = tuple(name for name, value in values.items() if value == least)
    others = {name: value for name, value in values.items() if value > least}
    if not others or not least:
        return Winner(names, least)
    runner_up = min(others, key=lambda name: others[name])
    ratio = others[runner_up] / least
    return Winner(names, least, runner_up, Interval(ratio, ratio, ratio))
