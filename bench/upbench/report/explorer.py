"""Every case of a run as data for the page's explorer: what it can be filtered by, its figures, and every ratio.

A ratio to a baseline is the statistics' business, and the page has none of its own: each pair of cases that answer the
same question is compared here, once, and the page looks up what was found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import log10
from typing import Any

from upbench.cases.case import Cell, device_text, scale_text
from upbench.records.record import Record, Run, peak_memory
from upbench.report.evidence import Evidence, output_bytes
from upbench.report.tables import MIB, channels_text
from upbench.wording import visible

FIGURES: dict[str, Callable[[Record], float | None]] = {
    "latency": lambda record: _times(record.quantities["latency_s"], 1e3),
    "low": lambda record: None if record.latency is None else record.latency.low * 1e3,
    "high": lambda record: None if record.latency is None else record.latency.high * 1e3,
    "launches": lambda record: record.quantities["launches"],
    "busy": lambda record: record.quantities["disturbed_share"],
    "memory": lambda record: _times(peak_memory(record), 1 / MIB),
    "tensors": lambda record: _times(record.quantities["peak_tensor_bytes"], 1 / MIB),
    "resident": lambda record: _times(record.quantities["peak_rss_bytes"], 1 / MIB),
    "output": lambda record: output_bytes(record.case.cell) / MIB,
    "gmacs": lambda record: _times(record.quantities["macs"], 1e-9),
    "gflops": lambda record: _times(record.quantities["flops"], 1e-9),
    "params": lambda record: record.quantities["params"],
    "limit": lambda record: record.quantities["roofline_share"],
    "conversion": lambda record: record.quantities["conversion_s"],
    "gradients": lambda record: _times(record.quantities["gradient_bytes"], 1 / MIB),
    "optimizer": lambda record: _times(record.quantities["optimizer_bytes"], 1 / MIB),
    "error": lambda record: record.quantities["definition_error"],
}
"""A case's figures by the name that the page's scripts use: milliseconds, MiB, billions, shares."""

DIGITS = 5
"""Of a figure, significant; of a ratio one less. Nobody measures a latency better."""


def explorer_data(evidence: Evidence) -> dict[str, Any]:
    """Return what the explorer shows, as JSON can hold it: texts as they are in the records, for the page to escape."""
    facets = _facets(evidence)
    values = {key: sorted(dict.fromkeys(own), key=_as_people_count) for key, own in facets.items()}
    upsamplers = {name: position for position, name in enumerate(evidence.names)}
    runs = {id(run): position for position, run in enumerate(evidence.runs)}
    places = {record.case.id: place for place, record in enumerate(evidence.records)}
    rows = [
        [
            upsamplers[record.case.upsampler],
            runs[id(evidence.run_of(record))],
            *(values[key].index(facets[key][place]) for key in facets),
            *(_rounded(figure(record), DIGITS) for figure in FIGURES.values()),
            record.outcome_reason and visible(record.outcome_reason),
            _place(evidence.fastest_rival(record), places) if record.latency else None,
        ]
        for place, record in enumerate(evidence.records)
    ]
    return {
        "upsamplers": [{"name": visible(name), "title": visible(evidence.title(name))} for name in evidence.names],
        "runs": [_provenance(run) for run in evidence.runs],
        "facets": [{"key": key, "values": own} for key, own in values.items()],
        "fields": ["upsampler", "run", *facets, *FIGURES, "reason", "fastest"],
        "rows": rows,
        "questions": _questions(evidence, places),
    }


def _facets(evidence: Evidence) -> dict[str, list[str]]:
    """By what cases can be filtered, as text, one for each record."""
    facets: dict[str, Callable[[Record], str]] = {
        "family": lambda record: str(evidence.cards[record.case.upsampler]["family"]),
        "scale": lambda record: f"×{scale_text(record.case.cell.scale)}",
        "channels": lambda record: channels_text(record.case.cell.in_channels, record.case.cell.out_channels),
        "size": lambda record: f"{record.case.cell.height}×{record.case.cell.width}",
        **{name: _of_cell(name) for name in ("batch", "dtype", "layout", "threads", "device", "runtime", "step")},
        "device": lambda record: device_text(record.case.cell.device, record.case.cell.switches),
        "outcome": lambda record: record.outcome,
    }
    return {key: [visible(text(record)) for record in evidence.records] for key, text in facets.items()}


def _as_people_count(text: str) -> list[tuple[float, str]]:
    """Digits as numbers, so that ×2 stands before ×16; a sort keeps the order of what has none."""
    return [(float(digits), "") for digits in re.findall(r"[0-9]+", text)[:4]]


def _of_cell(name: str) -> Callable[[Record], str]:
    return lambda record: str(getattr(record.case.cell, name))


def _questions(evidence: Evidence, places: dict[str, int]) -> list[dict[str, Any]]:
    """The cases of each question, and how many times as long each takes as every one after it.

    ``ratio`` and ``factor`` are the upper triangle, row by row: the estimate, and what it is multiplied and divided
    by for the limits of its interval, which is symmetric on the logarithmic scale. 0 where there is nothing to compare.
    """
    groups: dict[Cell, list[Record]] = {}
    for record in evidence.records:
        if record.measured:
            groups.setdefault(record.case.cell.question, []).append(record)
    return [_question(evidence, records, places) for records in groups.values()]


def _question(evidence: Evidence, records: Sequence[Record], places: dict[str, int]) -> dict[str, Any]:
    ratios: list[float | None] = []
    factors: list[float | None] = []
    for position, record in enumerate(records):
        for other in records[position + 1 :]:
            found = evidence.compare(record, other)
            ratios.append(_rounded(found.ratio.estimate, DIGITS - 1) if found else 0)
            factors.append(_rounded(1 + found.ratio.relative_half_width, DIGITS - 1) if found else 0)
    return {"rows": [places[record.case.id] for record in records], "ratio": ratios, "factor": factors}


def _provenance(run: Run) -> dict[str, Any]:
    """Where a case's figures come from, for a reader who doubts them."""
    facts = {
        "measured_at": run.measured_at[:16].replace("T", " "),
        "commit": str(run.commit_info.get("id") or "")[:12],
        "protocol": run.protocol,
        "cpu": run.fingerprint["cpu"],
        "torch": run.fingerprint["torch"],
    }
    return {
        "dirty": bool(run.commit_info.get("dirty")),
        **{name: visible(str(fact)) for name, fact in facts.items()},
    }


def _place(record: Record | None, places: dict[str, int]) -> int | None:
    return None if record is None else places[record.case.id]


def _times(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit


def _rounded(value: float | None, digits: int) -> float | int | None:
    """A figure with so many significant digits, which a third of the characters can hold."""
    if value is None or value == 0 or isinstance(value, int):
        return value
    if not abs(value) < float("inf"):
        return None
    return round(float(value), digits - 1 - int(log10(abs(value)) // 1))
