"""Benchmarks with log-ratios, counts and endings that are known; no process is started and nothing is timed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from upbench.gate.decision import Verdict, decide
from upbench.gate.observed import Closed, Observed
from upbench.gate.series import SCREENING, Rule, Series

QUIET = (-0.002, 0.0011, -0.0013, 0.0021, 0.0005, -0.0015)
SLOWER = (0.101, 0.112, 0.093, 0.104, 0.095, 0.106, 0.107, 0.098, 0.109, 0.091, 0.102, 0.113)
LOOKS_SLOWER = SLOWER[:SCREENING]
NOISY = (0.31, -0.28, 0.22, -0.35, 0.12, -0.09)
MIB = 1 << 20

PASSED, MISSING = Closed("passed"), Closed("missing")
FAILED = Closed("failed", "ValueError: no\nand more lines")
SKIPPED = Closed("skipped", "needs a GPU")

# The example of docs/gate.md.
SCREENED = (0.046, 0.061, 0.038, 0.052, 0.240, 0.044)
FOLLOWED = (0.049, 0.057, 0.031, 0.063, -0.012, 0.047)


def series(values: Sequence[float]) -> Series:
    return Series(dict(enumerate(values)))


def evidence(name: str = "case", values: Sequence[float] = QUIET, **fields: Any) -> Observed:
    return Observed(name, series(values), **fields)


def stating(before: dict[str, Any], after: dict[str, Any], **fields: Any) -> Observed:
    return evidence(examined=(Closed("passed", extra_info=before), Closed("passed", extra_info=after)), **fields)


def returning(before: Any, after: Any, **extra_info: Any) -> Observed:
    sides = [Closed("passed", extra_info=extra_info, result=np.asarray(result)) for result in (before, after)]
    return evidence(examined=(sides[0], sides[1]))


def in_pool(name: str, pool: str, values: Sequence[float] = QUIET) -> Observed:
    stated = Closed("passed", extra_info={"pool": pool})
    return evidence(name, values, examined=(stated, stated))


def only(*cases: Observed, rule: Rule | None = None) -> Verdict:
    """The first verdict of those cases alone."""
    return decide(cases, {}, rule or Rule()).verdicts[0]
