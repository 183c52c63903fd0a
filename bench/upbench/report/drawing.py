"""What all charts share: style, an upsampler's look, legends, axes, and how a figure is written.

Every upsampler keeps its marker, line style and grey level through all charts; colours only help.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, ScalarFormatter

from upbench.report.evidence import Evidence
from upbench.wording import Message

STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "upsample-bench",
    "svg.fonttype": "path",
    "figure.dpi": 100,
}

# From light to dark and around the marker shapes, so that neighbours differ in print as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Chart:
    """A chart as written: the file's stem, what it shows, and its SVG text for the page."""

    stem: str
    caption: Message | str
    svg: str


def write_chart(figure: Figure, output: Path, stem: str, caption: Message | str) -> Chart:
    """Write a figure as SVG and PNG."""
    figure.savefig(output / f"{stem}.svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    figure.savefig(output / f"{stem}.png", metadata={"Software": None}, bbox_inches="tight", dpi=150)
    return Chart(stem, caption, (output / f"{stem}.svg").read_text())


def look(evidence: Evidence, name: str) -> dict[str, Any]:
    """The marker, line and colour of an upsampler, as matplotlib takes them."""
    index = evidence.operators.index(name)
    return {
        "color": COLOURS[index % len(COLOURS)],
        # Colours and markers come round together after 24 operators, and are then shifted against each other.
        "marker": MARKERS[(index + index // 24) % len(MARKERS)],
        "linestyle": LINES[index % len(LINES)],
        "markersize": 6,
        "linewidth": 1.2,
    }


LONGEST_LABEL = 60


def label(evidence: Evidence, name: str) -> str:
    """What a chart calls an upsampler: its title, if that fits, without what matplotlib would take for a formula."""
    title = "".join(character for character in evidence.title(name) if character.isprintable()).replace("$", r"\$")
    return title if len(title) <= LONGEST_LABEL else f"{title[:LONGEST_LABEL]}…"


LEGEND_COLUMNS = 4


def legend_height(evidence: Evidence) -> float:
    """Inches that the legend of all operators takes."""
    return 0.17 * -(-len(evidence.operators) // LEGEND_COLUMNS)


def legend(figure: Figure, evidence: Evidence, names: Sequence[str]) -> None:
    """Say below the panels which look is whose."""
    handles = [Line2D([], [], label=label(evidence, name), **look(evidence, name)) for name in names]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(LEGEND_COLUMNS, len(handles)))


def plain_log_ticks(*axes: Axis) -> None:
    """Label the decades of a logarithmic axis in plain numbers, and the 3 of each where there is room."""
    for axis in axes:
        low, high = axis.get_view_interval()
        of_each_decade = (1, 3) if high < 100 * low else (1,)
        # On its own it leaves decades out on short axes, and then finds none that fits.
        axis.set_major_locator(LogLocator(subs=of_each_decade, numticks=99))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())


def log_ticks(panel: Axes, values: Sequence[int]) -> None:
    """A logarithmic horizontal axis on which just these values stand."""
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_locator(FixedLocator(list(values)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(ScalarFormatter())
    panel.margins(x=0.1)
