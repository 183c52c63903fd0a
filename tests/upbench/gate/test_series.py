"""From log-ratios that are known to clear, slower or open, and how often that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.upbench.gate.evidence import (
    FOLLOWED,
    LOOKS_SLOWER,
    NOISY,
    QUIET,
    SCREENED,
    SLOWER,
    evidence,
    series,
)
from upbench.gate.observed import family_size, open_cases
from upbench.gate.series import CONFIRMING, ROUND, SCREENING, Rule, Series
from upbench.records.statistics import signed_rank_p


@given(st.lists(st.floats(-1, 1), max_size=SCREENING - 1))
def test_fewer_launches_than_a_screening_leave_everything_open(values: list[float]) -> None:
    assert series(values).standing(Rule(), 1) == "open"


def test_a_quiet_series_is_clear_after_the_screening() -> None:
    assert series(QUIET).standing(Rule(), 100) == "clear"


@given(st.lists(st.floats(0.05, 3), min_size=SCREENING, max_size=SCREENING + CONFIRMING - 1))
def test_nothing_is_slower_before_it_is_confirmed_by_fresh_launches(values: list[float]) -> None:
    assert series(values).standing(Rule(), 1) != "slower"


def test_a_slowdown_is_slower_once_it_is_confirmed() -> None:
    assert series(SLOWER[:-ROUND]).standing(Rule(), 30) == "open"
    assert series(SLOWER).standing(Rule(), 30) == "slower"


def test_what_the_fresh_launches_do_not_confirm_is_not_slower() -> None:
    values = [*LOOKS_SLOWER, 0.05, 0.061, 0.042, 0.033, 0.001, -0.031]
    assert signed_rank_p(values, Rule().log_tolerance) < 0.05 / 2
    assert series(values).standing(Rule(), 1) != "slower"


def test_fresh_launches_alone_do_not_condemn() -> None:
    fast_before = [-value for value in SLOWER[:SCREENING]]
    assert series([*fast_before, *SLOWER[SCREENING:]]).standing(Rule(), 1) == "open"


def test_one_wild_launch_condemns_nothing() -> None:
    assert series([3.0, *QUIET[1:], *QUIET]).standing(Rule(), 1) == "clear"


def test_one_wild_launch_acquits_nothing() -> None:
    values = list(SLOWER)
    values[SCREENING + 2] = -0.005
    assert series(values).standing(Rule(), 8) == "slower"


def test_a_slowdown_that_is_tolerated_is_clear_however_certain() -> None:
    assert series([0.005 + value for value in QUIET] * 2).standing(Rule(), 1) == "clear"


def test_a_slowdown_between_tolerance_and_target_may_be_called_slower_before_it_is_cleared() -> None:
    steady = [0.02 + value for value in QUIET]
    assert series(steady).standing(Rule(), 1) == "clear"
    assert series([*steady, *steady[::-1]]).standing(Rule(), 1) == "slower"


def test_what_is_neither_found_nor_ruled_out_stays_open() -> None:
    assert series(NOISY).standing(Rule(), 1) == "open"


def test_twelve_launches_can_confirm_a_family_of_102_and_no_more() -> None:
    assert series(SLOWER).standing(Rule(), 102) == "slower"
    assert series(SLOWER).standing(Rule(), 103) == "open"


@pytest.mark.parametrize(("count", "share"), [(12, 2), (15, 6), (18, 12), (21, 20)])
def test_each_further_look_has_less_of_the_level(count: int, share: int) -> None:
    # One launch speaks against it, so that p is too large for some family.
    values = [-0.2, *np.linspace(0.1, 0.12, count - 1)]
    largest = int(0.05 / share / signed_rank_p(values, Rule().log_tolerance))
    assert series(values).standing(Rule(), largest) == "slower"
    assert series(values).standing(Rule(), largest + 1) == "open"


@given(
    st.lists(st.integers(0, 10_000), min_size=SCREENING + CONFIRMING, max_size=18, unique=True), st.integers(0, 50_000)
)
def test_what_is_slower_is_slower_still_if_all_launches_take_longer(values: list[int], more: int) -> None:
    if series([1e-5 * value for value in values]).standing(Rule(), 1) == "slower":
        assert series([1e-5 * (value + more) for value in values]).standing(Rule(), 1) == "slower"


def test_launches_count_in_their_own_order_whenever_they_are_noted() -> None:
    assert Series({7: 0.3, 0: 0.1, 3: 0.2}).values == [0.1, 0.2, 0.3]


def test_the_documented_example_is_decided_as_documented() -> None:
    standings = [series([*SCREENED, *FOLLOWED][:count]).standing(Rule(), 8) for count in (6, 9, 12)]
    assert standings == ["open", "open", "slower"]
    assert series([*SCREENED, *FOLLOWED]).standing(Rule(), 100) == "open"


def test_the_documented_example_has_the_documented_interval() -> None:
    ratio = series([*SCREENED, *FOLLOWED]).ratio
    assert ratio is not None
    assert [round(v, 3) for v in (ratio.low, ratio.estimate, ratio.high)] == [1.038, 1.050, 1.064]


@pytest.mark.parametrize(("wild", "seen"), [(0.240, 0.099), (0.070, 0.041)])
def test_the_documented_example_has_the_documented_power(wild: float, seen: float) -> None:
    values = [wild if value == 0.240 else value for value in (*SCREENED, *FOLLOWED)]
    assert series(values).detectable(Rule(), 8) == pytest.approx(seen, abs=6e-4)


@pytest.mark.parametrize("family", [1, 30, 100])
def test_what_could_have_been_seen_is_called_slower_in_8_of_10_runs(family: int) -> None:
    random = np.random.default_rng(0)
    launches = random.normal(0, 1, size=(300, SCREENING + CONFIRMING))
    launches = 0.015 * (launches - launches.mean()) / launches.std()
    typical = stats.norm.ppf((np.arange(12) + 0.5) / 12)
    seen = series(list(0.015 * typical / typical.std(ddof=1))).detectable(Rule(), family)
    assert seen is not None
    found = [series(list(np.log1p(seen) + row)).standing(Rule(), family) == "slower" for row in launches]
    assert 0.72 <= np.mean(found) <= 0.9


def test_less_is_seen_in_a_larger_family() -> None:
    alone, among_many = (series(NOISY).detectable(Rule(), family) for family in (1, 100))
    assert alone is not None
    assert among_many is not None
    assert alone < among_many


def test_what_the_tolerance_hides_cannot_be_seen() -> None:
    assert series([0.0] * SCREENING).detectable(Rule(tolerance=0.04), 1) == pytest.approx(0.04)


@cache
def _tails(count: int) -> npt.NDArray[np.float64]:
    """Probability that the rank sum is at least 0, 1, 2, …"""
    ways = np.ones(1)
    for rank in range(1, count + 1):
        ways = np.convolve(ways, [1, *[0] * (rank - 1), 1])
    return np.asarray(np.cumsum(ways[::-1])[::-1] / 2.0**count)


def quick_p(values: Sequence[float], centre: float) -> float:
    """The signed-rank test where no two distances are alike; scipy's takes a millisecond, a simulation many of them."""
    differences = np.asarray(values) - centre
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    return float(_tails(len(differences))[ranks[differences > 0].sum()])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upbench.gate.series.signed_rank_p", quick_p)


@pytest.mark.parametrize("count", [1, 6, 12, 25])
def test_the_simulations_use_the_same_test_as_the_gate(count: int) -> None:
    values = list(np.random.default_rng(count).normal(0.01, 0.02, size=count))
    assert quick_p(values, 0.004) == pytest.approx(signed_rank_p(values, 0.004))


def found_slower(shifts: Sequence[float], rule: Rule, random: np.random.Generator, rounds: int = 8) -> list[int]:
    """Which cases one gate calls slower; launches are 1.5 % apart, and one in twenty of them ten times as far."""
    cases = [evidence(str(index), ()) for index in range(len(shifts))]
    for count in (SCREENING, *[ROUND] * rounds):
        for case in open_cases(cases, rule):
            spread = np.where(random.random(count) < 0.05, 0.15, 0.015)
            values = [*case.latency.values, *(shifts[int(case.nodeid)] + random.normal(0.0, spread))]
            case.latency = series(values)
    family = family_size(cases)
    return [int(case.nodeid) for case in cases if case.latency.standing(rule, family) == "slower"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("tolerance", "most"), [(0.01, 0), (0.0, 10)])
def test_identical_code_is_called_slower_in_5_of_100_gates_at_most(tolerance: float, most: int) -> None:
    random = np.random.default_rng(0)
    gates = [found_slower([0.0] * 30, Rule(tolerance=tolerance), random) for _ in range(200)]
    assert sum(bool(found) for found in gates) <= most


@pytest.mark.usefixtures("quick")
def test_a_slowdown_of_a_tenth_is_found_and_nothing_else() -> None:
    random = np.random.default_rng(1)
    shifts = [float(np.log(1.1)), *[0.0] * 29]
    gates = [found_slower(shifts, Rule(), random) for _ in range(100)]
    assert gates.count([0]) >= 95
