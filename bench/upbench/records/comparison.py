"""Two runs side by side, case by case. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from typing import Any

from upbench.processes.disturbance import CONTROL_TOLERANCE
from upbench.records.record import Record, Run
from upbench.records.statistics import CONFIDENCE, Comparison, compare_latencies

EXACT = ("flops", "params", "min_bytes", "peak_tensor_bytes", "peak_allocated_bytes")
"""Quantities that are the same every time on the same machine: any difference is a change."""

IDENTITY = ("cpu", "usable_cores", "cpu_capability", "gpus")
"""The parts of a fingerprint that make it the same machine, besides its memory."""

SAME_MEMORY = 0.01
"""By what share the memory of one machine may differ: its kernel keeps more or less of it to itself."""


@dataclass(frozen=True)
class ComparedCase:
    """One case in both runs; ``comparison`` is None where latencies cannot be compared."""

    case_id: str
    comparison: Comparison | None
    verdict: str
    changed: tuple[str, ...]

    @property
    def ratio_text(self) -> str:
        return "–" if self.comparison is None else f"{self.comparison.ratio.estimate:.3f}"

    @property
    def interval_text(self) -> str:
        if self.comparison is None:
            return "–"
        return f"{self.comparison.ratio.low:.3f} to {self.comparison.ratio.high:.3f}"


def machine_differences(a: Run, b: Run) -> list[str]:
    """Return what keeps latencies of the two runs from being compared: the machine, or the allocator's setting."""
    differences = [part for part in IDENTITY if a.fingerprint.get(part) != b.fingerprint.get(part)]
    if _browser(a) != _browser(b):
        differences.append("browser")
    memory_a, memory_b = a.fingerprint["memory_bytes"], b.fingerprint["memory_bytes"]
    # A browser may not tell.
    if not (memory_a == memory_b or (memory_a and memory_b and isclose(memory_a, memory_b, rel_tol=SAME_MEMORY))):
        differences.append("memory_bytes")
    if a.facts["settings"]["allocator"] != b.facts["settings"]["allocator"]:
        differences.append("allocator")
    return differences


def version_differences(a: Run, b: Run) -> list[str]:
    """Return which software differs, such as ``torch 2.12.0 → 2.13.0``: what a comparison of the two runs is about.

    Older records do not tell the versions of the runtimes.
    """
    told = ("torch", "python")
    before, after = (
        {**{name: run.fingerprint.get(name) for name in told}, **run.fingerprint.get("versions", {})} for run in (a, b)
    )
    both = [name for name in before if name in after]
    told_by_both = [name for name in both if before[name] and after[name]]
    return [f"{name} {before[name]} → {after[name]}" for name in told_by_both if before[name] != after[name]]


def _browser(run: Run) -> dict[str, Any] | None:
    """Which browser measured, its version left out; None where it was this package."""
    told = run.fingerprint.get("browser")
    return None if told is None else {part: value for part, value in told.items() if part != "version"}


def compare_runs(a: Run, b: Run) -> list[ComparedCase]:
    """Return a row for each case of either run, in A's order, those of B alone last.

    "Slower" and "faster" are said at 5 %, shared between all cases that are compared (Bonferroni).
    """
    by_id_a = {record.case.id: record for record in a.records}
    by_id_b = {record.case.id: record for record in b.records}
    compared = sum(
        by_id_a[case_id].measured and by_id_b[case_id].measured for case_id in by_id_a.keys() & by_id_b.keys()
    )
    level = None if machine_differences(a, b) else (1 - CONFIDENCE) / max(1, compared)
    return [_row(case_id, by_id_a.get(case_id), by_id_b.get(case_id), level) for case_id in by_id_a | by_id_b]


def _row(case_id: str, a: Record | None, b: Record | None, level: float | None) -> ComparedCase:
    if a is None or b is None:
        return ComparedCase(case_id, None, f"only in {'B' if a is None else 'A'}", ())
    changed = tuple(name for name in EXACT if a.quantities[name] != b.quantities[name])
    if not (a.measured and b.measured):
        return ComparedCase(case_id, None, f"A {a.outcome}, B {b.outcome}", changed)
    if level is None:
        return ComparedCase(case_id, None, "not comparable", changed)
    launches_b, launches_a = b.quantities["launch_medians_s"], a.quantities["launch_medians_s"]
    comparison = compare_latencies(launches_b, launches_a, CONTROL_TOLERANCE)
    if comparison is None:
        return ComparedCase(case_id, None, "too few launches", changed)
    if comparison.p_value >= level:
        verdict = "no difference seen"
    else:
        verdict = "B slower" if comparison.ratio.estimate > 1 else "B faster"
    return ComparedCase(case_id, comparison, verdict, changed)
