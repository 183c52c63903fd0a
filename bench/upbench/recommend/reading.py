"""Which of the files that were given can be put together for an answer, and what is said of the others.

Latencies of different machines, or of different software, are never mixed: those of the newest run's machine count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from upbench.errors import UserError
from upbench.recommend import sentences
from upbench.recommend.measurements import Surroundings
from upbench.records.comparison import machine_differences, version_differences
from upbench.records.documents import DocumentError, read_document
from upbench.records.quality_run import QualityRun, is_quality, read_quality
from upbench.records.quality_statistics import most_telling
from upbench.records.record import Run, read_run
from upbench.wording import Message


class NothingToAnswerFromError(UserError):
    """No file that was given holds a run."""


@dataclass(frozen=True)
class Sources:
    """What there is to answer from.

    Attributes:
        runs: of one machine, the newest last.
        quality: the records of quality with the most trainings, if any.
        notes: on each file that does not count: why.
    """

    runs: tuple[Run, ...]
    quality: QualityRun | None
    notes: tuple[Message, ...]


def read(files: Sequence[Path], asked: Surroundings | None = None) -> Sources:
    """Read records; trials and other JSON are passed over with a note.

    Args:
        files: in any order.
        asked: the surroundings of a question, for which the newest run that has any such case decides the machine.

    Raises:
        UserError: a file is damaged, or none holds a run.
    """
    runs: list[tuple[Path, Run]] = []
    qualities: list[tuple[Path, QualityRun]] = []
    notes: list[Message] = []
    for file in files:
        if is_quality(file):
            qualities.append((file, read_quality(file)))
        elif _is_run(file):
            runs.append((file, read_run(file)))
        else:
            notes.append(sentences.no_run(str(file)))
    if not runs:
        raise NothingToAnswerFromError(
            "none of these files holds a run of upsamplers: measure one with 'upbench run --quick --output mine.json'."
        )
    runs.sort(key=lambda each: each[1].measured_at)
    telling = [
        each for each in runs if asked is None or any(asked.hold(record.case.cell) for record in each[1].records)
    ]
    newest_file, newest = (telling or runs)[-1]
    kept = []
    for file, run in runs:
        if differences := conditions_that_differ(newest, run):
            notes.append(sentences.another_machine(str(file), str(newest_file), ", ".join(differences)))
        else:
            kept.append(run)
    quality = most_telling([run for _, run in qualities])
    chosen = next((file for file, run in qualities if run is quality), None)
    notes += [sentences.other_quality(str(file), str(chosen)) for file, _ in qualities if file != chosen]
    return Sources(tuple(kept), quality, tuple(notes))


def conditions_that_differ(newest: Run, run: Run) -> list[str]:
    """What keeps the figures of a run from being put beside those of the newest."""
    return [*machine_differences(newest, run), *version_differences(run, newest)]


def _is_run(file: Path) -> bool:
    """Whether a file is JSON with a run of ours; what is not JSON is left to the reader of runs to complain of."""
    try:
        document = read_document(file)
    except DocumentError:
        return True
    return isinstance(document, dict) and "benchmarks" in document and "upsample_bench" in document
