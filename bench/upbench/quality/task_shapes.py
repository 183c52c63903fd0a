"""What the entries of a comparison's journal must hold before it is gone on with, as a run that is read must."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from upbench.cases.outcome import OutcomeKind
from upbench.records.documents import fault_in
from upbench.records.shapes import PictureShape, Shape, Told, TrainingShape, UntrainedShape, Words
from upbench.sweep.journal import garbled


class LessonShape(Shape):
    """What a training gave, or an interpolation."""

    training: TrainingShape
    pictures: Annotated[list[PictureShape], Field(fail_fast=True)]


class TaskShape(Shape):
    """How one task ended, and with what."""

    key: Words
    outcome: OutcomeKind
    reason: Told | None
    value: LessonShape | UntrainedShape | None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.outcome == "ok" and self.value is None:
            raise ValueError("it went well and tells nothing")
        return self


def check_tasks(entries: Iterable[Mapping[str, Any]]) -> None:
    """See whether a comparison can go on from these entries.

    Raises:
        JournalError: one of them lacks something, or has something else in its place.
    """
    for entry in entries:
        if fault := fault_in(entry, TaskShape):
            raise garbled(fault)
