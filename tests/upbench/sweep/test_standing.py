"""Which questions are launched next: those of which least is known."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.upbench.synthetic import case
from upbench.sweep.standing import FEWEST_LAUNCHES, Standing, next_pass

FAST, SLOW = case("subpixel"), case("transposed")


def standing(spread: float, launches: int = FEWEST_LAUNCHES) -> Standing:
    """Two rivals, the ratio of which varies so much from launch to launch."""
    made = Standing([FAST, SLOW])
    noise = np.random.default_rng(0).normal(0.0, 1.0, launches)
    for number in range(launches):
        rivals = {
            each.id: {
                "outcome": "ok",
                "reason": None,
                "level": level,
                "rounds_s": [1e-3],
                "iterations": 1,
                "page_faults_per_call": 0.0,
            }
            for each, level in ((FAST, 0.0), (SLOW, 0.5 + spread * noise[number]))
        }
        made.learn({"launch": str(number), "rivals": rivals, "control_s": [1.0], "groups": 1, "seconds": 1.0})
    return made


def test_all_questions_get_the_fewest_launches_first_in_an_order_that_changes() -> None:
    questions = {"a": standing(0.5), "b": standing(0.01), "c": standing(0.01, FEWEST_LAUNCHES - 1)}
    passes = {tuple(next_pass(questions, random.Random(seed))) for seed in range(20)}
    assert len(passes) > 1
    assert all(sorted(each) == ["a", "b", "c"] for each in passes)


def test_then_those_go_on_whose_leads_are_known_least_closely() -> None:
    questions = {"a": standing(0.01), "b": standing(0.1), "c": standing(0.02), "d": standing(0.2)}
    assert next_pass(questions, random.Random(0)) == ["d", "b"]


@given(st.lists(st.floats(0.001, 0.5), min_size=1, max_size=6))
def test_half_of_them_at_least_and_none_that_is_known_more_closely_than_another(spreads: list[float]) -> None:
    questions = {str(number): standing(spread) for number, spread in enumerate(spreads)}
    chosen = next_pass(questions, random.Random(0))
    widths = [questions[label].lead_half_width() for label in chosen]
    assert 2 * len(chosen) >= len(questions)
    assert widths == sorted(widths, reverse=True)
    assert min(widths) >= max((questions[x].lead_half_width() for x in questions.keys() - set(chosen)), default=0.0)


def test_without_questions_there_is_nothing_to_launch() -> None:
    assert next_pass({}, random.Random(0)) == []
