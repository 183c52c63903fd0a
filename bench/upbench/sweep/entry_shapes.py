"""What the entries of a sweep's journal must hold before it is gone on with: types, signs, and what belongs together.

Whatever a fault or a hand has garbled is found here, and not hours later, when the run that is made of it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from upbench.cases.outcome import OutcomeKind
from upbench.meters.meter import Stage
from upbench.records.documents import fault_in
from upbench.records.shapes import (
    Amount,
    Count,
    ExtraInfoShape,
    Level,
    Positive,
    QuantitiesShape,
    RatesShape,
    Reading,
    Seconds,
    Shape,
    Told,
    Words,
)
from upbench.sweep.journal import garbled

NOT_OF_METERS = frozenset(ExtraInfoShape.model_fields) - frozenset(QuantitiesShape.model_fields)
"""Fields of a record that its case and its launches give."""

Samples = Annotated[list[Seconds], Field(min_length=1, fail_fast=True)]


class FieldsShape(QuantitiesShape):
    """What the meters of one stage tell of a case."""

    allocator: Words | None = None
    process_bytes: Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_of_meters(cls, value: Any) -> Any:
        if isinstance(value, dict) and (others := sorted(NOT_OF_METERS & value.keys())):
            raise ValueError(f"no meter gives {others[0]}")
        return value


class EndedShape(Shape):
    """How a process ended."""

    outcome: OutcomeKind
    reason: Told | None

    def has_answered(self, answer: Any) -> Self:
        """See whether there is an answer where all went well."""
        if self.outcome == "ok" and answer is None:
            raise ValueError("it went well and tells nothing")
        return self


class ExaminationShape(EndedShape):
    """One case, as the meters of a stage saw it."""

    case: Words
    stage: Stage
    fields: FieldsShape | None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        return self.has_answered(self.fields)


class MachineLimitsShape(EndedShape):
    """What the machine can do, for a dtype, a number of threads and a device."""

    machine: Literal["limits"]
    # JSON knows no tuples.
    of: Annotated[tuple[Words, Positive, Words], Field(strict=False)]
    fields: RatesShape | None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        return self.has_answered(self.fields)


class ClockShape(Shape):
    """A GPU's clock, by events and as it tells it itself."""

    hz: Amount
    told_hz: Amount | None
    bend: Reading


class MachineClockShape(EndedShape):
    """Whether a GPU's events count its cycles."""

    machine: Literal["clock"]
    of: Words
    fields: ClockShape | None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        return self.has_answered(self.fields)


class TimedRivalShape(Shape):
    """A rival of a launch that was timed to the end."""

    outcome: Literal["ok"]
    level: Level
    rounds_s: Samples
    iterations: Positive
    page_faults_per_call: Amount


class LostRivalShape(Shape):
    """One that was not."""

    outcome: Literal["unsupported", "refused", "out_of_memory", "timeout", "crashed"]
    reason: Told | None


class LaunchShape(Shape):
    """One launch of a question."""

    question: Words
    launch: Words
    rivals: dict[Words, Annotated[TimedRivalShape | LostRivalShape, Field(discriminator="outcome")]]
    control_s: Samples
    groups: Positive
    seconds: Amount


def shape_of(entry: Mapping[str, Any]) -> type[Shape]:
    """What an entry must be, by the key that only such an entry has."""
    if "machine" in entry:
        return MachineClockShape if entry["machine"] == "clock" else MachineLimitsShape
    return LaunchShape if "question" in entry else ExaminationShape


def check_entries(entries: Iterable[Mapping[str, Any]]) -> None:
    """See whether a sweep can go on from these entries.

    Raises:
        JournalError: one of them lacks something, or has something else in its place.
    """
    for entry in entries:
        if fault := fault_in(entry, shape_of(entry)):
            raise garbled(fault)
