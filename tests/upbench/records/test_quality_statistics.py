"""What a quality run says of differences, against known designs; and its file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from upbench.records.quality_run import (
    Contestant,
    MeterCard,
    Picture,
    QualityFileError,
    QualityRun,
    Training,
    Untrained,
    is_quality,
    read_quality,
    write_quality,
)
from upbench.records.quality_statistics import (
    crossed_interval,
    in_league,
    mean_of,
    most_telling,
    paired_difference,
)

A = Contestant("subpixel", 2, "as practised", backbone_width=64)
B = Contestant("transposed", 2, "as practised", backbone_width=64)
NARROW = Contestant("transposed", 2, "equal FLOPs", backbone_width=32)


def trained(contestant: Contestant, seed: int, *rows: tuple[float | None, ...], outcome: str = "ok") -> Training:
    return Training(contestant.id, seed, tuple(range(len(rows))), ("one", "two"), {"psnr": rows}, outcome=outcome)


def run_of(*trainings: Training, contestants: tuple[Contestant, ...] = (A, B)) -> QualityRun:
    return QualityRun(
        contestants,
        trainings,
        (Untrained("subpixel", 2, {"tone": 3.0}),),
        (Picture(A.id, 2, "one", 0, "iVBORw0KGgo="),),
        {"psnr": MeterCard("PSNR", "dB", "higher", "It.")},
        {"subpixel": {"title": "Sub-pixel"}, "transposed": {"title": "Transposed conv, k = 2s"}},
        ({"name": "one"},),
        {"command": "upbench quality"},
    )


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = run_of(trained(A, 0, (30.0, None), (31.0, 32.5)), trained(B, 0, outcome="timeout"))
    write_quality(run, tmp_path / "quality.json")
    assert is_quality(tmp_path / "quality.json")
    assert read_quality(tmp_path / "quality.json") == run


@pytest.mark.parametrize("damage", ["", "[]", '{"upsample_bench_quality": 99}', '{"upsample_bench_quality": 1}'])
def test_what_is_no_quality_run_is_refused_in_one_sentence(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    file.write_text(damage)
    with pytest.raises(QualityFileError, match=r"quality\.json"):
        read_quality(file)


def test_a_record_without_a_field_is_named(tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    write_quality(run_of(trained(A, 0, (1.0, 2.0))), file)
    document = json.loads(file.read_text())
    del document["trainings"][0]["steps"]
    file.write_text(json.dumps(document))
    with pytest.raises(QualityFileError, match="steps"):
        read_quality(file)


def test_a_mean_is_of_the_last_step_and_of_what_was_said() -> None:
    run = run_of(trained(A, 0, (1.0, 1.0), (30.0, None)), trained(A, 1, (1.0, 1.0), (32.0, 34.0)))
    assert mean_of(run, A.id, "psnr") == 32.0
    assert mean_of(run, A.id, "psnr", step=0) == 1.0
    assert mean_of(run, B.id, "psnr") is None


def test_a_constant_difference_is_known_exactly() -> None:
    ours = [trained(A, 0, (30.0, 25.0)), trained(A, 1, (31.0, 26.0))]
    theirs = [trained(B, 0, (29.0, 24.0)), trained(B, 1, (30.0, 25.0))]
    run = run_of(*ours, *theirs)
    found = paired_difference(run, A.id, B.id, "psnr")
    assert found is not None
    assert (found.low, found.estimate, found.high) == pytest.approx((1, 1, 1))


def test_only_what_both_have_seen_is_compared() -> None:
    run = run_of(trained(A, 0, (30.0, 25.0)), trained(B, 1, (29.0, 24.0)))
    assert paired_difference(run, A.id, B.id, "psnr") is None


def test_of_whole_networks_the_interval_is_students_over_seeds() -> None:
    values = np.array([[0.1], [0.4], [-0.2], [0.3]])
    found = crossed_interval(values)
    assert found is not None
    theirs = scipy.stats.ttest_1samp(values[:, 0], 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def test_one_seed_or_one_image_says_nothing_of_others() -> None:
    one_seed = run_of(trained(A, 0, (30.0, 25.0)), trained(B, 0, (29.0, 24.0)))
    assert paired_difference(one_seed, A.id, B.id, "psnr") is None
    rows = [trained(each, seed, (30.0 + seed, None)) for each in (A, B) for seed in (0, 1)]
    assert paired_difference(run_of(*rows), A.id, B.id, "psnr") is None


def test_the_run_with_the_most_trainings_tells_most_and_of_these_the_newest() -> None:
    def run(count: int, day: str) -> QualityRun:
        return replace(run_of(*(trained(A, seed, (1.0, 2.0)) for seed in range(count))), facts={"measured_at": day})

    many, newer, few = run(3, "2026-01-01"), run(3, "2026-01-02"), run(1, "2026-01-03")
    assert most_telling([many, newer, few]) is newer
    assert most_telling([]) is None


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("cards",), {}, "nothing says what subpixel is called"),
        (("meters", "psnr", "better"), "<b>", "better: Input should be 'higher' or 'lower'"),
        (("pictures", 0, "png"), None, "png: Input should be a valid string"),
        (("trainings", 0, "readings", "psnr"), [[1.0, 2.0, 3.0]], "do not fit"),
        (("trainings", 0, "readings", "psnr"), [["<script>", 2.0]], "Input should be a valid number"),
        (("trainings", 0, "contestant"), "nobody", "is no contestant"),
        (("contestants", 0, "options"), None, "options"),
    ],
)
def test_a_run_that_does_not_fit_together_is_refused(
    where: tuple[str | int, ...], value: object, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "quality.json"
    write_quality(run_of(trained(A, 0, (1.0, 2.0))), file)
    document = json.loads(file.read_text())
    place = document
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    file.write_text(json.dumps(document))
    with pytest.raises(QualityFileError, match=said):
        read_quality(file)


@given(st.floats(0, 2), st.floats(0, 2), st.integers(0, 2**31 - 1))
@settings(max_examples=20, deadline=None)
def test_an_interval_holds_the_truth_as_often_as_it_says(of_seeds: float, of_images: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    held = 0
    for _ in range(100):
        values = (
            1.0
            + of_seeds * random.normal(size=(3, 1))
            + of_images * random.normal(size=(1, 6))
            + random.normal(size=(3, 6))
        )
        found = crossed_interval(values)
        assert found is not None
        held += found.low <= 1.0 <= found.high
    # 95 of 100, less what Satterthwaite's approximation costs with three seeds and what chance may take.
    assert held >= 82


def test_who_is_equal_as_practised_stands_for_itself_in_every_league() -> None:
    run = run_of(trained(A, 0, (1.0, 2.0)), trained(NARROW, 0, (1.0, 2.0)), contestants=(A, B, NARROW))
    assert in_league(run, "subpixel", 2, "equal FLOPs") == A
    assert in_league(run, "transposed", 2, "equal FLOPs") == NARROW
    absent = run_of(trained(NARROW, 0, outcome="unsupported"), contestants=(A, B, NARROW))
    assert in_league(absent, "transposed", 2, "equal FLOPs") is None


def test_a_title_says_options_instead_of_the_catalogues_own() -> None:
    run = run_of(contestants=(A,))
    assert run.title(B) == "Transposed conv, k = 2s"
    assert run.title(Contestant("transposed", 2, "as practised", options={"kernel_size": 3})) == (
        "Transposed conv, kernel 3"
    )
