"""A change is found between the versions where it lies; chance, outliers and drift are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docs.change_point_methods import LEAST, LEVEL, simulated
from upbench.history.change_points import ChangePoint, change_points, fewest_runs, shift_between


def found(values: np.ndarray, versions: np.ndarray, least: float = LEAST) -> list[ChangePoint]:
    return change_points(values, versions, LEVEL, least)


def test_a_planted_change_is_found_with_its_size() -> None:
    values, versions = simulated(np.random.default_rng(1), steps={70: 0.10}, drift=0.002)
    (point,) = found(values, versions)
    assert versions[point.run] == 70
    assert versions[point.run - 1] == 69
    assert versions[point.earliest] <= 70 <= versions[point.latest]
    assert point.shift.low < 1.10 < point.shift.high


def test_several_changes_are_found_up_and_down() -> None:
    values, versions = simulated(np.random.default_rng(2), steps={30: 0.2, 60: -0.1, 110: 0.15})
    points = found(values, versions)
    assert [versions[point.run] for point in points] == [30, 60, 110]
    assert [point.shift.estimate > 1 for point in points] == [True, False, True]


def test_nothing_is_invented() -> None:
    random = np.random.default_rng(3)
    assert sum(len(found(*simulated(random, noise=noise))) for noise in [0.01, 0.02, 0.05] * 20) == 0


def test_a_slow_drift_is_no_change() -> None:
    values, versions = simulated(np.random.default_rng(4), noise=0.01)
    assert found(values + 0.15 * versions / versions.max(), versions) == []


def test_a_machine_that_wanders_makes_hardly_a_change() -> None:
    # Its slope is as large as the smallest change that is named; without a look at the nearest runs there are 34.
    random = np.random.default_rng(13)
    assert sum(len(found(*simulated(random, noise=0.01, drift=0.03))) for _ in range(60)) <= 6


def test_single_runs_that_were_disturbed_are_no_change() -> None:
    values, versions = simulated(np.random.default_rng(5), noise=0.01)
    values[[40, 41, 90]] += 0.5
    assert found(values, versions) == []


def test_a_change_smaller_than_asked_for_is_not_named() -> None:
    values, versions = simulated(np.random.default_rng(6), noise=0.01, steps={70: 0.06})
    assert len(found(values, versions)) == 1
    assert found(values, versions, least=0.10) == []


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_few_runs_decide_nothing(count: int) -> None:
    assert found(np.arange(count, dtype=float), np.arange(count)) == []


@pytest.mark.parametrize("level", [0.05, 1e-3, 1e-5])
def test_the_fewest_runs_that_can_decide_do_and_one_less_does_not(level: float) -> None:
    count = fewest_runs(level)
    for runs, changes in ((count, 1), (count - 1, 0)):
        values = np.where(np.arange(runs) < runs // 2, 0.0, 1.0) + np.linspace(0, 1e-3, runs)
        assert len(change_points(values, np.arange(runs), level, LEAST)) == changes


def test_a_series_without_noise_has_its_change() -> None:
    versions = np.arange(40)
    (point,) = found(np.where(versions < 20, 0.0, 0.1), versions)
    assert (point.run, point.earliest, point.latest) == (20, 20, 20)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(0.005, 0.05))
def test_changes_lie_between_versions_and_within_what_is_said(seed: int, most_runs: int, noise: float) -> None:
    random = np.random.default_rng(seed)
    steps = {int(place): float(size) for place, size in zip([25, 60, 80], random.uniform(-0.2, 0.3, 3), strict=True)}
    values, versions = simulated(random, commits=100, noise=noise, steps=steps, most_runs=most_runs)
    points = found(values, versions)
    runs = [point.run for point in points]
    assert runs == sorted(set(runs))
    for point in points:
        assert all(versions[run] != versions[run - 1] for run in (point.earliest, point.run, point.latest))
        assert point.earliest <= point.run <= point.latest
        assert point.p_value <= LEVEL
        assert point.shift.low <= point.shift.estimate <= point.shift.high


def test_the_order_of_runs_within_a_version_does_not_matter_to_what_is_said_of_a_large_change() -> None:
    random = np.random.default_rng(7)
    values, versions = simulated(random, steps={70: 0.2}, most_runs=5)
    shuffled = np.concatenate([random.permutation(values[versions == version]) for version in range(150)])
    assert [point.run for point in found(values, versions)] == [point.run for point in found(shuffled, versions)]


def test_the_shift_is_a_ratio_with_its_interval() -> None:
    random = np.random.default_rng(8)
    covered = 0
    for _ in range(200):
        shift = shift_between(random.normal(0, 0.02, 30), random.normal(np.log(1.1), 0.02, 20))
        covered += shift.low <= 1.1 <= shift.high
    assert 180 <= covered <= 199
