"""What the records of trials must hold: of the gate, and of a sweep with twins."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from upbench.records.shapes import Amount, Level, Seconds, Shape, Words


class PlainShape(Shape):
    """pytest-benchmark's statistics of one benchmark."""

    median: Seconds
    mean: Seconds
    min: Seconds


class GateCaseShape(Shape):
    """A benchmark of one gate."""

    kind: Words
    injected: Annotated[float, Field(ge=0, le=1e6)]


class GateRunShape(Shape):
    """One gate."""

    outcome: Words
    seconds: Amount
    injected: dict[str, Any]
    cases: Annotated[list[GateCaseShape], Field(fail_fast=True)]


class GateTrialShape(Shape):
    """A trial of the gate."""

    runs: Annotated[list[GateRunShape], Field(fail_fast=True)]
    plain: Annotated[list[dict[str, PlainShape]], Field(fail_fast=True)]


class TwinsRunShape(Shape):
    """One whole sweep: the level of each rival of each question, by launch."""

    neighbour: bool
    seconds: Amount
    busy: Amount
    questions: dict[
        Words,
        Annotated[dict[Words, Annotated[dict[Words, Level], Field(min_length=1)]], Field(min_length=1)],
    ]


class TwinsTrialShape(Shape):
    """A trial of a sweep."""

    runs: Annotated[list[TwinsRunShape], Field(fail_fast=True)]


SHAPES: dict[str, type[Shape]] = {
    "upsample_bench_gate_trial": GateTrialShape,
    "upsample_bench_sweep_trial": TwinsTrialShape,
}
"""By the key with which a file begins."""
