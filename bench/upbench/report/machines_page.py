"""Several machines beside each other: a report for each, and one page that shows who is fastest where.

Within a machine rivals are compared as its own report does. Between machines nothing is tested: a latency stands beside
another, and no sentence says that one is surely less.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Any

import pandas as pd

from upbench.cases.case import Cell, device_text, scale_text
from upbench.records.comparison import machine_differences
from upbench.records.record import Record, Run
from upbench.report.choice_section import NOTE as CHOICE_NOTE
from upbench.report.choice_section import answers, choice_table, finding, respects
from upbench.report.evidence import Evidence
from upbench.report.runtime_section import in_layout, with_latency
from upbench.report.tables import channels_text, sureness, what_varies, write_table
from upbench.wording import Message, listed, say


@dataclass(frozen=True)
class MachineReport:
    """One machine among several.

    Attributes:
        name: its processor or GPU, numbered where several are called the same.
        folder: of its own report.
        runs: of this machine alone.
        evidence: they together.
        lines: the findings of its report.
    """

    name: str
    folder: Path
    runs: Sequence[Run]
    evidence: Evidence
    lines: Sequence[str]


def by_machine(runs: Sequence[Run]) -> list[list[Run]]:
    """Part runs by the machine that they come from; the allocator is a setting, not a machine."""
    groups: list[list[Run]] = []
    for run in runs:
        own = next((group for group in groups if not set(machine_differences(group[0], run)) - {"allocator"}), None)
        if own is None:
            groups.append([run])
        else:
            own.append(run)
    return groups


def names_of(groups: Sequence[Sequence[Run]]) -> list[str]:
    """What to call each machine."""
    plain = [_name(own[0].fingerprint) for own in groups]
    times = Counter(plain)
    seen: Counter[str] = Counter()
    names = []
    for name in plain:
        seen[name] += 1
        names.append(f"{name} ({seen[name]})" if times[name] > 1 else name)
    return names


def _name(fingerprint: Mapping[str, Any]) -> str:
    """A GPU, as whoever has one measures it, or the processor; a browser is called after itself."""
    if fingerprint.get("browser"):
        return str(fingerprint["cpu"])
    return str(next(iter(fingerprint["gpus"]), fingerprint["cpu"]))


def software_of(run: Run) -> str:
    """What decides a run's speed besides the machine: torch, or what a browser has in its place."""
    found = run.fingerprint
    version = found.get("versions", {}).get("onnxruntime-web", "?")
    return f"ONNX Runtime Web {version}" if found.get("browser") else f"torch {found['torch']}"


def folders_of(names: Sequence[str]) -> list[str]:
    """A folder for each name, no two the same."""
    slugs = [re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "machine" for name in names]
    return [f"{slug}-{place}" if slugs.count(slug) > 1 else slug for place, slug in enumerate(slugs, 1)]


def write_machines(
    machines: Sequence[MachineReport], output: Path, write_page: Callable[[dict[str, Any], Path], None]
) -> list[Message]:
    """Write ``report.html`` and its tables into ``output``; return a sentence for each machine, and on all together.

    Args:
        machines: at least two, whose own reports are written.
        output: a folder, there already.
        write_page: fills the page's template.
    """
    table = machines_table(machines)
    write_table(table, output, "machines")
    changes = respects([answer for each in machines for answer in answers(each.evidence, machine=each.name)])
    choice = choice_table(changes) if changes else None
    findings = [_finding(machine) for machine in machines]
    if choice is not None:
        write_table(choice, output, "choice")
        findings.append(finding(changes))
    links = [
        {
            "name": machine.name,
            "address": f"{machine.folder.name}/report.html",
            "cases": len(machine.evidence.records),
            "software": software_of(machine.runs[0]),
        }
        for machine in machines
    ]
    content = {"table": table, "choice": choice, "choice_note": CHOICE_NOTE, "findings": findings, "links": links}
    write_page(content, output)
    return findings


def machines_table(machines: Sequence[MachineReport]) -> pd.DataFrame:
    """A row for each question that any machine was asked: who is fastest there, on each device, in each runtime."""
    # Only for what its cells have in common: no record of one machine meets one of another.
    everything = Evidence(
        tuple(run for machine in machines for run in machine.runs),
        tuple(record for machine in machines for record in machine.evidence.records),
    )
    columns: dict[str, dict[Cell, Message | str]] = {}
    for machine in machines:
        columns |= _columns(machine)
    asked = dict.fromkeys(question for answers in columns.values() for question in answers)
    return pd.DataFrame(
        [
            {
                "scale": f"×{scale_text(question.scale)}",
                "channels": channels_text(question.in_channels, question.out_channels),
                **what_varies(everything, question, apart=("runtime", "layout", "device")),
                **{name: answers.get(question, say("not measured")) for name, answers in columns.items()},
            }
            for question in asked
        ]
    )


def _columns(machine: MachineReport) -> dict[str, dict[Cell, Message | str]]:
    """By where somebody could run it there, the answer to each question, in whichever layout suits it best."""
    found: dict[tuple[str, str], dict[Cell, list[Record]]] = {}
    for record in machine.evidence.records:
        if record.case.upsampler in machine.evidence.operators and record.outcome != "unsupported":
            cell = record.case.cell
            question = replace(cell.question, device=Cell.device).settled
            device = device_text(cell.device, cell.switches)
            found.setdefault((device, cell.runtime), {}).setdefault(question, []).append(record)
    several = [len({place[part] for place in found}) > 1 for part in range(2)]
    return {
        ", ".join([machine.name, *compress(place, several)]): {
            question: _fastest(machine.evidence, records) for question, records in asked.items()
        }
        for place, asked in found.items()
    }


def _fastest(evidence: Evidence, records: Sequence[Record]) -> Message | str:
    timed = [record for record in records if record.latency is not None]
    winner = evidence.fastest(timed, lambda record: in_layout(evidence, record))
    if winner is None:
        return say("no latency can be trusted")
    return say("{winner} ({sure})", winner=with_latency(winner), sure=sureness(winner, str))


def _finding(machine: MachineReport) -> Message:
    wins: Counter[str] = Counter()
    words: dict[str, Message | str] = {}
    for result in machine.evidence.results:
        if result.ran:
            best = result.fastest
            what = machine.evidence.title(best.names[0]) if best and best.clear else say("no significant winner")
            words[str(what)] = what
            wins[str(what)] += 1
    counted = [say("{name} in {count}", name=words[name], count=count) for name, count in wins.most_common()]
    return say("{machine}: fastest {list}.", machine=machine.name, list=listed(counted or [say("not measured")]))
