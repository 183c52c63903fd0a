"""From records alone to what people look at: evidence, answers, claims, tables and charts, and the page.

Free of torch; nothing is measured here, and no file but the records is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from upbench.records.record import Run
from upbench.report.charts import write_charts
from upbench.report.claims import judge_claims
from upbench.report.evidence import gather
from upbench.report.exact_section import exact_forms_section
from upbench.report.page import write_page
from upbench.report.runtime_section import runtimes_section
from upbench.report.summary import summarise
from upbench.report.tables import write_tables
from upbench.report.trial_section import write_trial_report
from upbench.report.twins_section import write_twins_report

__all__ = ["write_report", "write_trial_report", "write_twins_report"]


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
