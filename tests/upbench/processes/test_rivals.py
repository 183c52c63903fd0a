"""Rivals side by side: who works when, what a launch says of them, and what becomes of one that ends."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trim_mean

from upbench.processes.rivals import (
    BLOCK_S,
    LEAST_ROUNDS,
    MOST_ROUNDS,
    Blocks,
    RivalEndedError,
    call_s_of,
    side_by_side,
)


class Clockwork:
    """A rival that takes what it is told to, and writes down when it was asked."""

    def __init__(self, name: int, diary: list[int], seconds: Callable[[int], float], lives: int = 10**9) -> None:
        self.name, self.diary, self.seconds, self.lives = name, diary, seconds, lives
        self.calls: list[int] = []

    def block(self, calls: int) -> float:
        if len(self.calls) >= self.lives:
            raise RivalEndedError("gone")
        self.diary.append(self.name)
        self.calls.append(calls)
        return self.seconds(len(self.diary))


def raced(seconds: list[float], launch_s: float = 0.1, **lives: int) -> tuple[Blocks, list[Clockwork], list[int]]:
    diary: list[int] = []
    rivals = [
        Clockwork(place, diary, lambda _, own=own: own, lives.get(f"r{place}", 10**9))
        for place, own in enumerate(seconds)
    ]
    return side_by_side(rivals, seconds, launch_s, random.Random(0)), rivals, diary


call_times = st.lists(st.floats(1e-6, 0.2), min_size=1, max_size=6)


@given(call_times, st.floats(0.0, 2.0))
def test_each_rival_has_its_share_of_the_time_and_never_too_few_rounds(seconds: list[float], launch_s: float) -> None:
    blocks, rivals, diary = raced(seconds, launch_s)
    slowest_s = max(LEAST_ROUNDS * (count + 1) * each for count, each in zip(blocks.calls, seconds, strict=True))
    share_s = max(launch_s / len(seconds), slowest_s / 10)
    assert len(diary) == sum(len(rival.calls) for rival in rivals)
    for place, (rival, call_s) in enumerate(zip(rivals, seconds, strict=True)):
        rounds, (calls,) = len(rival.calls), set(rival.calls)
        assert LEAST_ROUNDS <= rounds <= MOST_ROUNDS
        assert calls == blocks.calls[place] == max(1, round(BLOCK_S / call_s))
        assert rounds == LEAST_ROUNDS or rounds * (calls + 1) * call_s <= share_s * 1.001
        assert blocks.of(place) == [call_s] * rounds


def test_a_round_goes_over_all_in_an_order_that_changes() -> None:
    _, _, diary = raced([1e-3] * 4)
    rounds = [tuple(diary[start : start + 4]) for start in range(0, len(diary), 4)]
    assert all(sorted(each) == [0, 1, 2, 3] for each in rounds)
    assert len(set(rounds)) > 1


def test_one_with_long_calls_takes_part_in_fewer_rounds_evenly_spread() -> None:
    blocks, _, _ = raced([1e-4, 0.05], launch_s=0.1)
    taken = np.flatnonzero(~np.isnan(blocks.seconds[:, 1]))
    assert len(taken) == LEAST_ROUNDS < len(blocks.seconds)
    assert np.ptp(np.diff(taken)) <= 1


@given(st.lists(st.tuples(*[st.floats(1e-6, 1.0)] * 2), min_size=4, max_size=30))
def test_of_two_rivals_the_levels_differ_by_the_trimmed_mean_of_their_log_ratios(
    rounds: list[tuple[float, float]],
) -> None:
    seconds = np.array(rounds)
    first, second = Blocks(seconds, (1, 1), {}).levels
    assert second - first == pytest.approx(trim_mean(np.diff(np.log(seconds), axis=1)[:, 0], 0.25), abs=1e-9)


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=7), st.randoms(use_true_random=False))
def test_what_slows_a_round_as_a_whole_changes_nothing(levels: list[float], rng: random.Random) -> None:
    load = np.array([[rng.uniform(-3, 3)] for _ in range(8)])
    seconds = np.exp(np.array([levels] * 8) + load)
    found = np.array(Blocks(seconds, (1,) * len(levels), {}).levels)
    np.testing.assert_allclose(found - found[0], np.array(levels) - levels[0], atol=1e-9)


def test_a_quarter_of_disturbed_blocks_at_either_end_changes_nothing() -> None:
    seconds = np.tile([1e-3, 2e-3, 3e-3], (12, 1))
    seconds[[1, 5, 9], 2] *= 40
    seconds[[0, 4, 8], 1] *= 0.1
    first, second, third = Blocks(seconds, (1, 1, 1), {}).levels
    assert (second - first, third - first) == pytest.approx((math.log(2), math.log(3)))


def test_those_of_fewer_rounds_are_held_against_those_of_all() -> None:
    seconds = np.tile([1e-3, 2e-3, 8e-3], (12, 1)) * np.geomspace(1, 100, 12)[:, None]
    seconds[[1, 2, 4, 5, 7, 8], 2] = np.nan
    first, second, third = Blocks(seconds, (1, 1, 1), {}).levels
    assert (second - first, third - first) == pytest.approx((math.log(2), math.log(8)))


@pytest.mark.parametrize("lives", [0, 1, 3])
def test_one_that_ends_costs_nobody_else_anything(lives: int) -> None:
    blocks, rivals, _ = raced([1e-3, 2e-3, 4e-3], r1=lives)
    assert list(blocks.ended) == [1]
    assert math.isnan(blocks.levels[1])
    assert blocks.of(1) == []
    assert blocks.levels[2] - blocks.levels[0] == pytest.approx(math.log(4))
    assert len(rivals[0].calls) > lives


def test_nobody_races_alone_against_those_that_have_ended() -> None:
    blocks, rivals, _ = raced([1e-3, 2e-3], r0=2)
    assert list(blocks.ended) == [0]
    assert len(rivals[1].calls) <= 3


@pytest.mark.parametrize(("blocks", "call_s"), [([3e-3, 1e-3], 1e-3), ([1e-3, 3e-3], 1e-3), ([0.2], 0.2)])
def test_a_disturbance_does_not_make_a_short_call_seem_long_and_a_long_one_is_made_once(
    blocks: list[float], call_s: float
) -> None:
    rival = Clockwork(0, [], lambda number: blocks[number - 1])
    assert call_s_of(rival) == call_s
    assert rival.calls == [1] * len(blocks)
