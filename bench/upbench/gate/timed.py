"""What a test hands to the ``benchmark`` fixture, timed in blocks whenever the gate asks for one.

Runs in the side's own interpreter, as :mod:`upbench.gate.live` does, and imports the standard library alone.
"""

from __future__ import annotations

import gc
import hashlib
import inspect
import itertools
import math
import time
from pathlib import Path
from typing import Any

CALIBRATION_S = 0.002
"""Calls are repeated until they take this long altogether, to know how long one takes."""

LONGEST_STALL_S = 0.5
"""For which other work may stop a process; calls that take longer altogether are taken at their word."""

TICKS = 50
"""Of its clock, in a block at least: one more or less is then 2 % of a block."""

STANDSTILL_S = 1.0
"""A clock that shows the same for this long does not run."""

MOST_ROUNDS = 1 << 20

NO_WORK = (
    (inspect.iscoroutine, "a coroutine, which nobody awaits"),
    (inspect.isgenerator, "a generator, which nobody iterates over"),
    (inspect.isasyncgen, "an asynchronous generator, which nobody iterates over"),
    (inspect.isawaitable, "an awaitable, which nobody awaits"),
    (lambda result: isinstance(result, map | filter), "a lazy iterator, which nobody iterates over"),
)
"""What a call may return without having done any of its work."""


class UntimeableError(Exception):
    """A benchmark cannot be timed; one sentence says why."""


class Benchmark:
    """What a test handed to ``benchmark(...)`` or ``benchmark.pedantic(...)``, ready to be timed block by block.

    Args:
        timer: returns seconds.
        target, args, kwargs: what is called.
        setup, teardown: called around each round, untimed, as in ``pedantic``.
        iterations: calls in one round; blocks are made of whole rounds.
        disable_gc: whether no garbage is collected while a block is timed.
        most_rounds: that may be made in one process after the warm-up; as many as one likes by default.
        warmup_rounds: made before anything is timed.

    Attributes:
        result: what the last call returned.
        seconds: a round's, of all rounds that were made together.
    """

    def __init__(
        self,
        timer: Any,
        target: Any,
        args: Any = (),
        kwargs: Any = None,
        setup: Any = None,
        teardown: Any = None,
        iterations: int = 1,
        disable_gc: bool = False,
        most_rounds: int | None = None,
        warmup_rounds: int = 0,
    ) -> None:
        self._timer, self._disable_gc = timer, disable_gc
        self._target, self._args, self._kwargs = target, args, kwargs or {}
        self._setup, self._teardown, self._iterations = setup, teardown, iterations
        self.most_rounds, self._warmup_rounds = most_rounds, warmup_rounds
        self.result: Any = None
        self.seconds: list[float] = []
        self._least_block_s: float | None = None

    def calibrate(self) -> float:
        """Call until caches are warm and the clock can tell, and return the seconds of one round.

        0 where rounds are limited, of which none is to be spent on this.

        Raises:
            UntimeableError: the clock does not run, or a call does none of its work.
        """
        least_s = max(CALIBRATION_S, self.least_block_s())
        if self._warmup_rounds:
            self._rounds(self._warmup_rounds)
            self.seconds.clear()
        elif self.most_rounds is None:
            # The first round may compile, import or fill a cache.
            self._rounds(1)
        if self.most_rounds is not None:
            return 0.0
        rounds = 1
        while True:
            round_s = self._rounds(rounds)
            if least_s <= round_s * rounds < LONGEST_STALL_S:
                # If the machine stood still meanwhile, it is not likely to do so twice in a row.
                round_s = min(round_s, self._rounds(rounds))
            if round_s * rounds >= least_s or rounds >= MOST_ROUNDS:
                self.seconds[:] = [round_s]
                return round_s
            rounds *= 2

    def least_block_s(self) -> float:
        """The shortest block of which the clock can tell how long it took.

        Raises:
            UntimeableError: the clock does not run.
        """
        if self._least_block_s is None:
            self._least_block_s = self._measured_least_block_s()
        return self._least_block_s

    def _measured_least_block_s(self) -> float:
        end = time.monotonic() + STANDSTILL_S
        first = self._timer()
        while (tick := self._timer() - first) == 0:
            if time.monotonic() > end:
                if self.most_rounds is None and self._rounds(1) > 0:
                    # It runs while the function works, and at no other time.
                    return 0.0
                raise UntimeableError(f"its clock stands still: it shows {first!r} for {STANDSTILL_S:.0f} s")
        if not tick > 0:
            raise UntimeableError(f"its clock does not run forward: after {first!r} it shows {first + tick!r}")
        return TICKS * float(tick)

    def block(self, rounds: int) -> float:
        """Make one untimed round and then so many timed ones; the mean seconds of those.

        As :mod:`upbench.processes.rivals` has it, which says why. Where rounds are limited, all of them are timed.

        Raises:
            UntimeableError: the clock says that they took no time.
        """
        if self.most_rounds is None:
            self._rounds(1)
            self.seconds.pop()
        seconds = self._rounds(rounds)
        if not 0 < seconds < math.inf:
            raise UntimeableError(f"its clock says that {rounds} rounds took {seconds * rounds!r} s")
        return seconds

    def call_at_least_once(self) -> None:
        """Make a round if none has been made yet, as the test goes on with its result."""
        if not self.seconds:
            self._rounds(1)

    def _rounds(self, rounds: int) -> float:
        if self._disable_gc:
            gc.disable()
        try:
            self.seconds.append(self._mean_round(rounds))
        finally:
            if self._disable_gc:
                gc.enable()
        return self.seconds[-1]

    def _mean_round(self, rounds: int) -> float:
        if self._setup or self._teardown:
            return math.fsum(self._round() for _ in range(rounds)) / rounds
        return self._timed(rounds * self._iterations, self._args, self._kwargs) / rounds

    def _round(self) -> float:
        args, kwargs = self._args, self._kwargs
        if self._setup:
            made = self._setup()
            if made:
                if args or kwargs:
                    raise TypeError("Can't use `args` or `kwargs` if `setup` returns the arguments.")
                args, kwargs = made
        seconds = self._timed(self._iterations, args, kwargs)
        if self._teardown:
            self._teardown(*args, **kwargs)
        return seconds

    def _timed(self, calls: int, args: Any, kwargs: Any) -> float:
        target, timer = self._target, self._timer
        all_but_one = itertools.repeat(None, calls - 1)
        start = timer()
        for _ in all_but_one:
            target(*args, **kwargs)
        self.result = target(*args, **kwargs)
        seconds = timer() - start
        self._check_work()
        return float(seconds)

    def _check_work(self) -> None:
        for is_one, what in NO_WORK:
            if is_one(self.result):
                if inspect.iscoroutine(self.result):
                    # Python would complain later, where nobody knows of what.
                    self.result.close()
                name = getattr(self._target, "__qualname__", None) or repr(self._target)
                raise UntimeableError(
                    f"{name} returns {what}, so that none of its work is done: benchmark a function that does it"
                )

    def peak_bytes(self) -> int:
        """How much the resident set grows at most during one round, as :mod:`upbench.meters.resident_memory` has it.

        0 where the system does not let its high-water mark be set back, as in some sandboxes.
        """
        if self.most_rounds is None:
            self._rounds(1)
        self.result = None
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self._rounds(1)
            return 0
        before = _status_bytes("VmRSS")
        self._rounds(1)
        return max(0, _status_bytes("VmHWM") - before)


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


_SMALL = bytes(1 << 18)
_SOURCE, _COPY = bytes(4 << 20), bytearray(4 << 20)


def _arithmetic() -> None:
    """Arithmetic on what a second-level cache holds."""
    hashlib.sha256(_SMALL).digest()


def _copy() -> None:
    """Copying more than a second-level cache holds."""
    _COPY[:] = _SOURCE


CONTROLS = {"control: arithmetic": _arithmetic, "control: copy": _copy}
"""Benchmarks that no change of any code touches; both sides run the same, so that any difference is the machine's."""
