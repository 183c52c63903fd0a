"""Who is recommended, who follows, what would change that, and what is refused."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from tests.upbench.recommend.grids import cell, grid_run, power, quality_of, record, run_of_any
from tests.upbench.synthetic import refused
from upbench.cases.case import Case, Cell
from upbench.errors import UsageError
from upbench.recommend.advice import Advice, advise, table
from upbench.recommend.question import Question
from upbench.recommend.ranking import Change
from upbench.recommend.recommendation import Recommendation, recommend
from upbench.records.quality_run import QualityRun
from upbench.records.record import Run

LAWS = {"subpixel": power(2e-9), "transposed": power(1e-9), "carafe": power(4e-9)}
ASKED = cell(size=(70, 90), channels=48)


def asked(run: Run, question: Question, quality: QualityRun | None = None) -> tuple[Recommendation, Advice]:
    found = recommend([run], quality, question)
    return found, advise(found)


def in_one_cell(at: Cell = ASKED, **latencies: tuple[float, int]) -> Run:
    """A run of one cell: latency and peak memory by upsampler."""
    return run_of_any([record(name, at, s, peak_allocated_bytes=peak) for name, (s, peak) in latencies.items()])


def names(found: Recommendation) -> list[str]:
    return [each.name for each in found.ranked]


def test_a_case_between_the_measured_ones_is_answered_with_its_error_and_runner_up() -> None:
    found, advice = asked(grid_run(LAWS), Question(ASKED))
    assert names(found) == ["transposed", "subpixel", "carafe"]
    assert found.answered
    assert [round(lead.size or 0, 6) for lead in found.leads] == [2, 4]
    assert all(lead.certain for lead in found.leads)
    first, second = map(str, advice.answer)
    # To the digits that are shown the law is interpolated without an error.
    assert first == "transposed is the fastest: 2.1 ms, interpolated."
    assert second == "The runner-up is subpixel: 4.19 ms, 2 times as much; the lead is certain."
    assert any("within" in note or "factor of 1.000" in note for note in map(str, advice.notes))
    assert advice.commands == ()


@pytest.mark.parametrize(
    ("at", "options"),
    [
        (cell(size=(270, 480)), "--channels 64 --size 270x480"),
        (cell(size=(48, 48), channels=256), "--channels 256 --size 48x48"),
        (cell(size=(48, 48), batch=64), "--channels 64 --size 48x48 --batch 64"),
        (replace(cell(), runtime="onnx", threads=2), "--channels 64 --size 48x48 --threads 2 --runtime onnx"),
        (replace(cell(), out_channels=3), "--channels 64 --out-channels 3 --size 48x48"),
    ],
)
def test_nothing_is_extrapolated_and_the_command_measures_what_was_asked(at: Cell, options: str) -> None:
    found, advice = asked(grid_run(LAWS), Question(at))
    assert not found.answered
    assert str(advice.answer[0]) == "These records cannot answer that."
    ((_, command),) = advice.commands
    assert command == f"upbench run --upsampler subpixel,transposed,carafe --scale 4 {options} --output asked.json"


def test_another_scale_than_was_measured_is_not_answered() -> None:
    found, advice = asked(grid_run(LAWS), Question(cell(scale=3)))
    assert not found.answered
    assert "--scale 3 " in advice.commands[0][1]


def test_the_command_is_understood_by_the_sweep() -> None:
    from upbench.cases.grid import Axes, expand
    from upbench.cases.spelling import given_axes

    asked_cell = replace(cell(scale=2, size=(7, 9), channels=5, batch=3), layout="channels_last", out_channels=3)
    _, advice = asked(grid_run(LAWS), Question(asked_cell))
    words = shlex.split(advice.commands[0][1])[2:]
    given = dict(zip(words[::2], words[1::2], strict=True))
    axes = given_axes(
        upsamplers=given["--upsampler"],
        scales=given["--scale"],
        channels=given["--channels"],
        out_channels=given["--out-channels"],
        sizes=given["--size"],
        batches=given["--batch"],
        layouts=given["--layout"],
    )
    # Its names are of the catalogue, as those of the records are.
    cells = {each.cell for each in expand(Axes(**{**axes, "upsamplers": ("subpixel", "carafe")}))}
    assert cells == {asked_cell}


def test_too_few_left_out_cases_are_said_and_no_recommendation_rests_on_them() -> None:
    run = grid_run({"subpixel": power(1e-9)}, sizes=((24, 24), (96, 96)), channels=(64,))
    found, advice = asked(run, Question(cell(size=(48, 48))))
    assert not found.answered
    assert any("too few measured cases" in str(note) for note in advice.notes)
    assert "--size 48x48" in advice.commands[0][1]


def test_limits_are_kept_surely_perhaps_or_not() -> None:
    run = in_one_cell(subpixel=(2e-3, 100), transposed=(1e-3, 300), carafe=(3e-3, 200))
    found, advice = asked(run, Question(ASKED, limits={"memory": 250}))
    assert names(found) == ["subpixel", "carafe"]
    assert str(advice.answer[0]).startswith("Of those that surely keep the limits, subpixel is the fastest: 2 ms")
    _, rows = table(found)
    assert [(row[0], str(row[-1])) for row in rows] == [("subpixel", "yes"), ("carafe", "yes"), ("transposed", "no")]
    perhaps, advice = asked(run, Question(ASKED, objective="memory", limits={"latency": 1e-3}))
    assert names(perhaps) == ["transposed"]
    assert not perhaps.sure
    assert [(change.kind, change.name) for change in perhaps.changes] == [
        ("sure", "transposed"),
        ("looser", "subpixel"),
    ]
    assert str(advice.changes[0]).startswith("With 1.03 ms as the limit of latency")
    assert str(advice.changes[0]).endswith("transposed surely keeps it.")
    assert str(advice.answer[0]).startswith("None surely keeps the limits. Of those that may, transposed")
    none, advice = asked(run, Question(ASKED, limits={"memory": 50}))
    assert none.answered
    assert [str(each) for each in advice.answer] == ["None of these upsamplers keeps the limits."]


def test_one_that_may_keep_the_limits_and_would_be_better_is_named() -> None:
    run = in_one_cell(subpixel=(2e-3, 300), transposed=(2.5e-3, 200), carafe=(1e-3, 400))
    found, advice = asked(run, Question(ASKED, objective="memory", limits={"latency": 2.5e-3}))
    assert names(found) == ["subpixel", "carafe"]
    assert [each.name for each in found.perhaps_better] == ["transposed"]
    assert any(str(each).startswith("transposed would be better, 200 B, if it keeps") for each in advice.changes)


def test_what_would_change_the_answer() -> None:
    run = in_one_cell(subpixel=(2e-3, 100), transposed=(1e-3, 300), carafe=(3e-3, 200))
    found, advice = asked(run, Question(ASKED, limits={"memory": 250}))
    assert found.changes == (Change("looser", "memory", 300, "transposed"),)
    unlimited, advice = asked(run, Question(ASKED))
    assert unlimited.changes == (
        Change("tighter", "memory", 300, "subpixel"),
        Change("objective", "memory", None, "subpixel"),
    )
    assert list(map(str, advice.changes)) == [
        "With less than 300 B as the limit of peak memory, transposed is out and subpixel is the answer.",
        "If peak memory decided, subpixel would be the answer: 100 B.",
    ]
    _, advice = asked(in_one_cell(subpixel=(2e-3, 100)), Question(ASKED))
    assert list(map(str, advice.changes)) == ["No other limit or objective would change the answer."]
    assert "no runner-up" in str(advice.answer[1])


def test_a_changed_limit_does_change_the_answer_as_was_said() -> None:
    run = in_one_cell(subpixel=(2e-3, 100), transposed=(1e-3, 300), carafe=(3e-3, 200), nearest=(1.5e-3, 150))
    for limits in ({}, {"memory": 170.0}, {"memory": 120.0}):
        for change in asked(run, Question(ASKED, limits=limits))[0].changes:
            if change.bound is not None:
                bound = change.bound * (0.999 if change.kind == "tighter" else 1)
                changed = Question(ASKED, limits={**limits, change.of: bound})
            else:
                changed = Question(ASKED, change.of, limits)
            best = recommend([run], None, changed).best
            assert best is not None
            assert best.name == change.name


def test_rivals_that_were_timed_together_are_told_apart_within_their_launches() -> None:
    """Both waver from launch to launch, together: their intervals meet, and their ratio is certain."""
    wavering = [record(name, ASKED, s, spread=0.03) for name, s in (("subpixel", 1.03e-3), ("transposed", 1e-3))]
    found, _ = asked(run_of_any(wavering), Question(ASKED))
    assert names(found) == ["transposed", "subpixel"]
    assert found.leads[0].certain
    first, second = (each.costs("latency") for each in found.ranked)
    assert first.high > second.low


def test_a_tie_lists_those_that_cannot_be_told_apart_and_how_to_settle_it() -> None:
    laws = {"subpixel": power(1.02e-9), "transposed": lambda at: power(1e-9)(at) * (1 + 0.2 * (at.height % 7 == 3))}
    found, advice = asked(grid_run({**laws, "carafe": power(9e-9)}), Question(ASKED))
    assert [each.name for each in found.alike] == [names(found)[1]]
    assert "It cannot be told apart from" in str(advice.answer[2])
    ((_, command),) = advice.commands
    assert f"--upsampler {','.join(names(found)[:2])} " in command


def test_those_that_are_exactly_as_good_are_said_to_be() -> None:
    run = in_one_cell(subpixel=(2e-3, 100), transposed=(1e-3, 100))
    _, advice = asked(run, Question(ASKED, "memory"))
    assert str(advice.answer[1]) == "transposed is as good: 100 B."


def test_psnr_is_asked_of_records_of_quality() -> None:
    run = in_one_cell(subpixel=(2e-3, 100), transposed=(1e-3, 300))
    question = Question(ASKED, limits={"psnr": 28.0})
    without, advice = asked(run, question)
    assert not without.answered
    assert without.quality_is_missing
    assert advice.commands[0][1].startswith("upbench quality")
    assert len(advice.commands) == 1
    quality = quality_of({"subpixel": (28.5, 28.51, 28.49), "transposed": (27.5, 27.51, 27.49)})
    found, advice = asked(run, question, quality)
    assert names(found) == ["subpixel"]
    assert Change("looser", "psnr", pytest.approx(27.475, abs=0.01), "transposed") in found.changes
    assert any("on 2 photographs, trained 3 times with each upsampler" in str(note) for note in advice.notes)
    best, _ = asked(run, Question(ASKED, "psnr"), quality)
    assert names(best) == ["subpixel", "transposed"]
    assert best.leads[0].size == pytest.approx(1)
    assert best.leads[0].certain


def test_psnr_of_another_scale_does_not_count() -> None:
    run = in_one_cell(subpixel=(2e-3, 100))
    found, _ = asked(run, Question(ASKED, limits={"psnr": 20.0}), quality_of({"subpixel": (28.0, 28.0)}, scale=2))
    assert not found.answered


def test_an_exact_form_has_the_psnr_of_what_it_is_a_form_of_and_is_named_as_one() -> None:
    at = ASKED
    run = run_of_any([record("nearest_conv", at, 2e-3), record("nearest_conv.phases", at, 1e-3)])
    found, advice = asked(run, Question(at, limits={"psnr": 20.0}), quality_of({"nearest_conv": (28.0, 28.1)}))
    assert names(found) == ["nearest_conv.phases", "nearest_conv"]
    assert "nearest_conv.phases (an exact form of nearest_conv) is the fastest" in str(advice.answer[0])


def test_what_cannot_do_a_scale_or_is_unstable_says_so_and_is_not_recommended() -> None:
    at = cell()
    shaky = replace(record("carafe", at, 1e-4), outcome="unstable", outcome_reason="its launches disagree")
    run = run_of_any(
        [
            record("subpixel", at, 1e-3),
            shaky,
            replace(refused(Case("transposed", at))),
            replace(refused(Case("dysample", at), "timeout", "no answer within 120 s")),
        ]
    )
    found, advice = asked(run, Question(at))
    assert names(found) == ["subpixel"]
    assert {each.name for each in found.unknown} == {"carafe", "dysample"}
    notes = " ".join(map(str, advice.notes))
    assert "transposed: cannot do this scale" in notes
    assert "carafe: measured, but the launches disagree." in notes
    assert "dysample: tried, but it did not run to an end." in notes
    assert "--upsampler carafe " in advice.commands[0][1]


def test_networks_guided_ones_and_definitions_do_not_compete() -> None:
    run = in_one_cell(subpixel=(2e-3, 100), network=(1e-3, 50), guided=(1e-3, 50), definition=(1e-3, 50))
    cards = {name: dict(card) for name, card in run.facts["cards"].items()}
    cards["network"]["kind"], cards["definition"]["kind"], cards["guided"]["guided"] = "network", "definition", True
    found, _ = asked(replace(run, facts={**run.facts, "cards": cards}), Question(ASKED))
    assert [each.name for each in found.candidates] == ["subpixel"]


def test_of_a_case_that_was_measured_twice_the_newest_run_counts() -> None:
    old = replace(in_one_cell(subpixel=(2e-3, 100)), measured_at="2026-01-01T00:00:00+00:00")
    new = replace(in_one_cell(subpixel=(3e-3, 100)), measured_at="2026-02-01T00:00:00+00:00")
    for runs in ([old, new], [new, old]):
        best = recommend(runs, None, Question(ASKED)).best
        assert best is not None
        assert best.costs("latency").estimate == pytest.approx(3e-3)


HOSTILE = "evil{0}:'; rm -rf ~ #<b>"


def test_names_from_records_stay_what_they_are() -> None:
    run = run_of_any([record(HOSTILE, ASKED, 1e-3), record("subpixel", ASKED, 2e-3)])
    _, advice = asked(run, Question(ASKED))
    assert str(advice.answer[0]).startswith(f"{HOSTILE} is the fastest")
    _, advice = asked(run, Question(cell(scale=2)))
    assert shlex.split(advice.commands[0][1])[3] == f"{HOSTILE},subpixel"


def test_a_case_that_cannot_be_is_refused() -> None:
    for wrong in (cell(scale=1), cell(size=(0, 4)), cell(channels=0), cell(batch=0)):
        with pytest.raises(UsageError, match="a case has"):
            Question(wrong)
