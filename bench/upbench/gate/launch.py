"""Starts pairs of live processes, one for each side, and measures benchmarks on both of them side by side.

Both processes of a pair run on the same core and are timed as rivals (:mod:`upbench.processes.rivals`). Measured on a
2-core shared machine with 20 upsampler cases of identical code: left to the scheduler, the two sides of a launch differ
by 8.5 % (root mean square over cases and launches); on the same core by 1.8 %.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from upbench.errors import UserError
from upbench.gate import live
from upbench.gate.observed import Closed
from upbench.gate.sources import Loaded
from upbench.gate.trees import Side
from upbench.processes import cores
from upbench.processes.allocator import RETURNING_ENVIRONMENT, STEADY_ENVIRONMENT
from upbench.processes.isolation import QUIET_PROFILER
from upbench.processes.patience import ready
from upbench.processes.rivals import BLOCK_S, LEAST_ROUNDS, MOST_ROUNDS, RivalEndedError, call_s_of, side_by_side

MOST_PADDING = 4096
"""Bytes by which the environment may be larger than it must be: a page, after which the stack is aligned anew."""

LONG_S, LONGEST_S = 0.25, 1.5
"""Calls longer than the first have as many rounds in a launch as the second has room for, at least one."""

LOG_LINES = 3

END_S = 5.0
"""Allowed for fixtures to be torn down when a process is told to end."""


class SideError(UserError):
    """A live process did not do what it was asked to; one sentence says which ``side`` and why."""

    def __init__(self, side: Side, sentence: str) -> None:
        super().__init__(sentence)
        self.side = side.name


@dataclass(frozen=True)
class Measurement:
    """One benchmark in one launch.

    Attributes:
        closed: how it ended on the reference's and on the candidate's side.
        log_ratio: of the candidate's time to the reference's; None if either did not run.
        call_s: median seconds per round of each side.
        peaks: resident bytes, each side's samples.
    """

    closed: tuple[Closed, Closed]
    log_ratio: float | None = None
    call_s: tuple[float, float] | None = None
    peaks: tuple[Sequence[int], Sequence[int]] = ((), ())


class LiveProcess:
    """One live pytest process.

    Args:
        side: whose code it runs.
        mode: ``time``; ``examine`` to look at everything but time; ``peak`` for resident memory alone.
        foreign: the other side's tree.
        on: cores that it may run on.
        threads: that its numerical libraries may use.
        chance: what is drawn anew for every launch and is the same on both sides.
        log: a file for what it prints.
        timeout_s: allowed for one answer.
    """

    def __init__(
        self,
        side: Side,
        mode: str,
        foreign: Path,
        on: Iterable[int],
        threads: int,
        chance: Mapping[str, str],
        log: Path,
        timeout_s: float,
    ) -> None:
        self.side, self._log, self._timeout_s = side, log, timeout_s
        ours, theirs = socket.socketpair()
        with theirs, log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    side.python,
                    live.__file__,
                    *(str(theirs.fileno()), str(side.tree), str(foreign), mode),
                    f"--rootdir={side.tree}",
                    *side.arguments,
                ],
                cwd=side.folder,
                env=_environment(side, mode, threads, log.parent) | dict(chance),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._connection = Connection(ours.detach())
        # A child that a benchmark has started may hold the line open when the process has died itself.
        self._end = [os.pidfd_open(self._process.pid)] if hasattr(os, "pidfd_open") else []
        self.pin(on)

    def pin(self, on: Iterable[int]) -> None:
        """Restrict the process to these cores."""
        cores.pin(self._process.pid, on)

    def send(self, *message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise self._dead() from None

    def receive(self) -> tuple[Any, ...]:
        """The next answer.

        Raises:
            SideError: the process ended, or took too long.
        """
        try:
            if not ready([self._connection, *self._end], self._timeout_s):
                raise SideError(self.side, f"The {self.side.name} side has not answered for {self._timeout_s:.0f} s.")
            if not self._connection.poll():
                raise EOFError
            answer: tuple[Any, ...] = self._connection.recv()
        except (EOFError, OSError):
            raise self._dead() from None
        return answer

    def ask(self, *message: Any) -> tuple[Any, ...]:
        self.send(*message)
        return self.receive()

    def hang_up(self) -> None:
        """Let the process tear its fixtures down and end."""
        self._connection.close()

    def wait(self) -> None:
        """See to it that a process that was hung up on has ended."""
        try:
            self._process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        while self._end:
            os.close(self._end.pop())

    def _dead(self) -> SideError:
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        lines = (line.strip(" =-_!") for line in self._log.read_text(errors="replace").splitlines())
        last = " | ".join([line for line in lines if line][-LOG_LINES:])
        return SideError(self.side, f"pytest on the {self.side.name} side {how}; its last words: {last}")


class _ClosedError(RivalEndedError):
    """A benchmark ended while it was measured; ``answer`` says how."""

    def __init__(self, answer: tuple[Any, ...]) -> None:
        super().__init__("closed")
        self.answer = answer


class _OpenBenchmark:
    """A benchmark that is open in a live process, as a rival; a call is a round of it."""

    def __init__(self, process: LiveProcess) -> None:
        self._process = process

    def block(self, calls: int) -> float:
        answer = self._process.ask("block", calls)
        if answer[0] != "timed":
            raise _ClosedError(answer)
        return float(answer[1])


@dataclass(frozen=True)
class _Opened:
    """A benchmark that a process has opened, in that process's words.

    Attributes:
        round_s: of one round, roughly; 0 where no rounds are to be spent on knowing.
        least_block_s: below which its clock cannot tell.
        most_rounds: that may be made in one process; None for any number.
    """

    round_s: float
    least_block_s: float
    most_rounds: int | None


def start_alone(
    sides: tuple[Side, Side], index: int, on: Iterable[int], threads: int, scratch: Path, timeout_s: float
) -> LiveProcess:
    """A process of one side that looks at everything but time, while the other side has none."""
    side, other = sides[index], sides[1 - index]
    return LiveProcess(side, "examine", other.tree, on, threads, {}, _log(side, scratch), timeout_s)


class Pair:
    """A live process for each side, started together; whoever starts one hangs up on it and waits for it.

    Args:
        sides: reference and candidate.
        mode: as for :class:`LiveProcess`.
        on: cores to start on.
        threads: as for :class:`LiveProcess`.
        scratch: a folder for logs.
        timeout_s: allowed for one answer.
    """

    def __init__(
        self, sides: tuple[Side, Side], mode: str, on: Iterable[int], threads: int, scratch: Path, timeout_s: float
    ) -> None:
        # The order of a set's elements costs time, and so does where the environment's size puts the stack.
        chance = {
            "PYTHONHASHSEED": str(random.randrange(1 << 32)),
            "UPBENCH_PADDING": "x" * random.randrange(MOST_PADDING),
        }
        self.processes = [
            LiveProcess(side, mode, other.tree, on, threads, chance, _log(side, scratch), timeout_s)
            for side, other in zip(sides, reversed(sides), strict=True)
        ]

    def collected(self) -> tuple[tuple[list[str], list[str]], tuple[list[str], list[str]]]:
        """Wait for both; the benchmarks that each has found, and what it could not collect."""
        found = [process.receive() for process in self.processes]
        (_, *first), (_, *second) = found
        return (first[0], first[1]), (second[0], second[1])

    def pin(self, on: Iterable[int]) -> None:
        """Let both run on these cores alone."""
        on = set(on)
        for process in self.processes:
            process.pin(on)

    def time(self, nodeid: str, next_nodeid: str | None, seconds: float, rng: random.Random) -> Measurement:
        """Time one benchmark on both sides for about so many seconds."""
        closed, opened = self._open(nodeid, next_nodeid)
        if opened is None:
            return Measurement(closed)
        rivals = [_OpenBenchmark(process) for process in self.processes]
        call_s = [each.round_s for each in opened]
        for index, rival in enumerate(rivals):
            # They were opened at the same time on the same core, so that each may have seemed to take twice as long.
            if opened[index].least_block_s < call_s[index] < LONG_S:
                try:
                    call_s[index] = min(call_s[index], call_s_of(rival))
                except _ClosedError as error:
                    return Measurement(self._failed(index, error.answer))
        limits = [each.most_rounds for each in opened if each.most_rounds is not None]
        if limits:
            # A round for each block, and nothing is known of how long that is.
            block_s = slower_s = BLOCK_S
        else:
            # Blocks are of the same calls on both sides, as many as the slower one has time for and as the faster
            # one's clock needs.
            slower_s = max(call_s)
            needed = (
                each.least_block_s * slower_s / max(own_s, 1e-9) for each, own_s in zip(opened, call_s, strict=True)
            )
            block_s = max(BLOCK_S, *needed)
        most_rounds = min([_most_rounds(slower_s), *limits])
        most_s = max(seconds, len(rivals) * LONGEST_S) if limits else inf
        blocks = side_by_side(rivals, [slower_s] * len(rivals), seconds, rng, block_s, most_rounds, most_s)
        answers = {index: error.answer for index, error in blocks.ended.items() if isinstance(error, _ClosedError)}
        for index, answer in answers.items():
            return Measurement(self._failed(index, answer, answers.get(1 - index)))
        reference, candidate = blocks.levels
        medians = float(np.median(blocks.of(0))), float(np.median(blocks.of(1)))
        return Measurement(self._close(), candidate - reference, medians)

    def examine(self, nodeid: str, next_nodeid: str | None, samples: int) -> Measurement:
        """Measure one benchmark's resident peak, and take what it states of itself."""
        closed, opened = self._open(nodeid, next_nodeid)
        if opened is None:
            return Measurement(closed)
        peaks: list[list[int]] = [[], []]
        limits = [each.most_rounds for each in opened if each.most_rounds is not None]
        peak_s = 0.0
        for _ in range(min([samples, *limits])):
            begun = time.perf_counter()
            answers = self._ask_both("peak")
            peak_s = time.perf_counter() - begun
            for index, answer in enumerate(answers):
                if answer[0] != "peak":
                    other = answers[1 - index]
                    return Measurement(self._failed(index, answer, None if other[0] == "peak" else other))
                peaks[index].append(answer[1])
        call_s = (peak_s, peak_s) if limits else (opened[0].round_s, opened[1].round_s)
        return Measurement(self._close(), call_s=call_s, peaks=(peaks[0], peaks[1]))

    def loaded(self, of_interest: Sequence[str]) -> list[Loaded]:
        """What each has imported; of files of their trees that are of interest, also what it has instead."""
        return [Loaded(*answer[1:]) for answer in self._ask_both("loaded", of_interest)]

    def hang_up(self) -> None:
        """Let both processes end."""
        for process in self.processes:
            process.hang_up()

    def wait(self) -> None:
        """See to it that both have ended."""
        for process in self.processes:
            process.wait()

    def _open(self, nodeid: str, next_nodeid: str | None) -> tuple[tuple[Closed, Closed], list[_Opened] | None]:
        """Open on both sides; what each is, or None with how it ended if either would not."""
        answers = self._ask_both("open", nodeid, next_nodeid)
        opened = [answer[0] == "opened" for answer in answers]
        if all(opened):
            return (Closed("passed"), Closed("passed")), [_Opened(*answer[1:]) for answer in answers]
        closed = [
            _closed(process.ask("close") if is_open else answer)
            for process, answer, is_open in zip(self.processes, answers, opened, strict=True)
        ]
        return (closed[0], closed[1]), None

    def _ask_both(self, *message: Any) -> list[tuple[Any, ...]]:
        """Both work at the same time, which is fine where nothing is timed."""
        for process in self.processes:
            process.send(*message)
        return [process.receive() for process in self.processes]

    def _close(self) -> tuple[Closed, Closed]:
        reference, candidate = map(_closed, self._ask_both("close"))
        return reference, candidate

    def _failed(
        self, index: int, answer: tuple[Any, ...], other: tuple[Any, ...] | None = None
    ) -> tuple[Closed, Closed]:
        """One side's benchmark ended while it was measured; end the other's, unless it has ended as well."""
        ended = _closed(other or self.processes[1 - index].ask("close"))
        return (_closed(answer), ended) if index == 0 else (ended, _closed(answer))


def launch_s(round_s: float, slice_s: float) -> float:
    """About how long a benchmark with rounds of ``round_s`` seconds takes in a launch that has ``slice_s`` for it."""
    return max(slice_s, 2 * round_s * (1 + 2 * min(LEAST_ROUNDS, _most_rounds(round_s))))


def _most_rounds(round_s: float) -> int:
    return max(1, int(LONGEST_S / round_s)) if round_s > LONG_S else MOST_ROUNDS


def _log(side: Side, scratch: Path) -> Path:
    logs = scratch / "logs"
    logs.mkdir(exist_ok=True)
    return logs / f"{side.name}-{time.monotonic_ns()}"


def _closed(answer: tuple[Any, ...]) -> Closed:
    return Closed(*answer[1:])


def _environment(side: Side, mode: str, threads: int, temporary: Path) -> dict[str, str]:
    """What the side's process finds: its own code, a steady allocator, and as many threads as it has cores."""
    count = str(threads)
    # A gate that is itself run by a test of pytest-xdist is no worker of it.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return {
        **inherited,
        **(STEADY_ENVIRONMENT if mode == "time" else RETURNING_ENVIRONMENT),
        **QUIET_PROFILER,
        "PYTHONPATH": side.search_path,
        "UPBENCH_SIDE": side.name,
        "TMPDIR": str(temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
        **{f"{library}_NUM_THREADS": count for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "RAYON")},
    }


def grouped_at_random(nodeids: Iterable[str], controls: Iterable[str], rng: random.Random) -> list[str]:
    """Benchmarks and controls in random order, those of a file together, which may share costly fixtures."""
    files: dict[str, list[str]] = {}
    for nodeid in nodeids:
        files.setdefault(nodeid.split("::")[0], []).append(nodeid)
    groups = [*files.values(), *([control] for control in controls)]
    rng.shuffle(groups)
    return [nodeid for group in groups for nodeid in rng.sample(group, len(group))]
