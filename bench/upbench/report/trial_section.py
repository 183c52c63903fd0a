"""What people look at of a trial of the gate: a table and a chart of how often it is wrong and how much it finds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from tabulate import tabulate

from upbench.gate.rates import (
    PLAIN_CHECKS,
    SHARES,
    detections,
    false_alarms,
    plain_false_alarms,
    summary,
    table,
)
from upbench.records.statistics import Rate
from upbench.records.trials import check_any_runs
from upbench.report.drawing import COLOURS, STYLE, write_chart

CAPTION = "The gate on this machine: false alarms on identical code, and slowdowns found, with 95 % intervals."


def write_trial_report(trial: Mapping[str, Any], output: Path) -> list[str]:
    """Write ``trial.md``, ``trial.svg`` and ``trial.png`` into ``output``; return the findings, a sentence a line."""
    check_any_runs(trial)
    output.mkdir(parents=True, exist_ok=True)
    rows = tabulate(table(trial), headers=("asked", "came out"), tablefmt="github", disable_numparse=True)
    (output / "trial.md").write_text(f"{rows}\n")
    with mpl.rc_context(STYLE):
        write_chart(_draw(trial), output, "trial", CAPTION)
    return summary(trial)


def _draw(trial: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(8.2, 3.2), layout="constrained")
    alarms, found = figure.subplots(1, 2, width_ratios=(3, 2))
    checks = {f"{field}:{percent}%": plain_false_alarms(trial, field, percent) for field, percent in PLAIN_CHECKS}
    rates = {"this gate": false_alarms(trial), **checks}
    _bars(alarms, {name: rate for name, rate in rates.items() if rate.of})
    _detections(found, {share: rate for share in SHARES if (rate := detections(trial, share)).of})
    return figure


def _bars(panel: Axes, rates: Mapping[str, Rate]) -> None:
    """Runs on identical code that fail, the gate's above those of ``--benchmark-compare-fail``."""
    for place, (name, rate) in enumerate(rates.items()):
        ours = name == "this gate"
        panel.barh(place, rate.share, color=COLOURS[0] if ours else "#bbbbbb", height=0.6)
        low, high = rate.interval
        panel.plot((low, high), (place, place), color="black", linewidth=1)
        panel.text(max(high, rate.share) + 0.02, place, f"{rate.count}/{rate.of}", va="center", fontsize=8)
    panel.set_yticks(range(len(rates)), list(rates))
    panel.invert_yaxis()
    panel.set_xlim(0, 1.15)
    panel.xaxis.set_major_formatter(PercentFormatter(1))
    panel.set_title("identical code: runs that fail", loc="left", fontsize=9)
    panel.grid(visible=False, axis="y")


def _detections(panel: Axes, rates: Mapping[float, Rate]) -> None:
    """Benchmarks found among those that were slowed."""
    for place, rate in enumerate(rates.values()):
        low, high = rate.interval
        panel.plot((place, place), (low, high), color="black", linewidth=1)
        panel.plot(place, rate.share, "o", color=COLOURS[0])
        panel.text(place, low - 0.03, f"{rate.count}/{rate.of}", ha="center", va="top", fontsize=8)
    panel.set_xticks(range(len(rates)), [f"+{share:.0%}" for share in rates])
    panel.set_xlim(-0.5, len(rates) - 0.5)
    panel.set_ylim(0, 1.05)
    panel.yaxis.set_major_formatter(PercentFormatter(1))
    panel.set_title("slowed on purpose: found", loc="left", fontsize=9)
