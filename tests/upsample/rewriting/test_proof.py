"""How long two ways to compute the same are compared, on a clock that only their calls advance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, cycle, repeat

import pytest

from upsample.rewriting import proof


class Clock:
    """Stands in for the time module."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s

    def taking(self, seconds: Iterator[float]) -> Callable[[], None]:
        """A call that takes the next of these times."""

        def call() -> None:
            self.now_s += next(seconds)

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(proof, "time", found)
    return found


def counted(called: dict[str, int], name: str, call: Callable[[], None]) -> Callable[[], None]:
    """A call that is counted under its name."""

    def and_counted() -> None:
        called[name] += 1
        call()

    return and_counted


DISTURBED = (1.0, 1.0, 1.0, 1.0, 1.3, 1.0, 1.0, 1.0, 1.0, 1.0)
"""One call in ten takes 30 % longer, which leaves the interval of the first rounds open."""


@pytest.mark.parametrize(
    ("call_s", "rounds"),
    [(2.0, 12), (0.5, 20), (0.05, 24)],
)
def test_an_open_answer_gets_more_rounds_as_long_as_they_do_not_take_minutes(
    clock: Clock, call_s: float, rounds: int
) -> None:
    before = clock.taking(cycle([call_s]))
    after = clock.taking(cycle([call_s / 1.1 * each for each in DISTURBED]))
    times = proof.compared({"before": before, "after": after}, 0.5, 1.02)
    assert len(times["before"]) == len(times["after"]) == rounds
    ended_s = clock.now_s
    median_gain, lower, _ = proof.gain(times["before"], times["after"])
    assert median_gain == pytest.approx(1.1)
    assert lower == pytest.approx(1.1)
    assert ended_s < 60


def test_a_clear_answer_gets_none(clock: Clock) -> None:
    calls = {"before": clock.taking(cycle([2.0])), "after": clock.taking(cycle([1.5]))}
    assert len(proof.compared(calls, 0.5, 1.02)["before"]) == proof.LEAST_ROUNDS


def test_what_is_out_of_sight_in_its_first_call_is_not_called_again(clock: Clock) -> None:
    called = {"near": 0, "far": 0, "slow at first": 0}

    slow_at_first = clock.taking(chain([0.12], repeat(0.03)))
    times = {"near": clock.taking(repeat(0.04)), "far": clock.taking(repeat(0.2)), "slow at first": slow_at_first}
    name, seconds = proof.fastest({name: counted(called, name, call) for name, call in times.items()}, 0.1)
    assert (name, seconds) == ("slow at first", pytest.approx(0.03))
    assert called["far"] == 1


def test_rounds_that_told_who_is_far_behind_count_for_those_that_are_left(clock: Clock) -> None:
    called = {"one": 0, "other": 0}

    proof.fastest({name: counted(called, name, clock.taking(repeat(1.0))) for name in called}, 0.1)
    assert called == dict.fromkeys(called, 1 + proof.ENOUGH_ROUNDS)


def test_what_has_just_been_called_needs_no_warming_up(clock: Clock) -> None:
    called = {"before": 0, "after": 0}

    proof.compared(
        {name: counted(called, name, clock.taking(repeat(1.0))) for name in called}, 0.1, 1.5, warm={"after"}
    )
    assert called == {"before": 1 + proof.LEAST_ROUNDS, "after": proof.LEAST_ROUNDS}
