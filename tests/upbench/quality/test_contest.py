"""A whole comparison at a small size: the same seed gives the same figures, and nothing that was done is done again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from upbench.cli import app
from upbench.errors import UsageError
from upbench.quality import contest, contestants
from upbench.quality.lesson import Curriculum, Lesson, teach
from upbench.records.quality_run import QualityRun, read_quality
from upbench.sweep.journal import Journal, JournalError

STEPS = 6


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small images, so that looking at them takes no time."""
    folder = tmp_path_factory.mktemp("images")
    rows, columns = np.mgrid[:75, :81]
    for name, pitch in (("fine", 2.5), ("coarse", 9.0)):
        plane = (128 + 100 * np.sin(rows / pitch) * np.cos(columns / pitch)).astype(np.uint8)
        Image.fromarray(np.stack([plane] * 3, -1)).save(folder / f"{name}.png")
    return folder


def small(images: Path, **changes: object) -> contest.QualitySettings:
    curriculum = Curriculum(STEPS, images=str(images))
    settings = contest.QualitySettings((2,), ("subpixel", "transposed"), ("subpixel",), False, 2, 0, curriculum)
    return replace(settings, **changes)  # type: ignore[arg-type]


def without_seconds(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "training": {**entry["training"], "seconds": None}}


def test_the_same_seed_gives_the_same_figures_and_another_does_not(images: Path) -> None:
    lesson = Lesson(contestants.quick()[0], 0, Curriculum(STEPS, images=str(images)), pictured=True)
    lessons = (lesson, lesson, replace(lesson, seed=1))
    once, again, other = (teach(each) for each in lessons)
    assert without_seconds(once) == without_seconds(again)
    assert without_seconds(once) != without_seconds(other)


def test_contestants_of_a_seed_see_the_same_patches_and_start_with_the_same_head() -> None:
    import torch

    from upbench.quality.lesson import _patches

    batches, heads = [], []
    for contestant in contestants.quick()[:3]:
        lesson = Lesson(contestant, 5, Curriculum(STEPS), pictured=False)
        torch.manual_seed(5)
        heads.append(contestants.network(contestant).head.weight)
        batches.append(next(_patches(lesson)))
    for head, batch in zip(heads, batches, strict=True):
        assert torch.equal(head, heads[0])
        assert all(torch.equal(a, b) for a, b in zip(batch, batches[0], strict=True))


def test_a_patch_of_the_original_lies_over_the_small_one() -> None:
    import torch.nn.functional as F

    from upbench.quality.lesson import _patches

    lesson = Lesson(contestants.quick()[0], 0, Curriculum(STEPS), pictured=False)
    small_patches, original = next(_patches(lesson))
    shrunk = F.interpolate(original, scale_factor=0.5, mode="bicubic", antialias=True)
    inner = (..., slice(3, -3), slice(3, -3))
    assert float((shrunk[inner] - small_patches[inner]).abs().max()) < 0.01


@pytest.fixture(scope="module")
def finished(images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, QualityRun]:
    """A run whose journal was kept."""
    output = tmp_path_factory.mktemp("contest") / "quality.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "delete", lambda self: None)
        return output, contest.judge_to_file(small(images), output, False, Console(stderr=True))


def test_a_run_has_every_contestant_with_every_seed_and_reads_back(finished: tuple[Path, QualityRun]) -> None:
    output, run = finished
    read = read_quality(output)
    assert [each.contestant for each in read.trainings] == [each.contestant for each in run.trainings]
    trained = [each for each in run.contestants if each.placement != "alone"]
    assert {each.league for each in trained} == {"as practised", "equal FLOPs", "equal parameters"}
    for contestant in trained:
        own = [each for each in run.trainings if each.contestant == contestant.id]
        assert {each.outcome for each in own} <= {"ok", "unsupported"}
        if own[0].outcome == "ok":
            assert [each.seed for each in own] == [0, 1]
            assert all(set(each.readings) == set(run.meters) for each in own)
    assert {picture.contestant for picture in run.pictures} >= {"original", "small", trained[0].id}


def test_what_the_journal_has_is_not_done_again(
    finished: tuple[Path, QualityRun], images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, run = finished
    output = tmp_path / "quality.json"
    lines = Journal.path_for(whole).read_text().splitlines()
    assert len(lines) == 1 + len(contest._planned(small(images)).tasks)
    # The last task is lost, as if it had been interrupted; nothing else runs again.
    Journal.path_for(output).write_text("\n".join(lines[:-1]) + "\n")
    begun = []
    start = contest.Isolation.start

    def watched(*arguments: Any) -> Any:
        begun.append(arguments)
        return start(*arguments)

    monkeypatch.setattr(contest.Isolation, "start", watched)
    again = contest.judge_to_file(small(images), output, True, Console(stderr=True))
    assert len(begun) == 1
    assert [each.readings for each in again.trainings] == [each.readings for each in run.trainings]
    assert not Journal.path_for(output).exists()
    # One that has ended is not begun again either.
    contest.judge_to_file(small(images), output, True, Console(stderr=True))
    assert len(begun) == 1


@pytest.mark.parametrize(
    ("way", "junk"),
    [
        (("outcome",), "fine"),
        (("value",), None),
        (("value", "training", "seconds"), "long"),
        (("value", "training", "readings"), {"psnr": [["much"]]}),
    ],
)
def test_a_journal_that_is_garbled_gets_a_sentence_before_anything_is_trained(
    finished: tuple[Path, QualityRun], images: Path, tmp_path: Path, way: tuple[str, ...], junk: Any
) -> None:
    whole, _ = finished
    output = tmp_path / "quality.json"
    header, *entries = map(json.loads, Journal.path_for(whole).read_text().splitlines())
    holder = next(entry for entry in entries if entry["outcome"] == "ok" and "training" in entry["value"])
    for key in way[:-1]:
        holder = holder[key]
    holder[way[-1]] = junk
    Journal.path_for(output).write_text("".join(f"{json.dumps(line)}\n" for line in (header, *entries)))
    with pytest.raises(JournalError, match="the journal is damaged: an entry lacks or garbles "):
        contest.judge_to_file(small(images), output, True, Console(stderr=True))


def test_what_is_out_of_time_keeps_its_place_and_says_so(images: Path, tmp_path: Path) -> None:
    late = contest.judge_to_file(
        small(images, time_limit_s=0.0), tmp_path / "quality.json", False, Console(stderr=True)
    )
    assert {each.outcome for each in late.trainings} <= {"timeout", "unsupported"}
    assert "0 s allowed" in str(late.trainings[0].reason)


def test_networks_that_are_equal_are_trained_once(images: Path) -> None:
    plan = contest._planned(small(images))
    lessons = [key for key in plan.tasks if "seed" in key]
    trained = [each for each in plan.contestants if each.placement != "alone"]
    widths = {(each.upsampler, each.placement, each.backbone_width, str(each.options)) for each in trained}
    assert len(lessons) == 2 * len(widths) < 2 * len(trained)


@pytest.mark.parametrize("name", contestants.COMPARED)
def test_leagues_are_as_equal_as_a_width_allows(name: str) -> None:
    present, absent = contestants.full((2,), (name,))
    yardstick = present[0]
    for contestant in present:
        # One more inner channel of the blocks adds a little over a hundredth.
        if contestant.league == "equal FLOPs":
            assert contestant.flops_per_pixel == pytest.approx(yardstick.flops_per_pixel, rel=0.02)
        if contestant.league == "equal parameters":
            assert contestant.params == pytest.approx(yardstick.params, rel=0.02)
    assert all("alone takes more" in each.reason for each in absent)


def test_what_cannot_do_a_scale_is_absent_with_its_reason() -> None:
    present, absent = contestants.full((5,), ("subpixel_staged", "transposed"))
    assert {each.upsampler for each in present} == {"subpixel", "transposed", "pre_upsampling"}
    assert absent[0].contestant.upsampler == "subpixel_staged"
    assert "scales 2" in absent[0].reason


def test_an_upsampler_that_could_not_be_looked_at_keeps_its_place(images: Path, tmp_path: Path) -> None:
    settings = small(images, upsamplers=(), time_limit_s=0.0)
    run = contest.judge_to_file(settings, tmp_path / "quality.json", False, Console(stderr=True))
    assert [(each.upsampler, each.outcome) for each in run.starts] == [("subpixel", "timeout")]


def test_a_folder_is_judged_from_the_command_line(images: Path, tmp_path: Path) -> None:
    output = tmp_path / "folder.json"
    result = CliRunner().invoke(app, ["quality", "--images", str(images), "--scale", "2,3", "--output", str(output)])
    assert result.exit_code == 0, result.output
    run = read_quality(output)
    assert {each.scale for each in run.contestants} == {2, 3}
    assert {image for each in run.trainings for image in each.images} == {"coarse.png", "fine.png"}
    assert json.loads(output.read_text())["upsample_bench_quality"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--quick", "--train"], "--quick has its own few networks"),
        (["--upsampler", "subpixel"], "needs --train"),
        (["--scale", "1.5"], "whole scales"),
        (["--scale", "1"], "whole scales of at least 2"),
        (["--train", "--upsampler", "sapa_b"], "sapa_b cannot stand in the networks"),
        (["--train", "--upsampler", "fsrcnn"], "fsrcnn cannot stand in the networks"),
    ],
)
def test_wrong_usage_is_said_in_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["quality", *arguments, "--output", str(tmp_path / "x.json")])
    assert isinstance(result.exception, UsageError)
    assert sentence in str(result.exception)


def test_a_folder_without_images_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    result = CliRunner().invoke(app, ["quality", "--images", str(tmp_path), "--output", str(tmp_path / "x.json")])
    assert isinstance(result.exception, UsageError)
    assert "holds no images" in str(result.exception)
