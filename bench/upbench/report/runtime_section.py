"""The fastest upsampler of each runtime, and the fastest of all: what somebody would choose who may choose both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from upbench.cases.case import Cell, scale_text
from upbench.records.record import Record
from upbench.report.evidence import Evidence, Winner
from upbench.report.section import Section
from upbench.report.tables import NBSP, channels_text, sureness, what_varies, write_table
from upbench.wording import Message, alternatives, listed, say

MOST_NAMES = 3

NOTE = say(
    "In each runtime the fastest operator in whichever layout suits it; those named together cannot be told apart. "
    "Converting and compiling take time once, which the table of every case states and no latency contains."
)


def runtimes_section(evidence: Evidence, output: Path) -> Section | None:
    """Write the table; None where one runtime and layout was measured alone."""
    if len({(setting.runtime, setting.layout) for setting in evidence.settings}) < 2:
        return None
    table = runtimes_table(evidence)
    write_table(table, output, "runtimes")
    return Section("runtimes", say("Which runtime"), findings(evidence), table, NOTE)


def questions(evidence: Evidence) -> dict[Cell, list[Record]]:
    """The operators' records with a latency by what they could all answer, in order of appearance."""
    groups: dict[Cell, list[Record]] = {}
    for record in evidence.records:
        if record.case.upsampler in evidence.operators and record.latency is not None:
            groups.setdefault(record.case.cell.question, []).append(record)
    return groups


def runtimes_table(evidence: Evidence) -> pd.DataFrame:
    """One row for each question: the fastest in each runtime, in whichever layout suits it, and the fastest of all."""
    rows = []
    for question, records in questions(evidence).items():
        row: dict[str, Message | str] = {
            "scale": f"×{scale_text(question.scale)}",
            "channels": channels_text(question.in_channels, question.out_channels),
            **what_varies(evidence, question, apart=("runtime", "layout")),
        }
        for runtime in _runtimes(evidence):
            own = [record for record in records if record.case.cell.runtime == runtime]
            winner = evidence.fastest(own, lambda record: in_layout(evidence, record))
            row[runtime] = "–" if winner is None else with_latency(winner)
        labels = {_in_runtime(evidence, record): _said_in_runtime(evidence, record) for record in records}
        winner = evidence.fastest(records, lambda record: _in_runtime(evidence, record))
        row["fastest of all"] = "–" if winner is None else _together(winner, labels)
        row["how sure"] = say("no latency can be trusted") if winner is None else sureness(winner, labels.__getitem__)
        rows.append(row)
    return pd.DataFrame(rows)


def findings(evidence: Evidence) -> list[Message]:
    """In which runtime the fastest of all ran how often; nothing where there was one runtime alone."""
    if len(_runtimes(evidence)) < 2:
        return []
    fastest = []
    for records in questions(evidence).values():
        winner = evidence.fastest(records, lambda record: record.case.cell.runtime)
        if winner is not None:
            fastest.append(winner.names[0] if len(set(winner.names)) == 1 else None)
    tie = say("no significant winner")
    parts = [say("{name} in {count}", name=name or tie, count=count) for name, count in Counter(fastest).most_common()]
    return [
        say(
            "Fastest runtime, each with the upsampler and layout that suit it: {parts} of {total} cells.",
            parts=listed(parts) if parts else "–",
            total=len(fastest),
        )
    ]


def with_latency(winner: Winner) -> Message:
    """Who is fastest, and what it takes."""
    value = f"{winner.value * 1e3:.3g}{NBSP}ms"
    return say("{names}, {value}", names=_together(winner), value=value)


def _together(winner: Winner, labels: Mapping[str, Message] | None = None) -> Message:
    """Those that cannot be told apart, if they are not too many to name."""
    more = len(winner.names) - MOST_NAMES
    rest = [say("{count} more", count=more)] if more > 0 else []
    return alternatives([*((labels or {}).get(name, name) for name in winner.names[:MOST_NAMES]), *rest])


def _said_in_runtime(evidence: Evidence, record: Record) -> Message:
    return say("{name} in {runtime}", name=in_layout(evidence, record), runtime=record.case.cell.runtime)


def _in_runtime(evidence: Evidence, record: Record) -> str:
    return str(_said_in_runtime(evidence, record))


def in_layout(evidence: Evidence, record: Record) -> str:
    """What to call an upsampler whose layout somebody chose for it."""
    layout = record.case.cell.layout
    return evidence.title(record.case.upsampler) + ("" if layout == Cell.layout else f", {layout}")


def _runtimes(evidence: Evidence) -> list[str]:
    return list(dict.fromkeys(setting.runtime for setting in evidence.settings))
