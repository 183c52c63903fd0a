"""What a cluster holds on each machine: it keeps a station there, hands it questions and its answers on.

It becomes an actor of Ray in :mod:`upbench.fleet.cluster`; nothing here needs Ray or torch, or is more than a pipe. The
station is a process of its own so that nothing of Ray's, such as its settings of threads, reaches what is measured.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

STATION = (sys.executable, "-m", "upbench.fleet.station")

STOP_S = 30.0
"""Allowed for a station to clear up."""

OF_RAY = ("RAY_", "OMP_NUM_THREADS")
"""How names of the environment begin that are Ray's and not the machine's."""

ENDS = ("done", "failed", "lost")
"""One of these is in the last answer to a request, and in no other."""


class Rig:
    """Keeps a station; used by one asker at a time, but stopped from anywhere.

    Args:
        command: that starts the station.
        folder: in which it runs; where there is none of that name on this machine, the current one.
    """

    def __init__(self, command: Sequence[str], folder: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OF_RAY)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            env=environment | {"PYTHONSAFEPATH": "1"}, cwd=folder if os.path.isdir(folder) else None,
        )  # fmt: skip
        self._turn = threading.Lock()

    def answers(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What the station answers to one request, the last answer with one of :data:`ENDS`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            with suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
            for line in self._process.stdout:
                answer = json.loads(line)
                yield answer
                if any(end in answer for end in ENDS):
                    break
            else:
                yield {"lost": f"its station ended with code {self._process.wait()}"}

    def stop(self) -> bool:
        """End the station and let it clear up; True when it is gone."""
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # What a dead station was asked and never read.
            with suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()
        return True
