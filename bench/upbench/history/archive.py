"""A folder of runs, read for what a history needs: a figure a case, and who measured it where, when and of what.

The times of single rounds, which are nearly all of a file, are skipped as they are read. Whatever else pytest-benchmark
wrote is read as well, with its medians as latencies. What is no run is named, and stops nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from upbench.cases.case import Case, Cell
from upbench.errors import UserError
from upbench.records.comparison import EXACT
from upbench.records.record import SCHEMA
from upbench.wording import one_line, shown

LATENCY, LEVEL = "latency_s", "level"
"""Seconds of a call, and the logarithm of how many times as long as the control it took."""

COLUMNS = ("case", "control", LATENCY, LEVEL, *EXACT)
"""Of a row of figures, after the run that it is of."""

HARDWARE = ("cpu", "physical_cores", "logical_cores", "usable_cores", "caches", "cpu_capability", "gpus")
"""The parts of a fingerprint that make a machine, besides its memory; the rest is software, which may be a cause."""

SOFTWARE = ("os", "libc", "python", "torch")

NO_COMMIT = ("", "unversioned", "unknown")
"""What pytest-benchmark writes outside of a repository."""

LARGEST_BYTES = 1 << 28
"""Of one file: two hundred times a run of 200 cases, and little enough to be read at once."""

LEFT_OUT = 0.25
"""Share of the launches that is left out at each end, as the gate does: a burst of other work spoils single ones."""

Row = tuple[Any, ...]


class HistoryError(UserError):
    """A folder has no history; one sentence says why."""


@dataclass(frozen=True)
class ArchivedRun:
    """One run of the archive.

    Attributes:
        file: where it stands.
        hardware: a digest of its processor, caches and accelerators, and of the allocator's setting.
        machine_text: processor and number of cores, as people read it.
        memory_bytes: of the machine; None where the file does not tell.
        commit: its hash; empty outside of a repository.
        dirty: whether the tree differed from its commit.
        source: digest of the code that measured, where the file tells.
        committed_at: None where there is no commit, or the file does not tell.
        measured_at: the run's end.
        software: versions by name.
    """

    file: Path
    hardware: str
    machine_text: str
    memory_bytes: float | None
    commit: str
    dirty: bool
    source: str
    committed_at: datetime | None
    measured_at: datetime
    software: dict[str, str]


@dataclass(frozen=True)
class Archive:
    """All runs of a folder, in the order in which they were measured.

    Attributes:
        runs: of all machines.
        figures: a row for each case of each run: ``run`` (its place in ``runs``) and :data:`COLUMNS`.
        failures: a row for each case that a run has without a latency: ``run``, ``case``, and ``why``: how it ended.
        controls: what the control takes on a quiet machine: ``run``, ``control`` (its device and threads), and seconds.
        skipped: files that are no runs, with the reason.
    """

    runs: tuple[ArchivedRun, ...]
    figures: pd.DataFrame
    failures: pd.DataFrame
    controls: pd.DataFrame
    skipped: tuple[tuple[Path, str], ...]


class _Stats(msgspec.Struct):
    median: float


class _Figures(msgspec.Struct):
    upsampler: str | None = None
    threads: int = 1
    device: str = "cpu"
    latency_s: float | None = None
    launch_levels: list[float] | None = None
    flops: float | None = None
    params: float | None = None
    min_bytes: float | None = None
    peak_tensor_bytes: float | None = None
    peak_allocated_bytes: float | None = None


class _Benchmark(msgspec.Struct):
    name: str
    fullname: str
    stats: _Stats
    param: Any = None
    extra_info: msgspec.Raw = msgspec.Raw(b"{}")


class _Commit(msgspec.Struct):
    id: str | None = None
    time: str | None = None
    dirty: bool = False


class _Control(msgspec.Struct):
    threads: int
    device: str
    quiet_s: float


class _Failure(msgspec.Struct):
    """A record without a latency: the fields of its case, of which older files have fewer, and how it ended."""

    upsampler: str
    scale: int | float | tuple[int | float, int | float]
    channels: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    outcome: str
    outcome_reason: str | None = None
    batch: int = Cell.batch
    dtype: str = Cell.dtype
    layout: str = Cell.layout
    threads: int = Cell.threads
    device: str = Cell.device
    runtime: str = Cell.runtime
    step: str = Cell.step
    tf32: str = Cell.tf32
    cudnn_benchmark: str = Cell.cudnn_benchmark
    cache: str = Cell.cache

    @property
    def case(self) -> str:
        return one_line(Case.from_dict(msgspec.structs.asdict(self)).id)

    @property
    def why(self) -> str:
        return shown(f"{self.outcome}: {self.outcome_reason}" if self.outcome_reason else self.outcome)


class _Settings(msgspec.Struct, frozen=True):
    allocator: str | None = None


class _Ours(msgspec.Struct):
    schema: int
    version: str = ""
    source: str = ""
    protocol: str | None = None
    # Schema 1 had none of this kind.
    controls: msgspec.Raw = msgspec.Raw(b"[]")
    not_measured: list[_Failure] = []
    settings: _Settings = _Settings()


class _Document(msgspec.Struct):
    benchmarks: list[_Benchmark]
    machine_info: dict[str, Any]
    commit_info: _Commit
    datetime: str
    upsample_bench: _Ours | None = None


_DOCUMENT = msgspec.json.Decoder(_Document)
_FIGURES = msgspec.json.Decoder(_Figures)
_CONTROLS = msgspec.json.Decoder(list[_Control])

_Run = tuple[ArchivedRun, list[Row], list[tuple[str, str]], list[tuple[str, float]]]


def read_archive(folder: Path) -> Archive:
    """Read every run under ``folder``.

    Raises:
        HistoryError: there is none.
    """
    found: list[_Run] = []
    skipped: list[tuple[Path, str]] = []
    # A text is kept once, however many runs have it.
    known: dict[str, str] = {}
    for file in sorted(folder.rglob("*.json")):
        if file.is_dir():
            continue
        try:
            found.append(_read(file, known))
        except OSError as error:
            skipped.append((file, shown(error.strerror or str(error))))
        except (ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            skipped.append((file, shown(str(error))))
    if not found:
        first = f": {one_line(str(skipped[0][0]))} is none ({skipped[0][1]})" if skipped else ""
        raise HistoryError(f"{folder} holds no runs{first}.")
    found.sort(key=lambda each: (each[0].measured_at, each[0].file))
    kept, copies = _without_copies(found)
    return Archive(
        tuple(run for run, *_ in kept),
        _frame([rows for _, rows, _, _ in kept], COLUMNS),
        _frame([rows for _, _, rows, _ in kept], ("case", "why")),
        _frame([rows for *_, rows in kept], ("control", LATENCY)),
        tuple(sorted(skipped + copies)),
    )


def _read(file: Path, known: dict[str, str]) -> _Run:
    if not file.is_file():
        raise ValueError("it is no file that could be read to its end")
    if file.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES >> 20} MiB")
    document = _DOCUMENT.decode(file.read_bytes())
    ours = document.upsample_bench
    if ours is not None and not 1 <= ours.schema <= SCHEMA:
        raise ValueError(f"it has schema {ours.schema}; this version reads schemas 1 to {SCHEMA}")
    rows = [_row(each, ours is not None, known) for each in document.benchmarks]
    failures = [(each.case, each.why) for each in ours.not_measured] if ours else []
    controls = _CONTROLS.decode(ours.controls) if ours and ours.schema > 1 else []
    return _measured(file, document), rows, failures, [(_control_of(each), each.quiet_s) for each in controls]


def _measured(file: Path, document: _Document) -> ArchivedRun:
    ours, commit = document.upsample_bench, document.commit_info
    told = document.machine_info.get("fingerprint")
    info = told if isinstance(told, dict) else _fingerprint_of_others(document.machine_info)
    # Latencies with another allocator are no more comparable than those of another machine.
    allocator = ours.settings.allocator if ours else None
    hardware = [*(info.get(part) for part in HARDWARE), info.get("node"), allocator]
    if isinstance(browser := info.get("browser"), dict):
        # Its version is software.
        hardware.append({part: browser.get(part) for part in ("name", "installation", "isolated")})
    committed = (commit.id or "") not in NO_COMMIT
    memory = info.get("memory_bytes")
    return ArchivedRun(
        file=file,
        hardware=hashlib.sha256(json.dumps(hardware, sort_keys=True).encode()).hexdigest()[:8],
        machine_text=one_line(
            f"{info.get('cpu') or 'unknown processor'}, {info.get('usable_cores') or '?'} cores"
            + (f", {allocator} allocator" if allocator not in (None, "pinned") else "")
        ),
        memory_bytes=float(memory) if isinstance(memory, int | float) else None,
        commit=one_line(commit.id or "") if committed else "",
        dirty=commit.dirty,
        source=ours.source if ours else "",
        committed_at=_time(commit.time) if committed and commit.time else None,
        measured_at=_time(document.datetime),
        software={one_line(name): one_line(version) for name, version in _software(info, ours)},
    )


def _time(text: str) -> datetime:
    """ISO 8601; older versions of pytest-benchmark wrote UTC without saying so."""
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def _row(benchmark: _Benchmark, ours: bool, known: dict[str, str]) -> Row:
    figures = _FIGURES.decode(benchmark.extra_info) if ours else _Figures()
    if figures.upsampler is None:
        name = one_line(benchmark.fullname)
        return known.setdefault(name, name), None, benchmark.stats.median, None, *[None] * len(EXACT)
    # In pytest the name is the test's, in a sweep the case's; the parameter is the case's in both.
    name = one_line(benchmark.param if isinstance(benchmark.param, str) else benchmark.name)
    control = _control_of(figures)
    levels = figures.launch_levels
    return (
        known.setdefault(name, name),
        known.setdefault(control, control),
        figures.latency_s,
        _middle(levels) if levels else None,
        *(getattr(figures, quantity) for quantity in EXACT),
    )


def _control_of(each: _Figures | _Control) -> str:
    return one_line(f"{each.device}, {each.threads} thread{'' if each.threads == 1 else 's'}")


def _middle(levels: list[float]) -> float:
    ordered = sorted(levels)
    out = int(LEFT_OUT * len(ordered))
    kept = ordered[out : len(ordered) - out]
    return sum(kept) / len(kept)


def _fingerprint_of_others(machine_info: dict[str, Any]) -> dict[str, Any]:
    """What pytest-benchmark itself says of a machine, by our names."""
    cpu = machine_info.get("cpu")
    told = cpu if isinstance(cpu, dict) else {}
    return {
        "cpu": told.get("brand_raw") or machine_info.get("processor"),
        "usable_cores": told.get("count"),
        "os": f"{machine_info.get('system')} {machine_info.get('release')}",
        "python": machine_info.get("python_version"),
        "node": machine_info.get("node"),
    }


def _software(fingerprint: dict[str, Any], ours: _Ours | None) -> Iterator[tuple[str, str]]:
    yield from ((name, str(fingerprint[name])) for name in SOFTWARE if fingerprint.get(name))
    versions = fingerprint.get("versions")
    if isinstance(versions, dict):
        yield from ((name, str(version)) for name, version in versions.items())
    if ours:
        yield "upsample-bench", ours.version
        yield "protocol", ours.protocol or "of schema 1"


def _without_copies(found: Sequence[_Run]) -> tuple[list[_Run], list[tuple[Path, str]]]:
    """One file of each run: a copy, such as the latest under a name of its own, would count its run twice."""
    kept: dict[tuple[Any, ...], list[_Run]] = {}
    copies = []
    for each in found:
        run, rows, *_ = each
        same = kept.setdefault((run.measured_at, run.hardware, run.commit, len(rows)), [])
        original = next((one for one in same if one[1:] == each[1:]), None)
        if original is None:
            same.append(each)
        else:
            copies.append((run.file, f"it is a copy of {original[0].file}"))
    return [each for same in kept.values() for each in same], copies


def _frame(rows_of: Sequence[Sequence[Row]], columns: Sequence[str]) -> pd.DataFrame:
    """All rows under each other, texts as categories, with the place of the run that each is of."""
    frame = pd.DataFrame(
        {
            "run": np.repeat(np.arange(len(rows_of)), [len(rows) for rows in rows_of]),
            **{name: _column(name, [row[at] for rows in rows_of for row in rows]) for at, name in enumerate(columns)},
        }
    )
    if LATENCY in columns:
        # No clock gives them, and they have no logarithm.
        frame[LATENCY] = frame[LATENCY].where(frame[LATENCY] > 0)
    return frame


def _column(name: str, values: list[Any]) -> pd.Series:
    if name in ("case", "control", "why"):
        return pd.Series(pd.Categorical(values, categories=sorted({value for value in values if value is not None})))
    return pd.Series(np.array(values, dtype=float))
