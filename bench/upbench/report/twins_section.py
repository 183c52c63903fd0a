"""What people look at of a trial of the sweep: a table and a chart of how often it is wrong, quiet and busy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from tabulate import tabulate

from upbench.records.repeatability import KINDS, headers, identical_pairs, runs_of, summary, table
from upbench.records.trials import check_any_runs
from upbench.report.drawing import COLOURS, STYLE, write_chart

CAPTION = (
    "Identical upsamplers under two names, side by side: the difference that was found for each pair, with its 95 % "
    "interval, sorted; large and orange where it would be called one."
)


def write_twins_report(trial: Mapping[str, Any], output: Path) -> list[str]:
    """Write ``trial.md``, ``trial.svg`` and ``trial.png`` into ``output``; return the findings, a sentence a line."""
    check_any_runs(trial)
    output.mkdir(parents=True, exist_ok=True)
    rows = tabulate(table(trial), headers=headers(trial), tablefmt="github", disable_numparse=True)
    (output / "trial.md").write_text(f"{rows}\n")
    with mpl.rc_context(STYLE):
        write_chart(_draw(trial), output, "trial", CAPTION)
    return summary(trial)


def _draw(trial: Mapping[str, Any]) -> Figure:
    kinds = [busy for busy in KINDS if runs_of(trial, busy)]
    figure = Figure(figsize=(8.2, 3.2), layout="constrained")
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for panel, busy in zip(panels, kinds, strict=True):
        _pairs(panel, trial, busy)
        panel.set_title(KINDS[busy], loc="left", fontsize=9)
        panel.set_xlabel("pairs of identical upsamplers, sorted")
    panels[0].set_ylabel("difference that was found")
    return figure


def _pairs(panel: Axes, trial: Mapping[str, Any], busy: bool) -> None:
    found = [pair for run in runs_of(trial, busy) for own in identical_pairs(run).values() for pair in own]
    found.sort(key=lambda pair: pair.comparison.ratio.estimate)
    places = np.arange(len(found))
    low, estimate, high = (
        np.array([getattr(pair.comparison.ratio, limit) - 1 for pair in found]) for limit in ("low", "estimate", "high")
    )
    panel.vlines(places, low, high, color="#999999", linewidth=0.7)
    called = np.array([pair.called for pair in found])
    panel.plot(places[~called], estimate[~called], ".", color=COLOURS[0], markersize=3)
    panel.plot(places[called], estimate[called], "o", color=COLOURS[1], markersize=5)
    panel.axhline(0, color="black", linewidth=0.8)
    panel.set_ylim(-0.2, 0.2)
    panel.yaxis.set_major_formatter(PercentFormatter(1))
