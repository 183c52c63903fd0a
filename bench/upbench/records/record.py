"""What was measured, as data: one record per case, a run of many, and the file format. Free of torch.

A run is written as pytest-benchmark's own JSON, so that ``pytest-benchmark compare`` and the services that read it can
read ours. Our fields stand in each benchmark's ``extra_info``; cases without a latency, which foreign readers would
stumble over, and the run's own facts stand under the top-level key ``upsample_bench``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from upbench.cases.case import Case
from upbench.errors import UserError
from upbench.records import compact
from upbench.records.documents import DocumentError, check_schema, fault_in, read_document
from upbench.records.launches import Launch, stats_of, summarise_launches
from upbench.records.statistics import Interval
from upbench.whole_file import write_text_whole
from upbench.wording import shown

if TYPE_CHECKING:
    from pydantic import BaseModel

SCHEMA = 2
"""Schema 1 had no rivals side by side; its runs are read, and what they say of their protocol is kept."""

ProtocolName = Literal["side by side", "interleaved", "one at a time"]
"""How the launches of a question's rivals were made: alive at once, one after another in random order, or each rival's
on its own. Only within the first do ratios hold on a busy machine."""

UNSTABLE_HALF_WIDTH = 0.10
"""A case whose ratios to its rivals are not known to ±10 % in the end is ``unstable``: kept, but never a winner."""

QUANTITIES = (
    "latency_s",
    "latency_ci_s",
    "macs",
    "flops",
    "elementwise_ops",
    "params",
    "min_bytes",
    "peak_allocated_bytes",
    "peak_tensor_bytes",
    "peak_rss_bytes",
    "peak_cuda_allocated_bytes",
    "peak_cuda_reserved_bytes",
    "roofline_share",
    "conversion_s",
    "gradient_bytes",
    "optimizer_bytes",
    "definition_error",
    "allocator",
    "launch_medians_s",
    "launch_ids",
    "launch_levels",
    "rounds_per_launch",
    "launches",
    "groups",
    "disturbed_share",
    "page_faults_per_call",
    "stopped_by",
)
"""The fields of every record beside those of its case; None where a quantity does not apply or was not reached."""


RUN_FACTS = ("command", "version", "source", "settings", "protocol", "controls", "limits", "cards")
"""What a file says of its run as a whole, under ``upsample_bench``."""


OLD_LAYOUT = re.compile(r"-m bench\b|--module[ =]bench\.")
"""In the command of a run, where it names modules."""


class RecordError(UserError):
    """A file cannot be read as records; one sentence says which and why."""


@dataclass(frozen=True)
class Record:
    """One case with what was measured of it.

    Attributes:
        case: which upsampler in which cell.
        outcome: ``ok``, ``unstable``, or why there is no latency; see :data:`upbench.cases.outcome.OutcomeKind`.
        outcome_reason: one sentence unless ``ok``.
        quantities: the fields of :data:`QUANTITIES` and any that further meters add.
        rounds_s: raw seconds per call of all launches, one after the other; empty where only a summary was stored.
        iterations: calls in each round of the last launch.
    """

    case: Case
    outcome: str
    outcome_reason: str | None
    quantities: Mapping[str, Any]
    rounds_s: tuple[float, ...] = ()
    iterations: int = 1

    @property
    def measured(self) -> bool:
        """Whether there is a latency at all."""
        return bool(self.quantities["launch_medians_s"])

    @property
    def levels(self) -> dict[str, float]:
        """The log of how many times as long as the control a call took, by launch; none in runs of schema 1."""
        ids, levels = self.quantities.get("launch_ids"), self.quantities.get("launch_levels")
        return dict(zip(ids, levels, strict=True)) if ids and levels else {}

    @property
    def latency(self) -> Interval | None:
        """The latency in seconds with its 95 % interval, or None without one."""
        if not self.quantities["latency_ci_s"]:
            return None
        low, high = self.quantities["latency_ci_s"]
        return Interval(low, self.quantities["latency_s"], high)

    @property
    def extra_info(self) -> dict[str, Any]:
        """The record's fields as they stand in the file."""
        return {
            **self.case.as_dict(),
            **self.quantities,
            "outcome": self.outcome,
            "outcome_reason": self.outcome_reason,
        }


@dataclass(frozen=True)
class Run:
    """Records that were measured together, and where and how.

    Attributes:
        records: one for each case.
        machine_info, commit_info: as pytest-benchmark writes them; the machine's ``fingerprint`` is ours.
        facts: :data:`RUN_FACTS`: command line, code, protocol, measured limits, and the upsamplers' cards.
        measured_at: ISO 8601 time of the run's end.
    """

    records: tuple[Record, ...]
    machine_info: Mapping[str, Any]
    commit_info: Mapping[str, Any]
    facts: Mapping[str, Any]
    measured_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What identifies the machine and the software that decides its speed."""
        return dict(self.machine_info["fingerprint"])

    @property
    def protocol(self) -> ProtocolName:
        """How the launches of a question's rivals were made."""
        return cast(ProtocolName, self.facts["protocol"])

    @property
    def of_old_layout(self) -> str | None:
        """One sentence where the run names modules of ``bench``, as this package was called until 0.2; else None."""
        if not str(self.facts["version"]).startswith("0.1."):
            return None
        command = str(self.facts["command"])
        named = {record.case.upsampler for record in self.records if record.case.upsampler.startswith("bench.")}
        if not named and not OLD_LAYOUT.search(command):
            return None
        what = ", ".join(sorted(named)) or repr(command)
        return f"{what} names the package bench, which is called upbench now; the figures are read as they are."


def peak_memory(record: Record) -> int | None:
    """The peak that decides who is leanest: the allocator's on its device, exact on the CPU."""
    on_cuda = record.case.cell.device.startswith("cuda")
    value = record.quantities["peak_cuda_allocated_bytes" if on_cuda else "peak_allocated_bytes"]
    return None if value is None else int(value)


def build_record(
    case: Case,
    outcome: str,
    reason: str | None,
    fields: Mapping[str, Any],
    launches: Sequence[Launch],
    half_width: float | None = None,
) -> Record:
    """Put together what the meters and launches of one case gave.

    A case whose ratios to its rivals are still vague after all its launches turns from ``ok`` into ``unstable``.

    Args:
        case: what was measured.
        outcome: of the measuring.
        reason: why not ``ok``.
        fields: from the meters.
        launches: in order.
        half_width: relative, of the interval of its ratio to another rival.
    """
    record = Record(
        case=case,
        outcome=outcome,
        outcome_reason=reason,
        quantities={**dict.fromkeys(QUANTITIES), **fields, **summarise_launches(launches)},
        rounds_s=tuple(seconds for launch in launches for seconds in launch.rounds_s),
        iterations=launches[-1].iterations if launches else 1,
    )
    if outcome == "ok" and half_width is not None and half_width > UNSTABLE_HALF_WIDTH:
        vague = f"its launches disagree: its ratios are known only to ±{half_width:.0%} after {len(launches)} of them"
        return replace(record, outcome="unstable", outcome_reason=vague)
    return record


def write_run(run: Run, path: Path) -> None:
    """Write the run to ``path``; the file appears whole or not at all."""
    document = {
        "machine_info": run.machine_info,
        "commit_info": run.commit_info,
        "benchmarks": [_as_benchmark(record) for record in run.records if record.measured],
        "datetime": run.measured_at,
        "version": run.facts.get("pytest_benchmark_version", ""),
        "upsample_bench": run_level_fields(run.facts, run.records),
    }
    write_whole(path, document)


def write_whole(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON to ``path``, which is there whole or not at all.

    Raises:
        NotWrittenFileError: there is no room, or another reason of the system's.
    """
    write_text_whole(path, compact.dumps(document))


def run_level_fields(facts: Mapping[str, Any], records: Iterable[Record]) -> dict[str, Any]:
    """Return what stands under ``upsample_bench``: the schema, the facts, and the records without a latency."""
    not_measured = [record.extra_info for record in records if not record.measured]
    return {"schema": SCHEMA, **facts, "not_measured": not_measured}


def read_run(path: Path) -> Run:
    """Read a run that ``upbench run`` or ``pytest --benchmark-json`` wrote.

    Raises:
        RecordError: the file is damaged, foreign, or of a later schema.
    """
    try:
        return run_from(read_document(path))
    except DocumentError as error:
        raise RecordError(f"{path} {error}") from error


def run_from(document: Any) -> Run:
    """The run that a JSON document holds.

    Raises:
        DocumentError: it is damaged, foreign, or of a later schema.
    """
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        raise DocumentError("is not a pytest-benchmark file: it has no list of benchmarks.")
    ours = document.get("upsample_bench")
    if not isinstance(ours, dict):
        raise DocumentError("was not measured by upsample-bench: its benchmarks lack our fields.")
    check_schema(ours.get("schema"), SCHEMA)
    return _run_of(document, migrated(ours))


def migrated(ours: Mapping[str, Any]) -> dict[str, Any]:
    """What a file of an older schema says of its run, as this one says it."""
    if ours["schema"] == 1:
        protocol: ProtocolName = "interleaved" if ours.get("interleaved") else "one at a time"
        kept = {key: value for key, value in ours.items() if key != "interleaved"}
        return {**kept, "schema": SCHEMA, "protocol": protocol, "controls": []}
    return dict(ours)


def _run_of(document: Mapping[str, Any], ours: Mapping[str, Any]) -> Run:
    """Raises DocumentError where a field is missing or is not what it must be."""
    # With what holds files against it, which takes a tenth of a second to import.
    from upbench.records.shapes import BenchmarkShape, ExtraInfoShape, FactsShape, RunShape

    unmeasured = ours.get("not_measured", [])
    if not isinstance(unmeasured, list):
        raise DocumentError("is damaged: not_measured is no list.")
    records = []
    for place, benchmark in enumerate(document["benchmarks"]):
        extra_info = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
        # Benchmarks of other suites in the same pytest session have no upsampler.
        if not isinstance(extra_info, dict) or "upsampler" in extra_info:
            _check(benchmark, BenchmarkShape, f"benchmarks.{place}")
            records.append(_from_benchmark(benchmark))
    for place, extra_info in enumerate(unmeasured):
        _check(extra_info, ExtraInfoShape, f"not_measured.{place}")
        records.append(_from_extra_info(extra_info))
    facts = {key: value for key, value in ours.items() if key not in ("schema", "not_measured")}
    if missing := [name for name in RUN_FACTS if name not in facts]:
        raise DocumentError(f"is damaged: it lacks {', '.join(missing)}.")
    _check(facts, FactsShape, "upsample_bench")
    _check(document, RunShape, "the file")
    if nameless := next((each.case.upsampler for each in records if each.case.upsampler not in facts["cards"]), None):
        raise DocumentError(f"is damaged: nothing says what {shown(nameless)} is called.")
    return Run(tuple(records), document["machine_info"], document["commit_info"], facts, document["datetime"])


def _check(value: Any, shape: type[BaseModel], where: str) -> None:
    if fault := fault_in(value, shape):
        raise DocumentError(f"is damaged: a record lacks or garbles the field {where}, {fault}.")


def _as_benchmark(record: Record) -> dict[str, Any]:
    stats = stats_of(record.rounds_s)
    case = record.case
    return {
        "group": case.cell.label,
        "name": case.id,
        "fullname": f"upbench::{case.id}",
        "params": case.as_dict(),
        "param": case.id,
        "extra_info": record.extra_info,
        "options": {"timer": "perf_counter", "disable_gc": True},
        "stats": {**stats.as_dict(), "data": list(record.rounds_s), "iterations": record.iterations},
    }


def _from_benchmark(benchmark: Mapping[str, Any]) -> Record:
    stats = benchmark["stats"]
    return replace(
        _from_extra_info(benchmark["extra_info"]),
        rounds_s=tuple(stats.get("data", ())),
        iterations=stats["iterations"],
    )


def _from_extra_info(extra_info: Mapping[str, Any]) -> Record:
    case = Case.from_dict(dict(extra_info))
    own = {*case.as_dict(), "outcome", "outcome_reason"}
    quantities = dict.fromkeys(QUANTITIES) | {key: value for key, value in extra_info.items() if key not in own}
    return Record(case, extra_info["outcome"], extra_info["outcome_reason"], quantities)
