"""Which questions are launched next: those of which least is known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.upbench.synthetic import case
from upbench.sweep.standing import FEWEST_LAUNCHES, Standing, most_open

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


def test_all_questions_get_the_fewest_launches_first() -> None:
    questions = {"a": standing(0.5), "b": standing(0.01), "c": standing(0.01, FEWEST_LAUNCHES - 1)}
    assert most_open(questions) == ["a", "b", "c"]


def test_then_those_go_on_whose_leads_are_known_least_closely() -> None:
    questions = {"a": standing(0.01), "b": standing(0.2), "c": standing(0.02), "d": standing(0.1)}
    assert most_open(questions) == ["b", "d"]


@given(st.lists(st.floats(0.001, 0.5), min_size=1, max_size=6))
def test_half_of_them_at_least_and_the_widest_among_them(spreads: list[float]) -> None:
    questions = {str(number): standing(spread) for number, spread in enumerate(spreads)}
    chosen = most_open(questions)
    widths = {label: each.lead_half_width() for label, each in questions.items()}
    assert max(widths, key=widths.__getitem__) in chosen
    assert min(widths[label] for label in chosen) >= max((widths[x] for x in widths.keys() - chosen), default=0.0)


def test_without_questions_there_is_nothing_to_launch() -> None:
    assert most_open({}) == []
