"""A chart for each series that changed: its runs in the order of versions, its level, and where the changes lie."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from upbench.history.survey import History, TrackHistory
from upbench.history.tracks import OUTCOME
from upbench.report.drawing import COLOURS, STYLE

LONGEST_STEM = 120
MOST_TICKS = 12


def write_history_charts(history: History, folder: Path) -> int:
    """Write an SVG for each series of figures that changed or drifts, and return how many."""
    drawn = [each for each in history.series if (each.changes or each.drift) and each.track.quantity != OUTCOME]
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for number, each in enumerate(drawn, start=1):
            _figure(each).savefig(folder / f"{_stem(number, each)}.svg", metadata={"Date": None, "Creator": None})
    return len(drawn)


def _stem(number: int, each: TrackHistory) -> str:
    words = f"{number:03d}-{each.track.timeline.machine}-{each.track.case}-{each.track.quantity}"
    return re.sub(r"[^\w.-]+", "_", words)[:LONGEST_STEM]


def _figure(each: TrackHistory) -> Figure:
    track = each.track
    figure = Figure(figsize=(8.2, 3.0), layout="constrained")
    panel = figure.subplots()
    panel.plot(track.versions, track.values, ".", color="#555555", markersize=4, alpha=0.6)
    ends = [int(track.versions[0]), *(change.version for change in each.changes), int(track.versions[-1]) + 1]
    for begin, end in pairwise(ends):
        inside = (track.versions >= begin) & (track.versions < end)
        panel.plot([begin - 0.5, end - 0.5], [np.median(track.values[inside])] * 2, color=COLOURS[0], linewidth=1.5)
    for change in each.changes:
        panel.axvspan(change.before + 0.5, change.latest - 0.5 + 1e-3, color=COLOURS[1], alpha=0.3)
        panel.axvline(change.version - 0.5, color=COLOURS[1], linewidth=1)
        panel.annotate(f" {change.text}", (change.version - 0.5, 1), xycoords=("data", "axes fraction"), va="top")
    panel.xaxis.set_major_locator(MaxNLocator(MOST_TICKS, integer=True))
    names = track.timeline.versions
    panel.xaxis.set_major_formatter(lambda x, _: names[int(x)].name if 0 <= x < len(names) else "")
    panel.tick_params(axis="x", rotation=45)
    panel.set_ylabel(f"{track.quantity}, {track.unit}" if track.unit else track.quantity)
    panel.set_title("".join(c for c in track.case if c.isprintable()).replace("$", r"\$"), fontsize=8)
    return figure
