"""The fault table: what can go wrong, how a test really makes it happen, what is kept, and what the user reads.

Tests say which row they show; ``docs/faults.md`` is made of the rows. In a sentence, … stands for what differs from run
to run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Part = Literal["a case", "the sweep", "the gate", "the training comparison", "rewriting a file"]
Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes:
        part: of what it befalls.
        title: what happens.
        cause: how the test causes it.
        kept: what is so afterwards.
        sentence: what the user reads.
    """

    part: Part
    title: str
    cause: str
    kept: str
    sentence: str

    def is_read_in(self, text: str) -> bool:
        """Whether one line of a text is this sentence."""
        pattern = ".*".join(map(re.escape, self.sentence.split("…")))
        return re.search(pattern, text) is not None


NOTHING = "Nothing."
OTHERS = "Every other case has its figures; this one has its place and its reason."
GO_ON = "To go on: upbench run … --resume"
SWEPT = "Every line that was written counts, none twice; the next start removes what lay about."

FAULTS = {
    # One row for each class of misbehaving_upsamplers.py, by its name.
    "Segfaulting": Fault(
        "a case",
        "crashes with a segmentation fault",
        "reads address 0 in its forward pass",
        OTHERS,
        "crashed: …:Segfaulting-…: the worker was killed by SIGSEGV",
    ),
    "Exiting": Fault(
        "a case",
        "ends its process",
        "calls os._exit(7)",
        OTHERS,
        "crashed: …:Exiting-…: the worker exited with code 7 before it answered",
    ),
    "Raising": Fault(
        "a case",
        "raises an error",
        "raises RuntimeError with two lines",
        OTHERS,
        "crashed: …:Raising-…: RuntimeError: this is the first line",
    ),
    "RaisingEarly": Fault(
        "a case",
        "raises an error as it is built",
        "raises ValueError in the constructor of a class that states its cost, which the command itself asks",
        OTHERS,
        "crashed: …:RaisingEarly-…: ValueError: this cannot be built",
    ),
    "RaisingAtLength": Fault(
        "a case",
        "raises an error that no terminal and no file should get",
        "raises ValueError with a command for the terminal, half a character, and a megabyte of text",
        OTHERS,
        "crashed: …:RaisingAtLength-…: ValueError: [U+001B][2J[U+D800]long long …",
    ),
    "Killed": Fault(
        "a case",
        "is killed as the kernel does for memory",
        "sends itself SIGKILL",
        OTHERS,
        "out_of_memory: …:Killed-…: the worker was killed by SIGKILL, as the kernel does for memory",
    ),
    "Growing": Fault(
        "a case",
        "leaks until it has no more",
        "keeps 256 MB of each call, in a sweep with RLIMIT_DATA of 2 GB",
        OTHERS,
        "out_of_memory: …:Growing-…: …can't allocate memory…",
    ),
    "Hanging": Fault(
        "a case",
        "hangs, holding Python's lock",
        "waits in C for ten minutes",
        OTHERS + " It is ended after --timeout.",
        "timeout: …:Hanging-…: no answer within 10 s",
    ),
    "NotANumber": Fault(
        "a case",
        "returns NaN",
        "returns the logarithm of negative numbers",
        OTHERS,
        "refused: …:NotANumber-…: NotANumber returned values that are not finite, … of them, for a finite input",
    ),
    "OtherDtype": Fault(
        "a case",
        "changes torch's default dtype",
        "calls torch.set_default_dtype(torch.float64)",
        OTHERS,
        "refused: …:OtherDtype-…: it changed torch's default dtype of the whole process from torch.float32 to "
        "torch.float64, so that its figures would be of other settings than are recorded",
    ),
    "OtherThreads": Fault(
        "a case",
        "changes torch's threads",
        "calls torch.set_num_threads(2) in a case of one thread",
        OTHERS,
        "refused: …:OtherThreads-…: it changed torch's number of threads of the whole process from 1 to 2, so that its "
        "figures would be of other settings than are recorded",
    ),
    "Deterministic": Fault(
        "a case",
        "changes torch's deterministic mode",
        "calls torch.use_deterministic_algorithms(True)",
        OTHERS,
        "refused: …:Deterministic-…: it changed torch's deterministic mode of the whole process from False to True, so "
        "that its figures would be of other settings than are recorded",
    ),
    "Printing": Fault(
        "a case",
        "writes to stdout, and to file descriptor 1",
        "print() and os.write(1, …) in every call",
        "It is measured as any other; what it writes goes nowhere, and stdout has the command's own lines alone.",
        NOTHING,
    ),
    "Forking": Fault(
        "a case",
        "forks a child that stays",
        "forks in every forward pass; the child leaves the session and sleeps for ten minutes, holding all files open",
        "It is measured as any other; its children are ended with it.",
        NOTHING,
    ),
    "ForkingAndKilled": Fault(
        "a case",
        "forks a child that stays, and is killed itself",
        "the same, and then sends itself SIGKILL: the child holds the line to the sweep open",
        OTHERS + " Its children are ended.",
        "out_of_memory: …:ForkingAndKilled-…: the worker was killed by SIGKILL, as the kernel does for memory",
    ),
    "Littering": Fault(
        "a case",
        "leaves files and shared memory behind",
        "makes a temporary file and a shared-memory segment, and sends itself SIGKILL",
        OTHERS + " The file goes with the sweep's own folder, the segment with its last process.",
        "out_of_memory: …:Littering-…: the worker was killed by SIGKILL, as the kernel does for memory",
    ),
    "kernel": Fault(
        "a case",
        "is killed by the kernel for memory",
        "fills shared memory, which no RLIMIT counts, in a control group of 2 GB",
        OTHERS,
        "out_of_memory: …:Filling-…: the worker was killed by SIGKILL, as the kernel does for memory",
    ),
    "killed at a write": Fault(
        "the sweep",
        "is killed at any write of its journal or its output",
        "a hook sends SIGKILL before, in the middle of and after each write, fsync, truncation, rename and removal, "
        "one after the other, until a run gets through",
        SWEPT,
        NOTHING,
    ),
    "killed": Fault(
        "the sweep",
        "is killed at a random moment",
        "SIGKILL to the process alone, again and again after 2 to 25 s; and at the n-th write of a real sweep",
        SWEPT,
        NOTHING,
    ),
    "killed while a case hangs": Fault(
        "the sweep",
        "is killed while a case hangs",
        "SIGKILL to the process alone; the case holds Python's lock and could not notice",
        "The kernel ends the case in the same moment.",
        NOTHING,
    ),
    "killed with its fleet": Fault(
        "the sweep",
        "on a fleet of this machine is killed",
        "SIGKILL to the process of --fleet local alone, while its first question is measured",
        "Ray's processes and those that measure end with it. " + SWEPT,
        NOTHING,
    ),
    "disk full": Fault(
        "the sweep",
        "finds the disk full",
        "a tmpfs of 64 kB holds the output",
        "Every line that was written counts, and resuming where there is room goes on from there.",
        "upbench: ….journal cannot be written: No space left on device. What it holds already is kept: --resume goes "
        "on from there.",
    ),
    "output too large": Fault(
        "the sweep",
        "cannot write its output in the end",
        "RLIMIT_FSIZE below the size of the output",
        "The journal is whole, and nothing half-written lies beside it.",
        "… cannot be written: File too large.",
    ),
    "two at once": Fault(
        "the sweep",
        "is started twice with the same output",
        "a second process, with --resume and without, while the first one measures",
        "The first one is not disturbed.",
        "upbench: ….journal is being written by another process; wait for it or end it.",
    ),
    "clock": Fault(
        "the sweep",
        "has its clock set meanwhile",
        "time.time() jumps by a day, back and forth, at each call; the clock that times are taken by cannot be set",
        "Everything is measured as ever.",
        NOTHING,
    ),
    "suspended": Fault(
        "the sweep",
        "is stopped with all its processes for longer than --timeout",
        "SIGSTOP to all of them, and SIGCONT after 15 s, with --timeout 10",
        "No case is taken for one that hangs: the time in which the sweep stood still is not counted.",
        NOTHING,
    ),
    "gate killed": Fault(
        "the gate",
        "is killed at a random moment",
        "SIGKILL to the process alone, ten times after 0.2 to 12 s",
        "Its processes end with it, and a process that watches it removes its folder and git's worktree.",
        NOTHING,
    ),
    "gate's benchmarks": Fault(
        "the gate",
        "meets a benchmark that forks and is killed",
        "its child stays and holds the line open; it sends itself SIGKILL on the candidate's side",
        "The other benchmarks are decided; the child is ended, and the tree is as it was.",
        "… pytest on the candidate side was killed by signal 9…",
    ),
    "gate's disk full": Fault(
        "the gate",
        "cannot write its report",
        "RLIMIT_FSIZE below the size of the report",
        "An older report stays as it was.",
        "upbench: … cannot be written: File too large.",
    ),
    "training killed": Fault(
        "the training comparison",
        "is killed at a random moment and resumed",
        "SIGKILL to the process alone, six times after 2 to 12 s",
        "The trainings end with it. What was trained counts, and the figures are those of a run that nobody disturbed, "
        "digit by digit.",
        NOTHING,
    ),
    "training killed for memory": Fault(
        "the training comparison",
        "has a training killed for memory",
        "SIGKILL to the process that trains",
        "The others go on; it has its place and its reason.",
        "out_of_memory: …: the worker was killed by SIGKILL, as the kernel does for memory",
    ),
    "rewriting killed at a write": Fault(
        "rewriting a file",
        "is killed at any step of writing its output",
        "a hook sends SIGKILL before and after each rename and fsync, with weights in a file of their own",
        "The old model with its weights is there, or the new one with its own; the next start removes the rest.",
        NOTHING,
    ),
    "rewriting killed": Fault(
        "rewriting a file",
        "is killed at a random moment",
        "SIGKILL, eight times after 1 to 9 s",
        "The output is there whole or not at all, its weights included.",
        NOTHING,
    ),
}

SHOWN: set[str] = set()
"""The rows that a test of some module shows."""


def shows(*names: str) -> Callable[[Test], Test]:
    """Say of a test which rows it shows."""

    def of(test: Test) -> Test:
        SHOWN.update(names)
        return test

    assert set(names) <= FAULTS.keys()
    return of
