"""What a process leaves behind that is killed outright: folders of its own, and processes that know of them.

A held folder is locked by whoever made it, and a lock goes with its process, however that ends. Whoever makes the next
one beside it can tell by that which are nobody's any more, and clears those away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Container
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Self

import psutil


class HeldFolder:
    """A new folder that is known to be in use as long as this process lives; a context manager that removes it.

    Args:
        parent: where it is made, and where those that killed processes have left are removed first.
        prefix, suffix: of its name, by which those are known.
        before: what is done about a folder that was left, before it is removed.
    """

    def __init__(
        self, parent: Path, prefix: str, suffix: str, before: Callable[[Path], None] = lambda folder: None
    ) -> None:
        remove_left(parent, prefix, suffix, before)
        self._owner = os.getpid()
        self._lock: int | None = None
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=parent)).resolve()
            # Until it is locked, another process may take it for one that was left.
            with suppress(FileNotFoundError, BlockingIOError):
                try:
                    self._lock = _locked(self.path)
                except OSError as error:
                    if isinstance(error, (FileNotFoundError, BlockingIOError)):
                        raise
                    # A file system without locks, in which nobody removes it either.
                    return
                if self.path.exists():
                    return
                os.close(self._lock)

    def remove(self) -> None:
        """End whoever still uses it, and remove it; a process that was forked from its maker leaves it alone."""
        if os.getpid() != self._owner:
            return
        end_strays(self.path)
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def end_strays(folder: Path, children: Container[int] | None = None) -> None:
    """End the processes that have a folder's path in their environment, and no living parent that this one has started.

    Such are the children of a worker that has gone itself.

    Args:
        folder: that they were told of.
        children: numbers of the processes that this one has started itself; None for all whose parent it is. In a
            container where it is the first process it becomes the parent of everybody's orphans.
    """
    mark, own = os.fsencode(folder), os.getpid()
    for file in Path("/proc").glob("[0-9]*/environ"):
        pid = int(file.parent.name)
        # Of another user, or gone by now.
        with suppress(OSError, psutil.Error):
            if pid == own or mark not in file.read_bytes():
                continue
            line = [pid, *(above.pid for above in psutil.Process(pid).parents())]
            if own not in line or (children is not None and line[line.index(own) - 1] not in children):
                os.kill(pid, signal.SIGKILL)


def remove_left(parent: Path, prefix: str, suffix: str, before: Callable[[Path], None]) -> None:
    """Remove the held folders that nobody holds any more; arguments as for :class:`HeldFolder`."""
    for folder in parent.glob(f"{escape(prefix)}*{escape(suffix)}"):
        try:
            if folder.lstat().st_uid != os.getuid():
                continue
            descriptor = _locked(folder, os.O_NOFOLLOW)
        except OSError:
            # In use, gone, no folder, or in a file system without locks.
            continue
        end_strays(folder)
        before(folder)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _locked(folder: Path, flags: int = 0) -> int:
    """Open a folder and lock it.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: it is not there.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | flags)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
