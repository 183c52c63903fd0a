"""What a trial of the gate says: how often it is wrong, and how often it finds what there is to be found.

From the records of :mod:`upbench.gate.trial` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from statistics import median_high
from typing import Any

from pytest_benchmark.utils import PercentageRegressionCheck

from upbench.records.statistics import Rate
from upbench.records.trials import TrialKind

TRIAL = TrialKind("the gate", "upsample_bench_gate_trial", schema=1)

SHARES = (0.03, 0.05, 0.10, 0.20)
"""Slowdowns injected in each run, one each in as many functions drawn at random."""

PLAIN_CHECKS = tuple((field, percent) for percent in (5, 10) for field in ("median", "mean", "min"))
"""What ``--benchmark-compare-fail`` is asked about the plain runs."""


def false_alarms(document: Mapping[str, Any]) -> Rate:
    """Gates on identical code that ended in "regression"."""
    return _ended(document, "regression")


def inconclusive(document: Mapping[str, Any]) -> Rate:
    """Gates on identical code that ended in "inconclusive"."""
    return _ended(document, "inconclusive")


def _ended(document: Mapping[str, Any], outcome: str) -> Rate:
    runs = [run for run in document["runs"] if not run["injected"]]
    return Rate(sum(run["outcome"] == outcome for run in runs), len(runs))


def detections(document: Mapping[str, Any], share: float) -> Rate:
    """Benchmarks slowed by a share that were found to be slower, over all gates."""
    cases = [case for run in document["runs"] for case in run["cases"] if case["injected"] == share]
    return Rate(sum(case["kind"] == "regression" for case in cases), len(cases))


def plain_false_alarms(document: Mapping[str, Any], field: str, percent: float) -> Rate:
    """Plain runs of identical code that ``--benchmark-compare-fail`` fails, each against the one before."""
    check = PercentageRegressionCheck(field, percent)
    runs = document["plain"]
    failed = [
        any(check.fails(now[name], before[name]) for name in now.keys() & before.keys())
        for before, now in pairwise(runs)
    ]
    return Rate(sum(failed), len(failed))


def median_seconds(document: Mapping[str, Any], injected: bool) -> float | None:
    """Of the gates of one kind."""
    seconds = [float(run["seconds"]) for run in document["runs"] if bool(run["injected"]) == injected]
    return median_high(seconds) if seconds else None


def table(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was asked and what came out, line by line."""
    lines = [
        ("identical code, gate says regression", false_alarms(document).text),
        ("identical code, gate says inconclusive", inconclusive(document).text),
    ]
    for field, percent in PLAIN_CHECKS:
        rate = plain_false_alarms(document, field, percent)
        if rate.of:
            lines.append((f"identical code, --benchmark-compare-fail={field}:{percent}%", rate.text))
    for share in SHARES:
        rate = detections(document, share)
        if rate.of:
            lines.append((f"slowed by {share:.0%}, found", rate.text))
    for kind, injected in (("identical code", False), ("slowed", True)):
        seconds = median_seconds(document, injected)
        if seconds is not None:
            lines.append((f"{kind}, median time of a gate", f"{seconds:.0f} s"))
    return lines


def summary(document: Mapping[str, Any]) -> list[str]:
    """The table as sentences for a terminal."""
    return [f"{what}: {came_out}" for what, came_out in table(document)]
