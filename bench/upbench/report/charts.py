"""The charts: readable in greyscale and at the width of a README, with three upsamplers or with forty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean, median

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from upbench.cases.case import Cell, Scale, scale_text
from upbench.records.record import Record, peak_memory
from upbench.report.drawing import (
    COLOURS,
    LEGEND_COLUMNS,
    MARKERS,
    STYLE,
    Chart,
    label,
    legend,
    legend_height,
    log_ticks,
    look,
    plain_log_ticks,
    write_chart,
)
from upbench.report.evidence import Evidence, Setting, Winner, output_bytes
from upbench.wording import Message, say

MIB = 2**20

MOST_SETTINGS = 4
"""With charts of their own on one page."""

MOST_TIMES = 6
"""As much memory as the median: more of it is drawn on a logarithmic axis."""

MOST_LINES = 16
"""Upsamplers that can be told apart in one panel."""


def write_charts(evidence: Evidence, output: Path) -> list[Chart]:
    """Draw every chart for every setting of the run and write each as SVG and PNG.

    A chart without a single point is left out; the tables say why its cases have no figures. Of more settings than
    anybody would scroll through there are no charts but those of the sections; one setting's are a report of its own.
    """
    if len(evidence.settings) > MOST_SETTINGS:
        return []
    charts = []
    with mpl.rc_context(STYLE):
        for setting in evidence.settings:
            suffix = f"-{setting.slug}" if len(evidence.settings) > 1 else ""
            for stem, caption, draw in DRAWINGS:
                figure = draw(evidence, setting)
                if figure is not None:
                    title = say("{caption} {setting}.", caption=caption, setting=setting.title)
                    charts.append(write_chart(figure, output, stem + suffix, title))
    return charts


def latency(evidence: Evidence, setting: Setting) -> Figure | None:
    """Lines over channels, or rows where there are too many upsamplers or too few channel counts for lines."""
    records = [record for record in _all(evidence, setting) if record.latency]
    if not records:
        return None
    channels = {record.case.cell.channels for record in records}
    if len(channels) == 1 or len(_by_operator(evidence, records)) > MOST_LINES:
        return _latency_in_rows(evidence, records)
    return _latency_against_channels(evidence, setting)


def _latency_in_rows(evidence: Evidence, records: Sequence[Record]) -> Figure:
    """A row for each upsampler, the fastest on top, a panel for each scale, a marker for each channel count."""
    scales = _scales(record.case.cell for record in records)
    channels = sorted({record.case.cell.channels for record in records})
    rows = sorted(_by_operator(evidence, records), key=lambda own: _typical_s(own[1], records))
    figure = Figure(figsize=(8.2, 1.5 + 0.19 * len(rows)), layout="constrained")
    panels = figure.subplots(1, len(scales), sharey=True, squeeze=False)[0]
    for panel, scale in zip(panels, scales, strict=True):
        for row, (_, own) in enumerate(rows):
            for record in (each for each in own if each.case.cell.scale == scale):
                number = channels.index(record.case.cell.channels)
                interval = record.latency
                assert interval is not None
                panel.plot([1e3 * interval.low, 1e3 * interval.high], [row, row], color="#555555", linewidth=1)
                panel.plot(1e3 * interval.estimate, row, MARKERS[number % len(MARKERS)],
                           color=COLOURS[number % len(COLOURS)], markersize=4.5)  # fmt: skip
        panel.set_title(f"scale ×{scale_text(scale)}")
        panel.set_xlabel("latency, ms")
        panel.set_xscale("log")
        plain_log_ticks(panel.xaxis)
    panels[0].set_yticks(range(len(rows)), [label(evidence, name) for name, _ in rows], fontsize=8)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    if len(channels) > 1:
        handles = [
            Line2D(
                [],
                [],
                marker=MARKERS[number % len(MARKERS)],
                color=COLOURS[number % len(COLOURS)],
                linestyle="",
                label=f"{count} channels",
            )
            for number, count in enumerate(channels)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(LEGEND_COLUMNS, len(handles)))
    return figure


def _typical_s(own: Sequence[Record], all_records: Sequence[Record]) -> float:
    """How long an upsampler takes compared with all those in the same cells; its own cells may be fewer or smaller."""
    logs: dict[Cell, list[float]] = {}
    for record in all_records:
        logs.setdefault(record.case.cell, []).append(np.log(record.quantities["latency_s"]))
    return float(mean(np.log(record.quantities["latency_s"]) - median(logs[record.case.cell]) for record in own))


def _latency_against_channels(evidence: Evidence, setting: Setting) -> Figure:
    """A panel for each scale; latency with its 95 % interval."""
    scales = _scales(record.case.cell for record in _all(evidence, setting) if record.latency)
    figure = Figure(figsize=(8.2, 3.1 + legend_height(evidence)), layout="constrained")
    panels = figure.subplots(1, len(scales), sharey=True, squeeze=False)[0]
    for panel, scale in zip(panels, scales, strict=True):
        for name in evidence.operators:
            records = [r for r in _of(evidence, setting, name) if r.case.cell.scale == scale and r.latency]
            records.sort(key=lambda record: record.case.cell.channels)
            if records:
                x = [record.case.cell.channels for record in records]
                panel.errorbar(x, *_milliseconds(records), capsize=3, **look(evidence, name))
        panel.set_title(f"scale ×{scale_text(scale)}")
        panel.set_xlabel("channels")
        log_ticks(panel, sorted({r.case.cell.channels for r in _all(evidence, setting)}))
        panel.set_yscale("log")
    panels[0].set_ylabel("latency, ms (lower is better)")
    legend(figure, evidence, evidence.operators)
    return figure


def memory_beside_bound(evidence: Evidence, setting: Setting) -> Figure | None:
    """Allocated, live-tensor and resident peaks at the widest channels, beside the bytes of the output."""
    records = _widest(evidence, setting)
    if not any(peak_memory(record) for record in records):
        return None
    scales = _scales(record.case.cell for record in records)
    names = [name for name in evidence.operators if any(r.case.upsampler == name for r in records)]
    peaks = [peak for record in records if (peak := peak_memory(record))]
    # Bars that one of them dwarfs could not be compared.
    in_decades = max(peaks) > MOST_TIMES * median(peaks)
    figure = Figure(figsize=(8.2, 1.4 + 0.26 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(scales), sharey=True, squeeze=False)[0]
    for panel, scale in zip(panels, scales, strict=True):
        for row, name in enumerate(names):
            for record in (r for r in records if r.case.upsampler == name and r.case.cell.scale == scale):
                if peak_memory(record) is None:
                    text = f" {record.outcome.replace('_', ' ')}"
                    place = panel.get_yaxis_transform()
                    panel.text(0, row, text, va="center", fontsize=8, style="italic", transform=place)
                    continue
                bound = output_bytes(record.case.cell) / MIB
                panel.barh(row, (peak_memory(record) or 0) / MIB, height=0.6, color="#b8c4ce", edgecolor="#555555")
                panel.plot([bound, bound], [row - 0.4, row + 0.4], color="black", linewidth=2)
                for field, marker in (("peak_tensor_bytes", "o"), ("peak_rss_bytes", "x")):
                    if record.quantities[field] is not None:
                        panel.plot(record.quantities[field] / MIB, row, marker, color="#d55e00", markersize=5)
        panel.set_title(f"scale ×{scale_text(scale)}")
        panel.set_xlabel("peak above inputs\nand weights, MiB")
        if in_decades:
            panel.set_xscale("log")
            plain_log_ticks(panel.xaxis)
        panel.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(names)), [label(evidence, name) for name in names])
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    handles = [
        Patch(facecolor="#b8c4ce", edgecolor="#555555", label="allocator, scratch included"),
        Line2D([], [], color="#d55e00", marker="o", linestyle="", label="live tensors"),
        Line2D([], [], color="#d55e00", marker="x", linestyle="", label="resident (kernel)"),
        Line2D([], [], color="black", linewidth=2, label="lower bound: the output"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def flops_against_time(evidence: Evidence, setting: Setting) -> Figure | None:
    """If FLOPs decided, all points would lie on one line parallel to the machine's limit."""
    records = [record for record in _all(evidence, setting) if record.latency and record.quantities["flops"]]
    if not records:
        return None
    figure = Figure(figsize=(8.2, 3.4 + legend_height(evidence)), layout="constrained")
    panel = figure.subplots()
    for name, own in _by_operator(evidence, records):
        x = [record.quantities["flops"] / 1e9 for record in own]
        panel.errorbar(x, *_milliseconds(own), **(look(evidence, name) | {"linestyle": ""}))
    limits = evidence.limits_of(records[0].case.cell)
    if limits:
        ends = np.array([record.quantities["flops"] for record in records])
        ends = np.array([ends.min(), ends.max()])
        panel.plot(ends / 1e9, ends / limits["flops_per_s"] * 1e3, color="black", linewidth=1)
        panel.annotate(
            f"this machine's {limits.get('flops_by', 'matrix product')}",
            (ends[0] / 1e9, ends[0] / limits["flops_per_s"] * 1e3),
            xytext=(14, -2),
            textcoords="offset points",
            ha="left",
            fontsize=8,
        )
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("arithmetic of one forward pass, GFLOP (1 MAC = 2 FLOPs)")
    panel.set_ylabel("latency, ms")
    legend(figure, evidence, evidence.operators)
    return figure


def winners(evidence: Evidence, setting: Setting) -> Figure:
    """Who is fastest at each scale and channel count, and where nobody surely is."""
    results = [result for result in evidence.results if Setting.of(result.cell) == setting]
    scales = _scales(result.cell for result in results)
    channels = sorted({result.cell.channels for result in results})
    figure = Figure(figsize=(8.2, 0.8 + 0.75 * len(scales)), layout="constrained")
    panel = figure.subplots()
    for result in results:
        x, y = channels.index(result.cell.channels), scales.index(result.cell.scale)
        winner = result.fastest
        clear = winner is not None and winner.clear
        panel.add_patch(
            mpl.patches.Rectangle(
                (x - 0.48, y - 0.46), 0.96, 0.92, facecolor="#dbe7f0" if clear else "white", edgecolor="#888888",
                hatch="" if clear else "...", linewidth=0.8,
            )
        )  # fmt: skip
        text = _winner_text(evidence, winner)
        panel.text(x, y, text, ha="center", va="center", fontsize=8, bbox={"facecolor": "white", "alpha": 0.8, "lw": 0})
    panel.set_xlim(-0.5, len(channels) - 0.5)
    panel.set_ylim(len(scales) - 0.5, -0.5)
    panel.set_xticks(range(len(channels)), [str(count) for count in channels])
    panel.set_yticks(range(len(scales)), [f"×{scale_text(scale)}" for scale in scales])
    panel.set_xlabel("channels")
    panel.set_ylabel("scale")
    panel.grid(visible=False)
    return figure


def roofline(evidence: Evidence, setting: Setting) -> Figure | None:
    """Attained arithmetic against arithmetic intensity, under the machine's two measured limits."""
    own_figures = ("flops", "min_bytes")
    records = [r for r in _all(evidence, setting) if r.latency and all(r.quantities[name] for name in own_figures)]
    if not records:
        return None
    figure = Figure(figsize=(8.2, 3.4 + legend_height(evidence)), layout="constrained")
    panel = figure.subplots()
    for name, own in _by_operator(evidence, records):
        x = [record.quantities["flops"] / record.quantities["min_bytes"] for record in own]
        y = [record.quantities["flops"] / record.quantities["latency_s"] / 1e9 for record in own]
        panel.plot(x, y, **(look(evidence, name) | {"linestyle": ""}))
    limits = evidence.limits_of(records[0].case.cell)
    if limits:
        intensity = [record.quantities["flops"] / record.quantities["min_bytes"] for record in records]
        x_line = np.geomspace(min(intensity) / 2, max(intensity) * 2, 200)
        roof = np.minimum(x_line * limits["bytes_per_s"], limits["flops_per_s"]) / 1e9
        panel.plot(x_line, roof, color="black", linewidth=1.5)
        label = f"{limits['flops_per_s'] / 1e9:.0f} GFLOP/s, {limits['bytes_per_s'] / 1e9:.1f} GB/s"
        panel.annotate(label, (x_line[-1], roof[-1]), xytext=(0, 5), textcoords="offset points", ha="right", fontsize=8)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("arithmetic intensity, FLOPs per byte that must move")
    panel.set_ylabel("attained, GFLOP/s")
    legend(figure, evidence, evidence.operators)
    return figure


def pareto(evidence: Evidence, setting: Setting) -> Figure | None:
    """Latency against peak memory at the widest channels; the line joins those that nothing beats in both."""
    records = [r for r in _widest(evidence, setting) if r.latency and peak_memory(r)]
    if not records:
        return None
    scales = _scales(record.case.cell for record in records)
    figure = Figure(figsize=(8.2, 3.1 + legend_height(evidence)), layout="constrained")
    panels = figure.subplots(1, len(scales), squeeze=False)[0]
    for panel, scale in zip(panels, scales, strict=True):
        points = []
        for record in (r for r in records if r.case.cell.scale == scale):
            point = (record.quantities["latency_s"] * 1e3, (peak_memory(record) or 0) / MIB)
            points.append(point)
            panel.plot(*point, **(look(evidence, record.case.upsampler) | {"linestyle": ""}))
        panel.set_title(f"scale ×{scale_text(scale)}")
        panel.set_xlabel("latency, ms")
        # In a whole catalogue the dearest take a thousand times the cheapest.
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.margins(0.12)
        plain_log_ticks(panel.xaxis, panel.yaxis)
        _draw_front(panel, _front(points))
    panels[0].set_ylabel("peak allocated memory, MiB")
    legend(figure, evidence, evidence.operators)
    return figure


DRAWINGS: tuple[tuple[str, Message, Callable[[Evidence, Setting], Figure | None]], ...] = (
    ("winners", say("The fastest upsampler at each scale and channel count; dotted: no significant winner."), winners),
    ("latency", say("Latency with 95 % intervals over launches."), latency),
    ("memory", say("Peak memory at the widest channels beside its lower bound."), memory_beside_bound),
    ("pareto", say("Latency against peak memory at the widest channels, with the Pareto front."), pareto),
    ("flops", say("Arithmetic against measured time, every scale and channel count."), flops_against_time),
    ("roofline", say("Attained arithmetic under this machine's measured limits."), roofline),
)


def _all(evidence: Evidence, setting: Setting) -> list[Record]:
    """The operators' records of one setting."""
    return [
        record
        for record in evidence.records
        if record.case.upsampler in evidence.operators and Setting.of(record.case.cell) == setting
    ]


def _scales(cells: Iterable[Cell]) -> list[Scale]:
    """The scales of the cells, each once, smallest first."""
    return [cell.scale for cell in sorted({cell.factors: cell for cell in cells}.values(), key=lambda c: c.factors)]


def _of(evidence: Evidence, setting: Setting, name: str) -> list[Record]:
    return [record for record in _all(evidence, setting) if record.case.upsampler == name]


def _by_operator(evidence: Evidence, records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """The records of each operator that has any, in the order of the catalogue."""
    groups = [(name, [r for r in records if r.case.upsampler == name]) for name in evidence.operators]
    return [(name, own) for name, own in groups if own]


def _widest(evidence: Evidence, setting: Setting) -> list[Record]:
    records = _all(evidence, setting)
    widest = max((record.case.cell.channels for record in records), default=0)
    return [record for record in records if record.case.cell.channels == widest]


def _milliseconds(records: Sequence[Record]) -> tuple[list[float], list[list[float]]]:
    """Latencies and the lengths of their intervals below and above."""
    intervals = [record.latency for record in records]
    estimates = [1e3 * interval.estimate for interval in intervals if interval]
    below = [1e3 * (interval.estimate - interval.low) for interval in intervals if interval]
    above = [1e3 * (interval.high - interval.estimate) for interval in intervals if interval]
    return estimates, [below, above]


def _winner_text(evidence: Evidence, winner: Winner | None) -> str:
    if winner is None:
        return "no latency\ncan be trusted"
    if not winner.clear:
        return "no significant winner:\n" + "\n".join(label(evidence, name) for name in winner.names[:3])
    if winner.runner_up is None or winner.lead is None:
        return label(evidence, winner.names[0])
    lead = f"{winner.lead.estimate:.2f}× {label(evidence, winner.runner_up)}"
    return f"{label(evidence, winner.names[0])}\n(next: {lead})"


def _draw_front(panel: Axes, front: Sequence[tuple[float, float]]) -> None:
    """Everything above and right of the line is beaten in both coordinates."""
    (_, right), (_, top) = panel.get_xlim(), panel.get_ylim()
    x = [front[0][0], *(point[0] for point in front), right]
    y = [top, *(point[1] for point in front), front[-1][1]]
    panel.step(x, y, where="post", color="#555555", linewidth=1, zorder=0)
    panel.set_xlim(right=right)
    panel.set_ylim(top=top)


def _front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats in both coordinates, from left to right."""
    front: list[tuple[float, float]] = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1]:
            front.append(point)
    return front
