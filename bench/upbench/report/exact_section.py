"""Exact forms against the usual one: what choosing by measurement gains, and how near the limit that comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from upbench.cases.case import Cell, scale_text
from upbench.records.record import Record, peak_memory
from upbench.records.statistics import Interval, geometric_mean
from upbench.report.drawing import STYLE, label, plain_log_ticks, write_chart
from upbench.report.evidence import Evidence, Setting, by_speed
from upbench.report.section import Section
from upbench.report.tables import MIB, channels_text, what_varies, write_table
from upbench.wording import Message, listed, say, series

MOST_ACROSS = 4
"""Panels in a row whose labels do not run into each other."""

CAPTION = say(
    "The usual form, the fastest one with the same output, and the least time that the machine's limits allow it."
)
NOTE = say(
    "Times faster: the usual form's latency over the fastest one's, both in the same runtime and layout, with the 95 % "
    "interval; the fastest was chosen by these figures. The limit is that of the fastest form's own work."
)


@dataclass(frozen=True)
class Choice:
    """An upsampler in a cell, or in all cells that somebody could choose between, whose forms were measured.

    Attributes:
        name: of the upsampler.
        cell: one of them, or their question.
        usual: the form that everybody writes, where it is fastest.
        best: the fastest form of all, which may be the usual one.
        gain: how many times as long the usual one takes, and the limits of its 95 % interval.
    """

    name: str
    cell: Cell
    usual: Record
    best: Record
    gain: Interval

    @property
    def outputs(self) -> str:
        """How many channels come out, or as many as go in."""
        return Setting.of(self.cell).out_channels

    @property
    def share(self) -> float | None:
        """The best form's share of the machine's limit."""
        share = self.best.quantities["roofline_share"]
        return None if share is None else float(share)


def in_each_cell(evidence: Evidence) -> list[Choice]:
    """One choice for each upsampler in each cell, in which runtime and layout are given."""
    return _choices(evidence, lambda record: record.case.cell)


def of_any_runtime(evidence: Evidence) -> list[Choice]:
    """One choice for each upsampler and question: the usual form has the runtime and layout that suit it best, too."""
    return _choices(evidence, lambda record: record.case.cell.question)


def _choices(evidence: Evidence, place_of: Callable[[Record], Cell]) -> list[Choice]:
    groups: dict[tuple[str, Cell], list[Record]] = {}
    for record in evidence.records:
        if record.outcome == "ok" and record.latency is not None:
            name = evidence.usual_name(record.case.upsampler)
            groups.setdefault((name, place_of(record)), []).append(record)
    choices = []
    for (name, cell), records in groups.items():
        ordered = by_speed(records)
        usual = next((record for record in ordered if record.case.upsampler == name), None)
        if usual is None or all(record.case.upsampler == name for record in ordered):
            continue
        best = ordered[0]
        comparison = evidence.compare(usual, best)
        if best is usual or comparison is None:
            best, gain = usual, Interval(1.0, 1.0, 1.0)
        else:
            gain = comparison.ratio
        choices.append(Choice(name, cell, usual, best, gain))
    names = {name: position for position, name in enumerate(evidence.names)}
    settings = {setting: position for position, setting in enumerate(evidence.settings)}

    def order(choice: Choice) -> tuple[int, int, tuple[float, float], int]:
        cell = choice.cell
        return names[choice.name], settings.get(Setting.of(cell), 0), cell.factors, cell.channels

    return sorted(choices, key=order)


def is_compute_bound(evidence: Evidence, record: Record) -> bool:
    """Whether the machine's arithmetic, rather than its memory, sets the limit."""
    limits = evidence.limits_of(record.case.cell)
    if limits is None or not record.quantities["flops"] or record.quantities["min_bytes"] is None:
        return False
    arithmetic_s = record.quantities["flops"] / limits["flops_per_s"]
    return bool(arithmetic_s >= record.quantities["min_bytes"] / limits["bytes_per_s"])


def exact_forms_section(evidence: Evidence, output: Path) -> Section | None:
    """Write the table and the chart; None where no exact form was measured beside its usual one."""
    choices = in_each_cell(evidence)
    if not choices:
        return None
    table = forms_table(choices, evidence)
    write_table(table, output, "exact-forms")
    with mpl.rc_context(STYLE):
        chart = write_chart(draw(choices, evidence), output, "exact-forms", CAPTION)
    return Section(
        "exact-forms", say("Exact forms: the same output, computed otherwise"), findings(evidence), table, NOTE, chart
    )


def forms_table(choices: Sequence[Choice], evidence: Evidence) -> pd.DataFrame:
    """One row for each choice: which form is fastest, what it gains in time and memory, how near the limit it comes."""
    return pd.DataFrame([_choice(choice, evidence) for choice in choices])


def _choice(choice: Choice, evidence: Evidence) -> dict[str, Message | str]:
    cell, usual, best = choice.cell, choice.usual.quantities, choice.best.quantities
    gain, share = choice.gain, choice.share
    memory = [peak_memory(record) for record in (choice.usual, choice.best)]
    return {
        "upsampler": evidence.title(choice.name),
        "scale": f"×{scale_text(cell.scale)}",
        "channels": channels_text(cell.in_channels, cell.out_channels),
        **what_varies(evidence, cell),
        "usual, ms": f"{usual['latency_s'] * 1e3:.3g}",
        "fastest form": choice.best.case.upsampler.removeprefix(choice.name).lstrip(".") or say("the usual one"),
        "ms": f"{best['latency_s'] * 1e3:.3g}",
        "times faster": "1" if gain.low == gain.high else _gain(gain),
        "peak allocated, MiB": "–" if None in memory else " → ".join(f"{peak / MIB:.3g}" for peak in memory if peak),
        "share of limit": "–" if share is None else f"{share:.0%}",
    }


def _gain(gain: Interval) -> Message:
    low, estimate, high = (f"{value:.2f}" for value in (gain.low, gain.estimate, gain.high))
    return say("{estimate} ({low} to {high})", estimate=estimate, low=low, high=high)


def findings(evidence: Evidence) -> list[Message]:
    """What the exact forms gain, in a sentence for each upsampler and two for all; none where none was measured."""
    choices = in_each_cell(evidence)
    several = len({choice.outputs for choice in choices}) > 1
    lines = []
    for name, outputs in dict.fromkeys((choice.name, choice.outputs) for choice in choices):
        own = [choice for choice in choices if (choice.name, choice.outputs) == (name, outputs)]
        same = outputs == "as many as in"
        to = say(" to {count} channels", count=say("as many") if same else outputs) if several else ""
        ways = dict.fromkeys((choice.cell.runtime, choice.cell.layout) for choice in own)
        layouts = len({layout for _, layout in ways}) > 1
        parts = [
            say(
                "{gains} in {way}",
                gains=_gains([c for c in own if (c.cell.runtime, c.cell.layout) == way]),
                way=listed(way if layouts else way[:1]),
            )
            for way in ways
        ]
        lines.append(
            say(
                "Exact forms of {name}{to}, times faster than the usual one: {parts}.",
                name=evidence.title(name),
                to=to,
                parts=series(parts),
            )
        )
    free = of_any_runtime(evidence)
    if free and len({choice.cell.runtime for choice in choices}) > 1:
        lines.append(
            say(
                "Exact forms against the fastest usual form of any runtime and layout: {gains} times faster, over "
                "{count} pairs.",
                gains=_gains(free),
                count=len(free),
            )
        )
    if shares := _shares(choices, evidence):
        parts = [_median(shares, say("cells"))]
        chosen = _shares(free, evidence)
        if 0 < len(chosen) < len(shares):
            best = _median(chosen, say("pairs"))
            parts.append(say("in the runtime and layout that suit each best, {share}", share=best))
        lines.append(
            say(
                "Share of this machine's limit that the best forms reach where arithmetic sets it: {parts}.",
                parts=series(parts),
            )
        )
    return lines


def _shares(choices: Iterable[Choice], evidence: Evidence) -> list[float]:
    return [c.share for c in choices if c.share is not None and is_compute_bound(evidence, c.best)]


def _median(shares: Sequence[float], of: Message) -> Message:
    middle, low, high = (f"{share:.0%}" for share in (median(shares), min(shares), max(shares)))
    return say(
        "{median} (median of {count} {of}, from {low} to {high})",
        median=middle,
        count=len(shares),
        of=of,
        low=low,
        high=high,
    )


def _gains(choices: Iterable[Choice]) -> Message:
    gains = [choice.gain.estimate for choice in choices]
    mean, low, high = (f"{gain:.1f}" for gain in (geometric_mean(gains), min(gains), max(gains)))
    return say("{estimate} ({low} to {high})", estimate=mean, low=low, high=high)


def draw(choices: Sequence[Choice], evidence: Evidence) -> Figure:
    """A panel for each runtime and layout: the usual form, the best one, and the time that the limit would allow."""
    ways = list(dict.fromkeys((choice.cell.runtime, choice.cell.layout) for choice in choices))
    rows = list(dict.fromkeys(_row(choice, evidence) for choice in choices))
    across = len(ways) if len(ways) <= MOST_ACROSS else MOST_ACROSS - 1
    down = -(-len(ways) // across)
    figure = Figure(figsize=(8.2, 0.8 + down * (0.8 + 0.2 * len(rows))), layout="constrained")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(ways) :]:
        panel.set_axis_off()
    for panel, way in zip(panels.flat, ways, strict=False):
        for choice in (each for each in choices if (each.cell.runtime, each.cell.layout) == way):
            y = rows.index(_row(choice, evidence))
            usual, best = choice.usual.quantities["latency_s"] * 1e3, choice.best.quantities["latency_s"] * 1e3
            panel.plot([best, usual], [y, y], color="#888888", linewidth=1, zorder=1)
            panel.plot(usual, y, "o", markersize=6, markerfacecolor="white", markeredgecolor="#0072b2")
            panel.plot(best, y, "o", markersize=5, color="#d55e00")
            if choice.share is not None:
                panel.plot(best * choice.share, y, "|", markersize=9, markeredgewidth=1.6, color="black")
        panel.set_title(way[0] if way[1] == "contiguous" else f"{way[0]},\n{way[1]}", fontsize=9)
        panel.set_xscale("log")
        plain_log_ticks(panel.xaxis)
        panel.tick_params(axis="y", labelsize=8)
    for panel in panels[-1]:
        panel.set_xlabel("latency, ms")
    panels[0, 0].set_yticks(range(len(rows)), rows)
    panels[0, 0].set_ylim(len(rows) - 0.4, -0.6)
    handles = [
        Line2D(
            [], [], marker="o", markerfacecolor="white", markeredgecolor="#0072b2", linestyle="", label="usual form"
        ),
        Line2D([], [], marker="o", color="#d55e00", linestyle="", label="fastest exact form"),
        Line2D([], [], marker="|", color="black", linestyle="", markeredgewidth=1.6, label="limit for its arithmetic"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _row(choice: Choice, evidence: Evidence) -> str:
    cell = choice.cell
    return f"{label(evidence, choice.name)} ×{scale_text(cell.scale)} {cell.in_channels}→{cell.out_channels}"
