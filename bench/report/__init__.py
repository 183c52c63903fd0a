"""From records alone to what people look at: answers, tables, charts and one page. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.record import Run
from bench.report.charts import write_charts
from bench.report.claims import judge_claims
from bench.report.evidence import gather
from bench.report.exact_forms import exact_forms_section
from bench.report.gate_trial import write_trial_report
from bench.report.page import write_page
from bench.report.runtimes import runtimes_section
from bench.report.summary import summarise
from bench.report.tables import write_tables

__all__ = ["write_report", "write_trial_report"]


def write_report(runs: Sequence[Run], output: Path) -> list[str]:
    """Write ``report.html``, the tables and the charts into ``output`` and return the findings, a sentence a line.

    Raises:
        RecordError: the runs come from different machines, or hold nothing that was measured.
    """
    evidence = gather(runs)
    claims = judge_claims(evidence)
    findings = summarise(evidence, claims)
    output.mkdir(parents=True, exist_ok=True)
    tables = write_tables(evidence, output)
    charts = write_charts(evidence, output)
    sections = [make(evidence, output) for make in (exact_forms_section, runtimes_section)]
    written = [section for section in sections if section is not None]
    write_page(evidence, findings, claims, tables, charts, written, output)
    return [*findings, *(line for section in written for line in section.findings)]
