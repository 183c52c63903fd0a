"""The sweep's memory on disk: one line of JSON for each thing that was measured, written as it comes.

A sweep that is killed loses at most the measurement in flight; resuming reads the lines back. The first line is a
header that says which sweep this is, so that two different ones cannot be mixed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from upbench.errors import UsageError
from upbench.wording import shown


class JournalError(UsageError):
    """The journal cannot be used as asked; one sentence says why."""


def asked(header: Mapping[str, Any]) -> str:
    """What identifies the sweep of a header in the file that it ends in."""
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def entries_as_written() -> Iterator[None]:
    """Take what fails within for the fault of a journal's entries: each line is JSON, and no more is sure.

    Raises:
        JournalError: an entry lacks something, or has something else in its place.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise JournalError(
            f"the journal is damaged: an entry lacks or garbles {shown(str(error))}; delete it to start anew."
        ) from error


def is_whole(output: Path, header: Mapping[str, Any]) -> bool:
    """Whether this very sweep, by the same code on the same machine, has ended in ``output`` already."""
    return (
        output.exists()
        and not Journal.path_for(output).exists()
        and f'"asked": "{asked(header)}"' in output.read_text(errors="replace")
    )


class Journal:
    """Lines of an unfinished sweep, beside its output as ``OUTPUT.journal``; a context manager that closes the file.

    Args:
        path: of the journal.
        header: what identifies the sweep.
        entries: what is in it already.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], entries: list[dict[str, Any]], file: TextIO) -> None:
        self.path = path
        self.header = header
        self.entries = entries
        self._file = file

    @staticmethod
    def path_for(output: Path) -> Path:
        """Where the journal of the sweep that writes ``output`` lies."""
        return output.with_name(output.name + ".journal")

    @classmethod
    def open(cls, output: Path, header: Mapping[str, Any], resume: bool) -> Self:
        """Go on with a sweep that was interrupted, if that is asked for and there is one; otherwise start a new one.

        Raises:
            JournalError: as for :meth:`create` and :meth:`resume`.
        """
        return cls.resume(output, header) if resume and cls.path_for(output).exists() else cls.create(output, header)

    @classmethod
    def create(cls, output: Path, header: Mapping[str, Any]) -> Self:
        """Start a new journal.

        Raises:
            JournalError: an unfinished sweep has one there already.
        """
        path = cls.path_for(output)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("x")
        except FileExistsError:
            raise JournalError(
                f"{path} holds an unfinished sweep: continue it with --resume, or delete that file to start anew."
            ) from None
        cls._lock(file, path)
        journal = cls(path, header, [], file)
        journal._write(header)
        return journal

    @classmethod
    def resume(cls, output: Path, header: Mapping[str, Any]) -> Self:
        """Reopen a journal, dropping a last line that was cut off.

        Raises:
            JournalError: there is none, it is damaged, another process writes it, or it belongs to another sweep.
        """
        path = cls.path_for(output)
        if not path.exists():
            raise JournalError(f"there is nothing to resume: {path} does not exist.")
        try:
            text = path.read_text()
            whole = text[: text.rfind("\n") + 1]
            lines = [json.loads(line) for line in whole.splitlines()]
        except (ValueError, RecursionError) as error:
            raise JournalError(f"{path} is damaged ({error}); delete it to start anew.") from error
        if not lines:
            raise JournalError(f"{path} is empty; delete it to start anew.")
        if not all(isinstance(line, dict) for line in lines):
            raise JournalError(f"{path} is not a journal; delete it to start anew.")
        # As JSON has it, which knows no tuples.
        for key, value in json.loads(json.dumps(header)).items():
            if lines[0].get(key) != value:
                raise JournalError(
                    f"{path} belongs to another sweep: its {key} differs; resume with the same options, code "
                    "and machine, or delete that file to start anew."
                )
        file = path.open("a")
        cls._lock(file, path)
        os.truncate(path, len(whole.encode()))
        return cls(path, lines[0], lines[1:], file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one line and wait until the disk has it."""
        self._write(entry)
        self.entries.append(dict(entry))

    def delete(self) -> None:
        """Remove the journal, once everything it knows is in the output."""
        self._file.close()
        self.path.unlink()

    @staticmethod
    def _lock(file: TextIO, path: Path) -> None:
        """Keep a second process from measuring the same sweep; the lock goes with the process."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise JournalError(f"{path} is being written by another process; wait for it or end it.") from None
        except OSError as error:
            warnings.warn(
                f"{path.parent} knows no locks ({error.strerror}): let no other process measure this sweep.",
                stacklevel=2,
            )

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
