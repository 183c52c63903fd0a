"""The error of interpolation: none where a law is exact, wide enough where it is not, none stated from too little."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log, sin
from pathlib import Path

import numpy as np
import pytest

from tests.upbench.recommend.grids import CHANNELS, SIZES, Law, cell, grid_run, power, run_of_any
from upbench.cases.case import Cell
from upbench.recommend.estimate import Estimate, estimate
from upbench.recommend.measurements import Surroundings, measurements
from upbench.recommend.quantities import QUANTITIES, Quantity
from upbench.recommend.stated_error import coverage, stated_error
from upbench.records.record import Run, read_run

MIDDLE = cell(size=(70, 90), channels=48)
FOUR = {"subpixel": power(1e-9), "transposed": power(2e-9, 0.9), "carafe": power(3e-9, 1.1), "nearest": power(4e-9)}


def said(run: Run, name: str = "subpixel", at: Cell = MIDDLE) -> Estimate:
    found = estimate(measurements([run], Surroundings()), "latency", name, at)
    assert isinstance(found, Estimate)
    return found


def noisy(law: Law, size: float, seed: int) -> Law:
    random = np.random.default_rng(seed)
    return lambda at: law(at) * exp(random.normal(0, size))


def cliff(law: Law) -> Law:
    """Another kernel above 100 pixels of a side, as oneDNN has them."""
    return lambda at: law(at) * (2.0 if at.height > 100 else 1.0)


def curved(law: Law) -> Law:
    """What latency does between the overhead of a call and the caches' end."""
    return lambda at: 20e-6 + law(at) * (1 + 0.3 * sin(log(at.height * at.width)))


def test_a_power_law_is_interpolated_without_an_error() -> None:
    found = said(grid_run(FOUR))
    assert found.interval.estimate == pytest.approx(power(1e-9)(MIDDLE), rel=1e-6)
    assert found.factor == pytest.approx(1, abs=1e-6)
    assert not found.measured


def test_a_count_of_nothing_stays_nothing() -> None:
    run = grid_run(FOUR)
    without = tuple(replace(each, quantities={**each.quantities, "params": 0}) for each in run.records)
    found = estimate(measurements([replace(run, records=without)], Surroundings()), "params", "subpixel", MIDDLE)
    assert isinstance(found, Estimate)
    assert found.interval.estimate == 0


@pytest.mark.parametrize("bend", [cliff, curved, lambda law: noisy(law, 0.1, 0)], ids=["cliff", "curved", "noisy"])
def test_left_out_cases_lie_within_the_error_stated_without_them(bend: object) -> None:
    assert callable(bend)
    found = coverage([grid_run({name: bend(law) for name, law in FOUR.items()}, scales=(2, 4))])
    assert found.of == len(FOUR) * 2 * (len(SIZES) * len(CHANNELS) - 4)
    assert found.share >= 0.9


def test_coverage_holds_over_many_runs_and_is_not_bought_with_width() -> None:
    shares, factors = [], []
    for seed in range(6):
        run = grid_run({name: noisy(curved(law), 0.05, seed) for name, law in FOUR.items()})
        shares.append(coverage([run]).share)
        factors.append(said(run).factor)
    assert np.mean(shares) >= 0.92
    assert np.median(factors) < 1.8


def test_an_upsampler_with_misses_enough_has_an_error_of_its_own() -> None:
    wild = {**FOUR, "subpixel": noisy(power(1e-9), 0.5, 1)}
    points = measurements([grid_run(wild, scales=(2, 4))], Surroundings()).points
    own, other = (stated_error(points, "latency", name) for name in ("subpixel", "transposed"))
    assert own is not None
    assert other is not None
    assert own.own
    assert other.own
    assert own.half_width > 100 * other.half_width
    few = measurements([grid_run(wild)], Surroundings()).points
    pooled = stated_error(few, "latency", "transposed")
    assert pooled is not None
    assert not pooled.own
    assert pooled.cases == 48


def test_a_wider_gap_than_was_tried_has_a_greater_error() -> None:
    points = measurements([grid_run({n: curved(law) for n, law in FOUR.items()})], Surroundings()).points
    error = stated_error(points, "latency", "subpixel")
    assert error is not None
    assert error.within(error.tried_gap / 2) == error.half_width
    assert error.within(2 * error.tried_gap) == pytest.approx(4 * error.half_width)


def test_no_error_is_stated_from_fewer_than_19_left_out_cases() -> None:
    run = grid_run({"subpixel": power(1e-9)}, sizes=SIZES[:3], channels=CHANNELS[:3])
    measured = measurements([run], Surroundings())
    assert stated_error(measured.points, "latency", "subpixel") is None
    assert estimate(measured, "latency", "subpixel", cell(size=(40, 40), channels=20)) == "no error"
    assert coverage([run]).of == 0


def test_what_was_measured_is_not_interpolated_and_keeps_its_own_interval() -> None:
    run = grid_run(FOUR)
    found = said(run, at=cell())
    record = next(each for each in run.records if (each.case.upsampler, each.case.cell) == ("subpixel", cell()))
    assert found.measured
    assert record.latency is not None
    assert found.interval.low == pytest.approx(record.latency.low)
    assert found.interval.high == pytest.approx(record.latency.high)


def test_images_of_other_sides_and_as_many_pixels_share_a_place() -> None:
    run = grid_run(FOUR, sizes=((24, 96), (48, 48), (96, 24), (96, 96), (192, 192)))
    assert said(run, at=cell(size=(32, 72))).interval.estimate == pytest.approx(power(1e-9)(cell(size=(48, 48))))


def test_a_latency_is_of_the_quiet_machine() -> None:
    """A neighbour that slows control and rivals alike changes seconds, not levels."""
    run = grid_run(FOUR)
    slow = tuple(
        replace(each, quantities={**each.quantities, "latency_s": 9.0, "latency_ci_s": [8.0, 10.0]})
        for each in run.records
    )
    assert said(replace(run, records=slow)).interval == said(run).interval


def test_latencies_without_a_control_do_not_stand_beside_those_with_one() -> None:
    run = grid_run(FOUR)
    busy = [
        replace(each, quantities={**each.quantities, "launch_levels": None, "latency_s": 1.0})
        for each in grid_run({"subpixel": power(1e-7)}, sizes=((60, 60),), channels=(40,)).records
    ]
    measured = measurements([run_of_any([*run.records, *busy])], Surroundings())
    assert measured.not_side_by_side == 1
    found = estimate(measured, "latency", "subpixel", cell(size=(60, 60), channels=40))
    assert isinstance(found, Estimate)
    assert not found.measured
    alone = measurements([run_of_any(busy)], Surroundings())
    assert not alone.side_by_side
    old = estimate(alone, "latency", "subpixel", cell(size=(60, 60), channels=40))
    assert isinstance(old, Estimate)
    assert old.measured


GRID = Path(__file__).parents[3] / "results" / "grid.json"


@pytest.mark.skipif(not GRID.exists(), reason="no run over a grid of sizes and channels is committed")
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_cases_left_out_of_the_committed_run_lie_within_the_error_stated_without_them(quantity: Quantity) -> None:
    found = coverage([read_run(GRID)], quantity)
    assert found.of >= 80
    assert found.share >= 0.9, found.text
