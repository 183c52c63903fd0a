"""How often a sweep is wrong: rates from made-up runs in which it is known who differs from whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upbench.records.repeatability import (
    TWINS,
    cells_with_a_false_difference,
    contradictions,
    false_differences,
    half_width,
    headers,
    summary,
    table,
    within_each_other,
)
from upbench.records.statistics import Rate
from upbench.records.trials import TrialFileError


def run(*means: float, spread: float = 0.01, seed: int = 0, busy: bool = False) -> dict[str, Any]:
    """One question with a rival and its twin for each pair of means, over eight launches."""
    random = np.random.default_rng(seed)
    names = [f"{letter}{twin}" for letter in "abcdef" for twin in ("", "~2")]
    question = {
        name: {str(launch): mean + random.normal(0, spread) for launch in range(8)}
        for name, mean in zip(names, means, strict=False)
    }
    return {"neighbour": busy, "seconds": 100.0, "busy": 0.25, "questions": {"x2": question}}


def document(*runs: dict[str, Any]) -> dict[str, Any]:
    return {TWINS.key: TWINS.schema, "runs": list(runs)}


def test_identical_code_that_is_called_different_is_counted_in_pairs_and_in_questions() -> None:
    right, wrong = run(0.0, 0.0, 1.0, 1.0, seed=5), run(0.0, 0.5, 1.0, 1.0, seed=5)
    assert false_differences([right, wrong]) == Rate(1, 4)
    assert cells_with_a_false_difference([right, wrong]) == Rate(1, 2)


def test_two_runs_contradict_each_other_where_both_are_sure_of_opposite_things() -> None:
    one, other, unsure = run(0.0, 0.0, 1.0, 1.0), run(1.0, 1.0, 0.0, 0.0, seed=1), run(0.5, 0.5, 0.5, 0.5, seed=2)
    # Of the six pairs, four are of different upsamplers.
    assert contradictions([one, other]) == Rate(4, 6)
    assert contradictions([one, unsure]) == Rate(0, 6)


def test_ratios_that_are_outside_each_others_intervals_are_counted() -> None:
    one, shifted = run(0.0, 0.0, 1.0, 1.0), run(0.0, 0.0, 1.2, 1.2, seed=1)
    assert within_each_other([one, shifted]).share < 0.5
    assert within_each_other([one, one]) == Rate(6, 6)


def test_of_right_intervals_one_runs_ratio_lies_in_the_next_ones_in_about_83_of_100() -> None:
    """The figure of Cumming and Maillardet is for one direction; here either will do, so that it is a lower bound."""
    runs = [run(0.0, 0.0, spread=0.02, seed=seed) for seed in range(600)]
    rate = within_each_other(runs)
    assert 0.83 < rate.share < 0.97


def test_the_half_width_is_that_of_the_ratios_to_the_fastest() -> None:
    assert half_width([run(0.0, 1.0, spread=0.02)]) == pytest.approx(0.02, rel=0.6)


def test_the_table_has_a_column_for_each_kind_of_run() -> None:
    both = document(run(0.0, 0.0), run(0.0, 0.0, busy=True), run(0.0, 0.0, seed=3), run(0.0, 0.0, seed=4, busy=True))
    assert headers(both) == ["asked", "quiet machine", "beside the neighbour"]
    assert {len(row) for row in table(both)} == {3}
    assert len(summary(both)) == len(table(both))
    assert {len(row) for row in table(document(run(0.0, 0.0)))} == {2}


@pytest.mark.parametrize("text", ["{", "[]", '{"runs": []}', f'{{"{TWINS.key}": 99}}'])
def test_a_file_that_holds_no_trial_gets_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "trial.json").write_text(text)
    with pytest.raises(TrialFileError, match=r"trial\.json (is|has schema 99;)"):
        TWINS.read(tmp_path / "trial.json")


def test_a_trial_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_text(json.dumps(document(run(0.0, 0.0))))
    assert TWINS.read(tmp_path / "trial.json") == document(run(0.0, 0.0))
