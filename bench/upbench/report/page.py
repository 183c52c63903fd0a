"""One self-contained HTML page: the answers first, then the evidence, then method, machine and caveats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from upbench.records.record import Run
from upbench.report.claims import Claim
from upbench.report.drawing import Chart
from upbench.report.evidence import Evidence
from upbench.report.tables import Tables


@dataclass(frozen=True)
class Section:
    """A part of the page that only some runs have.

    Attributes:
        name: of its files, and its anchor.
        title: its heading.
        findings: in a sentence each.
        table: what they rest on.
        note: how to read the table.
        chart: of the same.
    """

    name: str
    title: str
    findings: Sequence[str]
    table: pd.DataFrame
    note: str
    chart: Chart | None = None


def write_page(
    evidence: Evidence,
    findings: Sequence[str],
    claims: Sequence[Claim],
    tables: Tables,
    charts: Sequence[Chart],
    sections: Sequence[Section],
    output: Path,
) -> None:
    """Write ``report.html`` into ``output``; it needs no other file and no network."""
    environment = Environment(
        loader=PackageLoader("upbench.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("page.html.j2").render(
        run=evidence.runs[0],
        runs=evidence.runs,
        protocols=evidence.protocols,
        findings=findings,
        claims=claims,
        answers=_html(tables.answers),
        results=_html(tables.results),
        charts=[(chart.stem, chart.caption, _inline(chart)) for chart in charts],
        sections=[(each, _html(each.table), each.chart and _inline(each.chart)) for each in sections],
        settings=evidence.settings,
        counts=_counts(evidence),
        machine=_machine(evidence.runs[0]),
        networks=[name for name in evidence.names if name not in evidence.operators],
    )
    (output / "report.html").write_text(page)


def _html(table: pd.DataFrame) -> Markup:
    return Markup(table.to_html(index=False, border=0, classes="data", escape=True))


def _inline(chart: Chart) -> Markup:
    """The SVG element without its XML prologue, its internal names made unique in the page."""
    svg = chart.svg[chart.svg.index("<svg") :]
    for pattern in (r'(id=")', r'(href="#)', r"(url\(#)"):
        svg = re.sub(pattern, rf"\g<1>{chart.stem}-", svg)
    return Markup(svg)


def _counts(evidence: Evidence) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in evidence.records:
        counts[record.outcome] = counts.get(record.outcome, 0) + 1
    return counts


def _machine(run: Run) -> dict[str, str]:
    """The fingerprint as a person reads it."""
    fingerprint = run.fingerprint
    caches = ", ".join(f"{name} {size}" for name, size in fingerprint["caches"].items()) or "unknown"
    return {
        "CPU": f"{fingerprint['cpu']} ({fingerprint['cpu_capability']})",
        "cores": f"{fingerprint['usable_cores']} usable, {fingerprint['physical_cores']} physical",
        "caches of a core": caches,
        "memory": f"{fingerprint['memory_bytes'] / 2**30:.1f} GiB",
        "GPU": ", ".join(fingerprint["gpus"]) or "none",
        "system": f"{fingerprint['os']}, {fingerprint['libc']}, Python {fingerprint['python']}",
        "torch": fingerprint["torch"],
    }
