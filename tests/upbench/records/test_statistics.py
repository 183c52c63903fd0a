"""Intervals and tests against scipy's own words, closed forms and simulated coverage."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from upbench.records.statistics import (
    Comparison,
    Interval,
    compare_latencies,
    compare_levels,
    geometric_mean,
    launch_interval,
    signed_rank_interval,
    signed_rank_p,
    signed_rank_reach,
)

latencies = st.lists(st.floats(1e-6, 10.0), min_size=2, max_size=12)


@given(latencies)
def test_the_interval_holds_its_estimate_and_scales_with_the_unit(medians: list[float]) -> None:
    interval = launch_interval(medians)
    assert interval is not None
    assert 0 < interval.low <= interval.estimate <= interval.high
    in_milliseconds = launch_interval([1e3 * median for median in medians])
    assert in_milliseconds is not None
    assert in_milliseconds.relative_half_width == pytest.approx(interval.relative_half_width, rel=1e-6, abs=1e-9)
    assert interval.estimate == pytest.approx(geometric_mean(medians))


def test_the_interval_is_scipys_t_interval_of_the_logarithms() -> None:
    medians = [1.0, 1.1, 1.05, 0.98, 1.2]
    logs = np.log(medians)
    low, high = stats.t.interval(0.95, len(logs) - 1, loc=logs.mean(), scale=stats.sem(logs))
    interval = launch_interval(medians)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((np.exp(low), np.exp(high)))


def test_the_interval_covers_the_truth_in_95_of_100_runs() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        interval = launch_interval(list(np.exp(random.normal(0.0, 0.05, size=5))))
        assert interval is not None
        covered += interval.low <= 1.0 <= interval.high
    assert 0.935 <= covered / 2000 <= 0.965


@pytest.mark.parametrize("medians", [[], [1.0]])
def test_there_is_no_interval_without_repetition(medians: list[float]) -> None:
    assert launch_interval(medians) is None


levels = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-5, 5), min_size=2)


@given(levels, levels)
def test_levels_are_compared_within_the_launches_that_both_had(a: dict[str, float], b: dict[str, float]) -> None:
    comparison = compare_levels(a, b)
    shared = sorted(a.keys() & b.keys())
    if len(shared) < 2:
        assert comparison is None
        return
    assert comparison is not None
    differences = [a[launch] - b[launch] for launch in shared]
    assert comparison.ratio.estimate == pytest.approx(np.exp(np.mean(differences)))
    if np.std(differences) > 1e-6:
        low, high = stats.t.interval(0.95, len(shared) - 1, np.mean(differences), stats.sem(differences))
        assert (comparison.ratio.low, comparison.ratio.high) == pytest.approx((np.exp(low), np.exp(high)))
        assert comparison.p_value == pytest.approx(stats.ttest_1samp(differences, 0.0).pvalue)


def test_what_slows_a_launch_as_a_whole_is_in_no_ratio() -> None:
    load = {"a": 0.0, "b": 2.0, "c": -1.0, "d": 5.0}
    slow, fast = ({name: each + offset for name, each in load.items()} for offset in (0.5, 0.0))
    comparison = compare_levels(slow, fast)
    assert comparison is not None
    ratio = comparison.ratio
    assert (ratio.low, ratio.estimate, ratio.high) == pytest.approx((np.exp(0.5),) * 3)


def test_two_runs_are_not_told_apart_by_what_a_run_may_be_off() -> None:
    a, b = [1.05, 1.051, 1.049], [1.0, 1.001, 0.999]
    within, between = compare_latencies(a, b), compare_latencies(a, b, tolerance=0.06)
    assert within is not None
    assert between is not None
    assert within.p_value < 0.001
    assert between.p_value > 0.01


def test_half_width_is_a_ratio() -> None:
    assert Interval(0.5, 1.0, 2.0).relative_half_width == pytest.approx(1.0)


def test_welchs_test_is_scipys() -> None:
    a, b = [1.0, 1.1, 1.2], [2.0, 2.2, 2.1, 2.4]
    comparison = compare_latencies(a, b)
    assert comparison is not None
    assert comparison.p_value == pytest.approx(stats.ttest_ind(np.log(a), np.log(b), equal_var=False).pvalue)
    assert comparison.ratio.low < comparison.ratio.estimate < comparison.ratio.high < 1


def test_equal_samples_are_not_different_and_constant_ones_are() -> None:
    equal = compare_latencies([1.0, 1.0, 1.0], [1.0, 1.0])
    apart = compare_latencies([2.0, 2.0], [1.0, 1.0])
    assert equal == Comparison(Interval(1.0, 1.0, 1.0), 1.0)
    assert apart == Comparison(Interval(2.0, 2.0, 2.0), 0.0)


def test_one_launch_is_too_few() -> None:
    assert compare_latencies([1.0], [1.0, 2.0]) is None


def test_the_signed_rank_p_is_the_share_of_all_signs_that_say_as_much() -> None:
    values, centre = [0.3, -0.1, 0.25, 0.5, 0.07, -0.02, 0.11], 0.01
    differences = np.array(values) - centre
    ranks = stats.rankdata(np.abs(differences))
    said = ranks[differences > 0].sum()
    of_all_signs = [ranks[np.array(signs)].sum() >= said for signs in product((False, True), repeat=len(ranks))]
    assert signed_rank_p(values, centre) == pytest.approx(np.mean(of_all_signs))


def test_a_wild_value_is_one_rank_however_wild() -> None:
    values = [0.01, -0.02, 0.03, 0.04, -0.05, 0.06]
    assert signed_rank_p([*values, 0.07], 0.0) == signed_rank_p([*values, 1e6], 0.0)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5, 0.5]])
def test_values_that_are_all_at_the_centre_say_nothing(values: list[float]) -> None:
    assert signed_rank_p(values, 0.5) == 1.0


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("count", [8, 9, 12, 20, 31])
def test_the_signed_rank_interval_holds_what_scipys_test_does_not_reject(count: int, confidence: float) -> None:
    values = np.random.default_rng(count).normal(size=count)
    interval = signed_rank_interval(list(values), confidence)
    assert interval is not None

    def rejected(centre: float) -> bool:
        return bool(stats.wilcoxon(values - centre, method="exact").pvalue <= 1 - confidence)

    inside, outside = 1e-9, -1e-9
    assert not rejected(interval.low + inside)
    assert not rejected(interval.high - inside)
    assert rejected(interval.low + outside)
    assert rejected(interval.high - outside)


def test_three_values_just_give_a_signed_rank_interval_of_75_percent() -> None:
    assert signed_rank_interval([4.0, 1.0, 2.0], 0.75) == Interval(1.0, 2.25, 4.0)
    assert signed_rank_interval([4.0, 1.0, 2.0], 0.76) is None


@given(st.lists(st.floats(-10.0, 10.0), min_size=6, max_size=15))
def test_the_signed_rank_estimate_is_the_median_of_all_means_of_two(values: list[float]) -> None:
    interval = signed_rank_interval(values)
    assert interval is not None
    assert interval.low <= interval.estimate <= interval.high
    averages = [(a + b) / 2 for a, b in combinations_with_replacement(values, 2)]
    assert interval.estimate == pytest.approx(float(np.median(averages)))


@pytest.mark.parametrize("count", [6, 8, 12])
def test_the_signed_rank_interval_covers_the_centre_in_95_of_100_runs_whatever_the_tails(count: int) -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        interval = signed_rank_interval(list(random.standard_cauchy(size=count)))
        assert interval is not None
        covered += interval.low <= 0.0 <= interval.high
    # Six values can give 96.9 % or 93.8 % and nothing between.
    assert 0.945 <= covered / 2000 <= 0.98


@pytest.mark.parametrize(("count", "confidence"), [(0, 0.95), (1, 0.95), (5, 0.95), (7, 0.99)])
def test_there_is_no_signed_rank_interval_of_too_few_values(count: int, confidence: float) -> None:
    values = [float(value) for value in range(count)]
    assert signed_rank_interval(values, confidence) is None
    assert signed_rank_interval([float(value) for value in range(max(count, 5) + 1)], confidence) is not None


@pytest.mark.parametrize(("count", "level"), [(6, 0.05), (12, 0.05), (12, 0.001), (24, 0.001)])
def test_a_shift_within_reach_is_seen_in_8_of_10_runs(count: int, level: float) -> None:
    random = np.random.default_rng(1)
    reach = signed_rank_reach(count, level, count, level)
    found = [signed_rank_p(list(random.normal(reach, 1.0, size=count)), 0.0) <= level for _ in range(500)]
    assert 0.74 <= np.mean(found) <= 0.86


def test_a_level_that_so_few_values_cannot_reach_is_out_of_reach() -> None:
    assert signed_rank_reach(12, 1 / 5000, 6, 0.05) == float("inf")
    assert signed_rank_reach(12, 1 / 4000, 5, 1 / 64) == float("inf")


def test_a_further_condition_on_the_last_values_needs_a_larger_shift() -> None:
    assert signed_rank_reach(12, 0.05, 6, 0.02) > signed_rank_reach(12, 0.05, 12, 0.05)
