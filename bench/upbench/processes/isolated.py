"""What an isolated process arranges for itself before it does anything else, so that nobody suffers from it."""

from __future__ import annotations

import fcntl
import gc
import multiprocessing
import os
import resource
import signal
from multiprocessing.connection import wait
from pathlib import Path

import psutil

from upbench.processes import container

MEMORY_SHARE = 0.9
"""Share of the machine's available memory that a worker may take before its allocations fail."""


def arrange() -> None:
    """Prepare this process to do anything at all, however it may end."""
    # A collection would go through everything that the server has imported, and have all of it copied for that.
    gc.freeze()
    # Ctrl-C belongs to the parent, which ends the worker and keeps the journal whole.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_the_parent()
    _be_the_first_to_go()
    _write_nothing_to_stdout()


def _end_with_the_parent() -> None:
    """Let the kernel end this process as soon as the one that asked for it has gone, whatever it is doing then.

    Its parent in the kernel's eyes is the server, which lives as long as any worker. What tells is a pipe that only the
    process that asked holds open: its end is a signal, as which SIGKILL is chosen.
    """
    asked = multiprocessing.parent_process()
    if asked is None or not hasattr(fcntl, "F_SETSIG"):
        return
    pipe = asked.sentinel
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if wait([pipe], 0):
        os._exit(1)


def _be_the_first_to_go() -> None:
    """Keep a hungry case from taking the machine with it: a limit on its data, and first choice for the OOM killer.

    Nor does one that crashes leave an image of its memory in the user's folder.
    """
    own = psutil.Process().memory_info().vms
    wanted = own + int(MEMORY_SHARE * container.available_memory())
    if hasattr(resource, "RLIMIT_DATA"):
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limits = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *limits]), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000")


def _write_nothing_to_stdout() -> None:
    """What a case prints, a thousand times in a thousand calls, is no part of what the command prints."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
