"""PSNR as the records of quality have it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy import stats

from tests.upbench.recommend.grids import quality_of
from upbench.recommend.quality_figures import quality_figures
from upbench.records.quality_run import Contestant


def test_psnr_is_the_mean_of_the_last_step_with_students_interval_over_seeds() -> None:
    found = quality_figures(quality_of({"subpixel": (28.0, 28.4, 28.2)}))
    psnr = found.psnr("subpixel", "subpixel", 4)
    assert psnr is not None
    low, high = stats.t.interval(0.95, 2, loc=28.2, scale=stats.sem([28.0, 28.4, 28.2]))
    assert (psnr.interval.low, psnr.interval.estimate, psnr.interval.high) == pytest.approx((low, 28.2, high))
    assert (found.photographs, found.seeds, found.rivals(4)) == (2, 3, 0)


def test_one_seed_says_nothing() -> None:
    assert quality_figures(quality_of({"subpixel": (28.0,)})).psnr("subpixel", "subpixel", 4) is None


def test_other_leagues_places_and_failed_trainings_do_not_count() -> None:
    run = quality_of({"subpixel": (28.0, 28.4), "carafe": (27.0, 27.1)})
    first, second = run.contestants
    others = replace(run, contestants=(replace(first, league="equal FLOPs"), replace(second, placement="last")))
    assert not quality_figures(others).of
    failed = replace(run, trainings=tuple(replace(each, outcome="diverged") for each in run.trainings))
    assert not quality_figures(failed).of
    silent = tuple(replace(each, readings={"psnr": ((None, 28.0),)}) for each in run.trainings)
    assert not quality_figures(replace(run, trainings=silent)).of


def test_of_contestants_that_differ_in_options_the_first_counts() -> None:
    run = quality_of({"subpixel": (28.0, 28.4)})
    other = Contestant("subpixel", 4, "as practised", options={"kernel_size": 5})
    trainings = tuple(replace(each, contestant=other.id, readings={"psnr": ((20.0,),)}) for each in run.trainings)
    both = replace(run, contestants=(*run.contestants, other), trainings=(*run.trainings, *trainings))
    psnr = quality_figures(both).psnr("subpixel", "subpixel", 4)
    assert psnr is not None
    assert psnr.interval.estimate == pytest.approx(28.2)
