"""The time that a sweep still needs, guessed before it and while it goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.upbench.synthetic import case
from upbench.cases.case import Case
from upbench.runtimes.workload import create_module
from upbench.sweep import forecast
from upbench.sweep.forecast import EXAMINATION_S, RENEWAL_S, estimated_call_s, estimated_minutes, left_s
from upbench.sweep.settings import SweepSettings
from upbench.sweep.standing import Standing
from upsample import AnyUpsampler

SETTINGS = SweepSettings()
SMALL, LARGE = case("subpixel"), case("subpixel", 4, 64)
CALL_S = {each.id: estimated_call_s(each) for each in (SMALL, LARGE)}


def after(launches: int, the_case: object = SMALL, seconds: float = 2.0) -> Standing:
    standing = Standing([the_case])  # type: ignore[list-item]
    for number in range(launches):
        fields = {"outcome": "ok", "reason": None, "level": 1.0, "rounds_s": [1e-3], "iterations": 1}
        rivals = {the_case.id: fields | {"page_faults_per_call": 0.0}}  # type: ignore[attr-defined]
        entry = {"launch": str(number), "rivals": rivals, "control_s": [1.0], "groups": 1, "seconds": seconds}
        standing.learn(entry)
    return standing


def test_launches_to_come_take_as_long_as_the_last() -> None:
    assert left_s([after(2)], 0, SETTINGS, 10.0, CALL_S) == pytest.approx(4 * 2.0 + RENEWAL_S)
    assert left_s([after(2)], 3, SETTINGS, 10.0, CALL_S) == pytest.approx(4 * 2.0 + RENEWAL_S + 3 * EXAMINATION_S)


def test_a_settled_question_needs_nothing_and_one_that_failed_neither() -> None:
    failed = Standing([SMALL], failures={SMALL.id: ("crashed", "because")})
    assert left_s([after(6), failed], 0, SETTINGS, 10.0, CALL_S) == 0.0


def test_what_was_not_launched_yet_is_guessed_from_what_was() -> None:
    slow, fast = (left_s([after(6, seconds=s), Standing([LARGE])], 0, SETTINGS, 1.0, CALL_S) for s in (8.0, 2.0))
    assert slow > 1.5 * fast


def test_one_launch_that_met_a_neighbour_does_not_decide_how_long_all_others_take() -> None:
    waiting = [Standing([SMALL]) for _ in range(5)]
    usual_s = left_s([after(0), *waiting], 0, SETTINGS, 1.0, CALL_S)
    guess_s = usual_s / SETTINGS.least_launches / 6
    after_one_s = left_s([after(1, seconds=3 * guess_s), *waiting], 0, SETTINGS, 1.0, CALL_S)
    assert usual_s < after_one_s < 2.4 * usual_s


def test_a_time_limit_bounds_what_is_left_but_for_the_fewest_launches() -> None:
    limited = SweepSettings(time_limit_s=30.0)
    assert left_s([after(4)], 0, limited, 27.0, CALL_S) == pytest.approx(3.0)
    assert left_s([after(1)], 0, limited, 29.0, CALL_S) == pytest.approx(3 * 2.0)


def test_a_larger_grid_takes_longer_and_what_is_unsupported_takes_nothing() -> None:
    assert estimated_call_s(case("nearest_conv_staged", 3)) == 0.0
    assert 0 < estimated_minutes([SMALL], SETTINGS) < estimated_minutes([SMALL, LARGE], SETTINGS)


def test_a_grid_of_many_sizes_builds_each_upsampler_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Case] = []

    def counted(case: Case) -> AnyUpsampler:
        built.append(case)
        return create_module(case)

    monkeypatch.setattr(forecast, "create_module", counted)
    # Of channels that no other test has.
    own = case("subpixel", channels=7)
    sizes = [replace(own, cell=replace(own.cell, height=40, width=width, batch=2)) for width in range(50, 90)]
    guesses = [estimated_call_s(each) for each in sizes]
    assert len(built) == 1
    # As many bytes and operations a pixel, beside the parameters.
    assert guesses[-1] / guesses[0] == pytest.approx(89 / 50, rel=0.05)
