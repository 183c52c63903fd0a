"""How long a block is to be is found out of a few calls, in whatever the machine does meanwhile."""

from __future__ import annotations

import pytest

from upbench.gate.timed import Benchmark

CALL_S = 2e-6


class Clock:
    """A clock that only calls and glances move on; the call with this number takes as long as a machine may stall."""

    def __init__(self, stalled: int, stall_s: float) -> None:
        self.now, self.calls = 0.0, 0
        self._stalled, self._stall_s = stalled, stall_s

    def __call__(self) -> float:
        self.now += 1e-9
        return self.now

    def call(self) -> None:
        self.calls += 1
        self.now += self._stall_s if self.calls == self._stalled else CALL_S


@pytest.mark.parametrize("stalled", [2, 3, 7, 50, 400])
def test_a_stall_while_it_is_calibrated_is_not_taken_for_the_call(stalled: int) -> None:
    clock = Clock(stalled, stall_s=0.05)
    assert Benchmark(clock, clock.call).calibrate() == pytest.approx(CALL_S, rel=0.01)


def test_a_call_that_takes_long_is_not_made_more_often_than_it_must() -> None:
    clock = Clock(stalled=2, stall_s=2.0)
    assert Benchmark(clock, clock.call).calibrate() == pytest.approx(2.0)
    assert clock.calls == 2
