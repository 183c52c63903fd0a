"""From records alone to what people look at: evidence, answers, claims, tables and charts, and the page.

Free of torch; nothing is measured here, and no file but the records is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from upbench.recommend.form import form_data
from upbench.records.quality_run import QualityRun
from upbench.records.quality_statistics import most_telling
from upbench.records.record import Run
from upbench.report.charts import write_charts
from upbench.report.choice_section import choice_section
from upbench.report.claims import Exhibits, judge_claims
from upbench.report.evidence import gather
from upbench.report.exact_section import exact_forms_section
from upbench.report.machines_page import MachineReport, by_machine, folders_of, names_of, write_machines
from upbench.report.page import Page, write_machines_page, write_page
from upbench.report.quality_section import quality_sections
from upbench.report.runtime_section import runtimes_section
from upbench.report.summary import summarise
from upbench.report.tables import write_tables
from upbench.report.trial_section import write_trial_report
from upbench.report.twins_section import write_twins_report
from upbench.wording import Language

__all__ = ["write_report", "write_trial_report", "write_twins_report"]


def write_report(
    runs: Sequence[Run],
    output: Path,
    quality: Sequence[QualityRun] = (),
    reference: QualityRun | None = None,
    language: Language = "en",
) -> list[str]:
    """Write ``report.html``, the tables and the charts into ``output`` and return the findings, a sentence a line.

    Args:
        runs: of one machine; those of several get a folder each, and a page that shows them beside each other.
        output: a folder, made if need be.
        quality: what was seen of images, a section each; claims are judged by what has the most trainings.
        reference: what the committed reference saw of them, for what these runs cannot decide.
        language: of the findings returned, and in which the page opens; files of tables are in English.

    Raises:
        RecordError: the runs of one machine differ in their software or settings, or hold nothing that was measured.
    """
    groups = by_machine(runs)
    if len(groups) > 1:
        return _write_machines(groups, output, quality, reference, language)
    evidence = gather(runs)
    own = Exhibits(evidence, most_telling(quality))
    claims = judge_claims(own, Exhibits(quality=reference) if reference else None)
    findings = summarise(evidence, claims)
    output.mkdir(parents=True, exist_ok=True)
    tables = write_tables(evidence, output)
    charts = write_charts(evidence, output)
    sections = [make(evidence, output) for make in (exact_forms_section, runtimes_section, choice_section)]
    written = [section for section in sections if section is not None]
    form = form_data(runs, own.quality)
    write_page(
        Page(evidence, findings, claims, tables, charts, written, quality_sections(quality), language, form), output
    )
    lines = [*findings, *(line for section in written for line in section.findings)]
    return [line.in_language(language) for line in lines]


def _write_machines(
    groups: Sequence[Sequence[Run]],
    output: Path,
    quality: Sequence[QualityRun],
    reference: QualityRun | None,
    language: Language,
) -> list[str]:
    """A report for each machine in a folder of its own, and the page above them."""
    names = names_of(groups)
    evidence = [gather(own) for own in groups]
    machines = []
    for name, folder, own, found in zip(names, folders_of(names), groups, evidence, strict=True):
        lines = write_report(own, output / folder, quality, reference, language)
        machines.append(MachineReport(name, output / folder, own, found, lines))
    findings = write_machines(machines, output, lambda content, to: write_machines_page(content, to, language))
    return [finding.in_language(language) for finding in findings]
