"""Which rounds of a launch count, decided by the control alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from upbench.meters.latency import LAUNCH_S, LEAST_ROUNDS, QUIET_S, Rounds
from upbench.processes.control import Control
from upbench.processes.disturbance import DISTURBED, quiet_time

QUIET, LOUD = 1e-6, DISTURBED * 1e-6 * 1.01


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the control will take, sample by sample; the last value goes on for ever."""
    script: list[float] = []

    def sample(self: Control) -> float:
        return script.pop(0) if len(script) > 1 else script[0]

    monkeypatch.setattr(Control, "sample", sample)
    return script


def disturbances(control: list[float], samples: Iterator[float]) -> Rounds:
    # One sample is thrown away as warm-up.
    control[:] = [QUIET, *samples]
    return Rounds(quiet_control_s=QUIET)


def test_rounds_between_two_quiet_controls_count_and_others_do_not(control: list[float]) -> None:
    rounds = disturbances(control, iter([QUIET, QUIET, LOUD, LOUD, QUIET, QUIET]))
    for number in range(5):
        rounds.add([float(number)] * LEAST_ROUNDS, iterations=1)
    assert rounds.counting == [0.0] * LEAST_ROUNDS + [4.0] * LEAST_ROUNDS
    assert rounds.quiet
    assert rounds.disturbed_share == pytest.approx((1 + 2 + 3) / (0 + 1 + 2 + 3 + 4))


def test_a_rounds_own_time_never_decides(control: list[float]) -> None:
    rounds = disturbances(control, iter([QUIET]))
    rounds.add([1.0, 100.0, 1.0], iterations=1)
    assert rounds.counting == [1.0, 100.0, 1.0]


def test_a_launch_ends_once_enough_was_quiet(control: list[float]) -> None:
    rounds = disturbances(control, iter([QUIET]))
    assert not rounds.enough()
    rounds.add([QUIET_S / LEAST_ROUNDS] * (LEAST_ROUNDS - 1), iterations=1)
    assert not rounds.enough()
    rounds.add([QUIET_S / LEAST_ROUNDS], iterations=1)
    assert rounds.enough()


def test_a_launch_that_is_never_quiet_gives_up_and_keeps_everything(control: list[float]) -> None:
    rounds = disturbances(control, iter([LOUD]))
    while not rounds.enough():
        rounds.add([LAUNCH_S / 4], iterations=1)
    assert not rounds.quiet
    assert len(rounds.counting) == 4
    assert rounds.disturbed_share == 1.0


def test_without_a_control_every_round_counts() -> None:
    rounds = Rounds(quiet_control_s=None)
    rounds.add([0.5, 0.5, 0.5], iterations=1)
    assert rounds.enough()
    assert rounds.quiet
    assert rounds.controls == []


def test_the_quiet_time_is_a_low_quantile() -> None:
    assert quiet_time([1.0] * 10 + [1.5] * 90) == pytest.approx(1.0)
