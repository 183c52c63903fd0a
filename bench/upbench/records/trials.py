"""Files in which a trial keeps what it has measured: JSON documents that begin with which trial it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upbench.errors import UserError
from upbench.records.documents import DocumentError, check_schema, fault_in, read_document

BEGINNING = 200
"""Characters of a file in which its key stands."""


def begins_with(path: Path, key: str) -> bool:
    """Whether a file is of the kind that has this key first, without reading the whole of it."""
    with path.open(errors="replace") as file:
        return f'"{key}"' in file.read(BEGINNING)


class TrialFileError(UserError):
    """A file does not hold the trial that it should; one sentence says why."""


@dataclass(frozen=True)
class TrialKind:
    """A kind of trial.

    Attributes:
        name: as a sentence has it.
        key: makes a JSON file the records of such a trial; its value is their schema.
        schema: written and read.
    """

    name: str
    key: str
    schema: int

    def is_in(self, path: Path) -> bool:
        """Whether the file holds such a trial rather than a run."""
        return begins_with(path, self.key)

    def read(self, path: Path) -> dict[str, Any]:
        """Read a trial's records.

        Raises:
            TrialFileError: the file is damaged, of another kind or of a later schema.
        """
        from upbench.records.trial_shapes import SHAPES

        try:
            document = read_document(path)
            if not isinstance(document, dict) or self.key not in document:
                raise TrialFileError(f"{path} is no trial of {self.name} of schema {self.schema}.")
            check_schema(document[self.key], self.schema)
            if fault := fault_in(document, SHAPES[self.key]):
                raise DocumentError(f"is damaged: it lacks or garbles the field {fault}.")
        except DocumentError as error:
            raise TrialFileError(f"{path} {error}") from error
        return document

    def resumed(self, path: Path, facts: Mapping[str, Any], same: Sequence[str]) -> dict[str, Any]:
        """The records that a file already holds, to go on with; where there is no file, new ones of these ``facts``.

        Args:
            path: of the file.
            facts: in which records of this kind begin, of the trial to be made.
            same: keys of the facts that all of a trial must agree on.

        Raises:
            TrialFileError: the file holds something else, or a trial of other facts.
        """
        if not path.exists():
            return {self.key: self.schema, **facts, "runs": []}
        document = self.read(path)
        if others := [key for key in same if document.get(key) != json.loads(json.dumps(facts[key]))]:
            raise TrialFileError(
                f"{path} holds a trial that differs from this one in {', '.join(others)}; give another --output."
            )
        return document


def check_any_runs(trial: Mapping[str, Any]) -> None:
    """See whether there is anything to report of a trial.

    Raises:
        TrialFileError: nothing was run.
    """
    if not trial["runs"]:
        raise TrialFileError("there is nothing to report: the trial has no runs.")
