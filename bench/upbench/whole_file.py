"""Files that are there whole or not at all, whatever ends the process that writes them, or the machine."""

from __future__ import annotations

import fcntl
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from upbench.errors import UsageError, UserError


class NotWrittenFileError(UserError):
    """A file cannot be written; one sentence says which and why."""


class TakenFileError(UsageError):
    """Another process is writing a file; one sentence says which."""


def write_text_whole(path: Path, text: str) -> None:
    """Write text to a file by way of one beside it, ``PATH.partial``, which the next writer takes over if it was left.

    Raises:
        NotWrittenFileError: there is no room, or another reason of the system's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.exists() and not path.is_file():
            # A pipe or a device, such as /dev/stdout, is written to and not replaced.
            path.write_text(text)
        else:
            _replace(path, text)
    except OSError as error:
        raise NotWrittenFileError(f"{path} cannot be written: {error.strerror or error}.") from error


def remove_partial(path: Path) -> None:
    """Remove what a killed process had written of a file."""
    _partial(path).unlink(missing_ok=True)


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Keep others that ask for the same from writing a file meanwhile; a lock beside it is gone afterwards.

    Raises:
        TakenFileError: another process is at it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock")
    try:
        file = open_alone(lock)
    except BlockingIOError:
        raise TakenFileError(f"{path} is being written by another process; wait for it or end it.") from None
    with file:
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def open_alone(path: Path, wait: bool = False) -> FileIO:
    """Open a file to be written at its end, or make it, and lock it; the lock goes with the process.

    It has no buffer, from which what could not be written might be written after all as the file is closed.

    Args:
        path: of the file.
        wait: until nobody else has locked it.

    Raises:
        BlockingIOError: somebody has, and this does not wait.
    """
    while True:
        file = FileIO(path, "a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.close()
            raise
        except OSError as error:
            if not wait:
                warnings.warn(
                    f"{path.parent} knows no locks ({error.strerror}): let no other process write {path.name}.",
                    stacklevel=2,
                )
        # Whoever had it before may have removed it just now, or moved it to another place.
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()


def write_all(file: FileIO, data: bytes) -> None:
    """Write to a file without a buffer, which may take a part at a time, and wait until the disk has it."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
    os.fsync(file.fileno())


def sync(file: Path) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    partial = _partial(path)
    with open_alone(partial, wait=True) as file:
        try:
            file.truncate(0)
            write_all(file, text.encode())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    with suppress(OSError):
        sync(path.parent)


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")
