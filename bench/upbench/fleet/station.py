"""What runs on each machine of a fleet: a process of its own that measures one question after another.

It is asked in lines of JSON and answers in lines of JSON. When nobody asks any more it ends, in the middle of a
question as well, and takes its workers and temporary files with it. It knows nothing of the fleet.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import torch

import upsample
from upbench.cases.case import Case
from upbench.errors import UserError
from upbench.machine import fingerprint as machine
from upbench.processes.isolation import Isolation
from upbench.sweep.schedule import MemoryLog, Sweep
from upbench.sweep.settings import SweepSettings

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""The same for everything that runs on one kernel, containers included, until it starts anew."""

Answers = Iterator[dict[str, Any]]


class Station:
    """Answers requests; one server of workers serves all questions."""

    def __init__(self) -> None:
        self._isolation: Isolation | None = None

    def facts(self, request: Mapping[str, Any]) -> Answers:
        """What a fleet must know of a machine before it measures there.

        They are its fingerprint, the kernel that it shares with others, its priority, and the code that would measure.
        """
        yield {
            "facts": {
                "source": machine.source_digest(),
                "torch": torch.__version__,
                "own": own_digests(request["own"]),
                "info": machine.machine_info(),
                "kernel": kernel(),
                "niceness": usual_priority(),
            }
        }

    def measure(self, request: Mapping[str, Any]) -> Answers:
        """The entries of one question's sweep as they come, without those that are known already."""
        cases = [Case.from_dict(each) for each in request["cases"]]
        settings = SweepSettings(**request["settings"])
        if self._isolation is None:
            self._isolation = Isolation(settings.allocator)
        sweep = Sweep(cases, settings, self._isolation, MemoryLog(request["entries"]))
        with closing(sweep.steps()) as steps:
            for entry in steps:
                yield {"entry": entry}


def own_digests(names: list[str]) -> dict[str, str]:
    """Digests of the files in which somebody's own upsamplers are written, which may differ between machines."""
    if names:
        # As for python -m: what lies in the current folder can be imported, by the workers too.
        sys.path.insert(0, os.getcwd())
    classes = {name: upsample.class_of(name) for name in names}
    # A class that knows nothing of the library is wrapped in one of its own.
    files = {name: inspect.getfile(getattr(cls, "wrapped", cls)) for name, cls in classes.items()}
    return {name: hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] for name, file in files.items()}


def kernel() -> str:
    """Tells which stations share a machine; empty where the system does not say."""
    with suppress(OSError):
        return hashlib.sha256(BOOT_ID.read_bytes()).hexdigest()[:8]
    return ""


def usual_priority() -> int:
    """Undo the low priority that Ray gives its workers, as far as one may; the niceness that is left."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, min(0, os.getpriority(os.PRIO_PROCESS, 0)))
    return os.getpriority(os.PRIO_PROCESS, 0)


def serve(station: Station) -> None:
    """Answer what stands on standard input until that ends; every answer ends with ``done`` or ``failed``."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    # Ray's daemons hold interrupts off, and what they start inherits that.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    # What a case prints is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    asked: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    handlers: dict[str, Callable[[Mapping[str, Any]], Answers]] = {"facts": station.facts, "measure": station.measure}
    with suppress(KeyboardInterrupt, BrokenPipeError):
        while (request := asked.get()) is not None:
            for answer in _answers(handlers[request["what"]], request):
                answers.write(json.dumps(answer) + "\n")
                answers.flush()


def _answers(handler: Callable[[Mapping[str, Any]], Answers], request: Mapping[str, Any]) -> Answers:
    try:
        yield from handler(request)
    except (UserError, upsample.UpsampleError) as error:
        yield {"failed": str(error)}
    except Exception as error:
        yield {"failed": f"{type(error).__name__}: {error}"}
    else:
        yield {"done": True}


def _listen(asked: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    rest = b""
    # Not by way of sys.stdin, on whose lock an ending interpreter would wait.
    while data := os.read(0, 1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            asked.put(json.loads(line))
    asked.put(None)
    # Whoever asked is gone, and waits for no answer.
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    serve(Station())
