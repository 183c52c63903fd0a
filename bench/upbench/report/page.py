"""One self-contained HTML page: the answers first, then every case to explore, then method, machine and caveats."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from upbench.records.record import Run
from upbench.report import libraries
from upbench.report.bilingual import TAGS, both
from upbench.report.claims import JudgedClaim
from upbench.report.drawing import Chart
from upbench.report.evidence import Evidence
from upbench.report.explorer import explorer_data
from upbench.report.headings import heading
from upbench.report.machines_page import software_of
from upbench.report.page_words import in_all_languages, page_words
from upbench.report.quality_section import QualitySection
from upbench.report.section import Section
from upbench.report.tables import Tables
from upbench.wording import Language, Message, in_words, listed, say, series

VERDICTS = {"holds": "yes", "holds only when": "partly", "does not hold": "no"}
"""How a verdict's badge looks, by its kind; every other one is grey."""


@dataclass(frozen=True)
class Page:
    """Everything that a page shows.

    Attributes:
        evidence: the records.
        findings: in a sentence each; the first two lead.
        claims: what the run says to the folklore.
        tables: of all runs.
        charts: static, of every setting.
        sections: that only some runs have.
        quality: what was seen of images, a run each; empty where nobody looked.
        language: in which the page opens.
        recommendation: what the form that recommends an upsampler needs; None for a page without it.
    """

    evidence: Evidence
    findings: Sequence[Message]
    claims: Sequence[JudgedClaim]
    tables: Tables
    charts: Sequence[Chart]
    sections: Sequence[Section]
    quality: Sequence[QualitySection] = ()
    language: Language = "en"
    recommendation: Mapping[str, Any] | None = None


def write_page(page: Page, output: Path) -> None:
    """Write ``report.html`` into ``output``; it needs no other file and no network."""
    evidence = page.evidence
    text = _environment().get_template("page.html.j2").render(
        page=page,
        run=evidence.runs[0],
        evidence=evidence,
        title=in_words(say("Which upsampler on this machine?"), page.language),
        languages=TAGS,
        counts=_counts(evidence),
        outcomes=listed([f"{count} {outcome}" for outcome, count in _counts(evidence).items()]),
        machine=_machine(evidence.runs[0]),
        held=series([setting.title for setting in evidence.settings]) if evidence.settings else "–",
        networks=[name for name in evidence.names if name not in evidence.operators],
        styles=libraries.styles(),
        import_map=libraries.import_map(),
        entry=f"page/{libraries.ENTRY}",
        data=libraries.as_json(_data(page)),
    )  # fmt: skip
    (output / "report.html").write_text(text, errors="replace")


def write_machines_page(content: Mapping[str, Any], output: Path, language: Language) -> None:
    """Write ``report.html`` of several machines, whose own reports lie beside it, into ``output``."""
    text = _environment().get_template("machines.html.j2").render(
        **content, language=language, languages=TAGS, styles=libraries.styles(),
        title=in_words(say("Which upsampler on which machine?"), language),
    )  # fmt: skip
    (output / "report.html").write_text(text, errors="replace")


def _data(page: Page) -> dict[str, Any]:
    """What the scripts read; they read nothing else."""
    return {
        "words": page_words(),
        "explorer": explorer_data(page.evidence),
        "quality": [section.data for section in page.quality],
        "recommendation": page.recommendation
        and {
            **page.recommendation,
            "words": in_all_languages(page.recommendation["words"]),
        },
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("upbench.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_finalize,
    )  # fmt: skip
    environment.globals |= {
        "say": say, "listed": listed, "series": series, "heading": heading, "software_of": software_of,
    }  # fmt: skip
    environment.filters |= {
        "english": lambda text: in_words(text, "en"),
        "chinese": lambda text: in_words(text, "zh"),
        "inline": _inline,
        "columns": _columns,
        "rows": _rows,
        "badge": lambda kind: VERDICTS.get(kind, "unknown"),
    }
    return environment


def _finalize(value: Any) -> Any:
    """Every message that a template prints is said in all languages, and every text of a record is isolated."""
    return both(value) if isinstance(value, Message) or type(value) is str else value


def _columns(table: pd.DataFrame) -> list[Message | str]:
    return [column if isinstance(column, Message) else heading(str(column)) for column in table.columns]


def _rows(table: pd.DataFrame) -> Iterable[list[Message | str]]:
    return table.to_numpy().tolist()


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


def _machine(run: Run) -> list[tuple[Message, Message | str]]:
    """The fingerprint as a person reads it."""
    found = run.fingerprint
    if browser := found.get("browser"):
        return _browser(found, browser)
    caches = ", ".join(f"{name} {size}" for name, size in found["caches"].items())
    cores = say("{usable} usable, {physical} physical", usable=found["usable_cores"], physical=found["physical_cores"])
    return [
        (say("CPU"), f"{found['cpu']} ({found['cpu_capability']})"),
        (say("cores"), cores),
        (say("caches of a core"), caches or say("unknown")),
        (say("memory"), f"{found['memory_bytes'] / 2**30:.1f} GiB"),
        (say("GPU"), ", ".join(found["gpus"]) or say("none")),
        (say("system"), f"{found['os']}, {found['libc']}, Python {found['python']}"),
        (say("torch"), str(found["torch"])),
    ]


def _browser(found: Mapping[str, Any], browser: Mapping[str, Any]) -> list[tuple[Message, Message | str]]:
    """What a browser tells of itself and of the device."""
    memory = found["memory_bytes"]
    versions = ", ".join(f"{name} {version}" for name, version in found.get("versions", {}).items())
    isolated = say("isolated, so that threads can share memory")
    return [
        (say("browser"), f"{browser['name']} {browser['version']}"),
        (say("pages"), isolated if browser["isolated"] else say("not isolated: no threads, and a coarse clock")),
        (say("cores"), str(found["usable_cores"])),
        (say("memory"), say("not told") if memory is None else say("about {size} GiB", size=memory >> 30)),
        (say("GPU"), ", ".join(found["gpus"]) or say("none")),
        (say("system"), str(found["os"])),
        (say("software"), say("{versions}; models exported by torch {torch}", versions=versions, torch=found["torch"])),
    ]
