"""The sweep's memory on disk: one line of JSON for each thing that was measured, written as it comes.

A sweep that is killed loses at most the measurement in flight; resuming reads the lines back. The first line is a
header that says which sweep this is, so that two different ones cannot be mixed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from upbench.errors import UsageError, UserError
from upbench.whole_file import open_alone, remove_partial, write_all
from upbench.wording import shown


class JournalError(UsageError):
    """The journal cannot be used as asked; one sentence says why."""


class JournalWriteError(UserError):
    """The disk does not take another line; one sentence says why, and what is kept."""


def asked(header: Mapping[str, Any]) -> str:
    """What identifies the sweep of a header in the file that it ends in."""
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()[:16]


def garbled(what: str) -> JournalError:
    """The error of a journal with an entry in which something is missing, or something else stands in its place."""
    return JournalError(f"the journal is damaged: an entry lacks or garbles {what}; delete it to start anew.")


@contextmanager
def entries_as_written() -> Iterator[None]:
    """Take what fails within for the fault of a journal's entries: each line is JSON, and no more is sure.

    Raises:
        JournalError: an entry lacks something, or has something else in its place.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise garbled(shown(str(error))) from error


def is_whole(output: Path, header: Mapping[str, Any]) -> bool:
    """Whether this very sweep, by the same code on the same machine, has ended in ``output`` already."""
    return output.exists() and f'"asked": "{asked(header)}"' in output.read_text(errors="replace")


class Journal:
    """Lines of an unfinished sweep, beside its output as ``OUTPUT.journal``; a context manager that closes the file.

    As long as it is open, no other process can open it.

    Args:
        path: of the journal.
        entries: what was in it when it was opened.
        file: open and locked.
        size: bytes of the whole lines in it.

    Attributes:
        is_new: whether there was none of this sweep before.
    """

    def __init__(self, path: Path, entries: list[dict[str, Any]], file: FileIO, size: int) -> None:
        self.path = path
        self.entries = entries
        self.is_new = size == 0
        self._file, self._size = file, size

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
        file = _opened(path)
        try:
            if _whole_lines(file):
                raise JournalError(
                    f"{path} holds an unfinished sweep: continue it with --resume, or delete that file to start anew."
                )
            return cls._begun(path, file, header, output)
        except BaseException:
            file.close()
            raise

    @classmethod
    def resume(cls, output: Path, header: Mapping[str, Any]) -> Self:
        """Reopen a journal, dropping a last line that was cut off; one that was cut off in its header begins anew.

        Raises:
            JournalError: there is none, it is damaged, another process writes it, or it belongs to another sweep.
        """
        path = cls.path_for(output)
        if not path.exists():
            raise JournalError(f"there is nothing to resume: {path} does not exist.")
        file = _opened(path)
        try:
            whole = _whole_lines(file)
            if not whole:
                return cls._begun(path, file, header, output)
            entries = _read(path, whole, header)
            os.ftruncate(file.fileno(), len(whole))
            remove_partial(output)
            return cls(path, entries, file, len(whole))
        except BaseException:
            file.close()
            raise

    @classmethod
    def _begun(cls, path: Path, file: FileIO, header: Mapping[str, Any], output: Path) -> Self:
        """A journal with nothing but a header."""
        os.ftruncate(file.fileno(), 0)
        remove_partial(output)
        journal = cls(path, [], file, 0)
        try:
            journal.append(header)
        except JournalWriteError:
            path.unlink()
            raise
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one line and wait until the disk has it.

        Raises:
            JournalWriteError: it does not take it.
        """
        self.extend([entry])

    def extend(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """The same for several lines, for which the disk is waited for once."""
        lines = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
        try:
            write_all(self._file, lines)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), self._size)
            raise JournalWriteError(
                f"{self.path} cannot be written: {error.strerror}. What it holds already is kept: --resume goes on "
                "from there."
            ) from error
        self._size += len(lines)

    def delete(self) -> None:
        """Remove the journal, once everything it knows is in the output."""
        # While it is locked, so that nobody takes it for one to go on with.
        self.path.unlink()
        self._file.close()


def _opened(path: Path) -> FileIO:
    """Open a journal, or make one, and lock it; the lock goes with the process.

    Raises:
        JournalError: another process has locked it.
    """
    try:
        return open_alone(path)
    except BlockingIOError:
        raise JournalError(f"{path} is being written by another process; wait for it or end it.") from None


def _whole_lines(file: FileIO) -> bytes:
    """What a journal holds, but for a last line that was cut off."""
    file.seek(0)
    text = file.readall() or b""
    return text[: text.rfind(b"\n") + 1]


def _read(path: Path, whole: bytes, header: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of a journal of the sweep that a header identifies.

    Raises:
        JournalError: it is damaged, or of another sweep.
    """
    try:
        lines = [json.loads(line) for line in whole.decode().splitlines()]
    except (ValueError, RecursionError) as error:
        raise JournalError(f"{path} is damaged ({error}); delete it to start anew.") from error
    if not all(isinstance(line, dict) for line in lines):
        raise JournalError(f"{path} is not a journal; delete it to start anew.")
    # As JSON has it, which knows no tuples.
    for key, value in json.loads(json.dumps(header)).items():
        if lines[0].get(key) != value:
            raise JournalError(
                f"{path} belongs to another sweep: its {key} differs; resume with the same options, code "
                "and machine, or delete that file to start anew."
            )
    return lines[1:]
