"""The one temporary folder of this process, for itself and its workers, which is gone when it has ended.

A process that is killed outright leaves it behind, and the next one removes it.
"""

from __future__ import annotations

import getpass
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path

from upbench.leftovers import HeldFolder

PREFIX, SUFFIX = "upbench-", ".tmp"

AFTER_SOCKETS = -200
"""When it is removed: later than the folder in it that multiprocessing has for the server's socket, at -100."""


@cache
def own_scratch() -> Path:
    """The folder, which is made when somebody first asks for it."""
    held = HeldFolder(Path(tempfile.gettempdir()), PREFIX, SUFFIX)
    Finalize(None, held.remove, exitpriority=AFTER_SOCKETS)
    return held.path


def environment() -> dict[str, str]:
    """Variables by which workers, and whatever they start, put their temporary files there.

    Inductor's cache stays where it is, as it saves the next program seconds. The path is also how processes are known
    that a worker has started and left.
    """
    cache_folder = own_scratch().parent / f"torchinductor_{_user()}"
    return {
        "TMPDIR": str(own_scratch()),
        "TORCHINDUCTOR_CACHE_DIR": os.environ.get("TORCHINDUCTOR_CACHE_DIR", str(cache_folder)),
    }


def _user() -> str:
    try:
        return re.sub(r"[^\w.-]", "_", getpass.getuser())
    except (KeyError, OSError):
        # In a container a user may have a number and no name.
        return str(os.getuid())


@contextmanager
def made_there() -> Iterator[None]:
    """Have this process's own temporary files made there for a while, for a library that cannot be told where."""
    before, tempfile.tempdir = tempfile.tempdir, str(own_scratch())
    try:
        yield
    finally:
        tempfile.tempdir = before
