"""Commands run as a user runs them, in a place of their own, and what they have left there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from upbench.records.record import read_run
from upbench.sweep.journal import Journal

ROOT = Path(__file__).parents[3]
OWN = "tests.upbench.faults.misbehaving_upsamplers:"
ONE_CELL = ("--upsampler", "subpixel,nearest_conv", "--scale", "2", "--channels", "4", "--size", "8x9")
SOON = ("--time-limit", "1")
LONGEST_S = 120.0
SHARED_MEMORY = Path("/dev/shm")

OF_ONNX_RUNTIME = ".ses"
"""It keeps such a file among the temporary ones, from process to process."""


def modules(*names: str) -> tuple[str, ...]:
    """Options for misbehaving upsamplers."""
    return tuple(part for name in names for part in ("--module", OWN + name))


def until(reached: Callable[[], Any], longest_s: float = LONGEST_S) -> None:
    end = time.monotonic() + longest_s
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


@dataclass(frozen=True)
class Place:
    """A folder for outputs, and one for temporary files, by whose path the processes of a command are known."""

    outputs: Path
    # The name of a socket in pytest's own folder would be too long for the kernel.
    temporary: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="f-")))

    @property
    def output(self) -> Path:
        return self.outputs / "out.json"

    @property
    def journal(self) -> Path:
        return Journal.path_for(self.output)

    def start(
        self, *arguments: str | Path, program: Sequence[str] = ("upbench",), **options: Any
    ) -> subprocess.Popen[str]:
        """Start ``upbench ARGUMENTS``, or another module with them."""
        command = [sys.executable, "-m", *program, *map(str, arguments)]
        environment = os.environ | {"TMPDIR": str(self.temporary), "COLUMNS": "300", "PYTHONDONTWRITEBYTECODE": "1"}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, **options)

    def run(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """The same to its end; no traceback is ever printed."""
        process = self.start(*arguments, **options)
        stdout, stderr = process.communicate(timeout=600)
        assert "Traceback" not in stdout + stderr, stdout + stderr
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def sweep(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """A sweep of one cell, to its end."""
        return self.run("run", *ONE_CELL, *SOON, "--output", self.output, *arguments, **options)

    def start_sweep(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        return self.start("run", *ONE_CELL, *SOON, "--output", self.output, *arguments, **options)

    def processes(self) -> list[psutil.Process]:
        """Those that a command has started, and it itself."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                own = process.environ().get("TMPDIR", "").startswith(str(self.temporary))
                if own and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def left_behind(self) -> list[str]:
        """What a command should not have left: processes, temporary files, shared memory that is named after the place.

        Other shared memory is not looked at: it may be anybody's on the machine, in containers that nobody here sees.
        """
        return [
            *(f"{process.pid} {process.name()}" for process in self.processes()),
            *(str(path) for path in self.temporary.iterdir() if path.name != OF_ONNX_RUNTIME),
            *(name for name in os.listdir(SHARED_MEMORY) if name.startswith(self.temporary.name)),
        ]

    def lines(self) -> list[str]:
        """The whole lines of the journal."""
        text = self.journal.read_text() if self.journal.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    def wait_for_lines(self, count: int) -> None:
        until(lambda: len(self.lines()) >= count)


@contextmanager
def place_in(folder: Path) -> Iterator[Place]:
    place = Place(folder)
    try:
        yield place
    finally:
        for process in place.processes():
            with suppress(psutil.Error):
                process.kill()
        shutil.rmtree(place.temporary, ignore_errors=True)


def check_kept(output: Path, lines: Sequence[str]) -> None:
    """See whether a run has everything that its journal had, and nothing twice."""
    records = {record.case.id: record for record in read_run(output).records}
    for entry in map(json.loads, lines[1:]):
        for name, found in entry.get("rivals", {}).items():
            if found["outcome"] == "ok" and records[name].outcome in ("ok", "unstable"):
                assert entry["launch"] in records[name].quantities["launch_ids"]
        if entry.get("outcome", "ok") != "ok":
            record = records[entry["case"]]
            assert (record.outcome, record.outcome_reason) == (entry["outcome"], entry["reason"])
    for record in records.values():
        ids = record.quantities["launch_ids"] or []
        assert len(ids) == len(set(ids))


def kill(process: subprocess.Popen[str]) -> None:
    """End a process as the kernel would, without waiting for those that it has started and that hold its pipes open."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
