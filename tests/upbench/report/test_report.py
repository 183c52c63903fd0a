"""The report on figures that are known: who wins, what the claims say, golden tables; for the page see test_page."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.upbench.synthetic import case, measured, refused, run_of, small_run
from upbench.records.record import RecordError, Run
from upbench.report import write_report
from upbench.report.evidence import gather
from upbench.report.summary import summarise
from upbench.report.tables import answers_table, results_table

GOLDEN = Path(__file__).parent / "golden"
TABLES = ("answers.md", "answers.tex", "answers.csv", "results.md", "results.tex")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("report")
    write_report([small_run()], output)
    return output


def test_the_fastest_beats_every_rival_in_a_test() -> None:
    first, second = gather([small_run()]).results
    assert first.fastest is not None
    assert (first.fastest.names, first.fastest.clear) == (("subpixel",), True)
    assert first.fastest.lead is not None
    assert first.fastest.lead.low < 1.5 < first.fastest.lead.high
    assert second.fastest is not None
    assert set(second.fastest.names) == {"nearest_conv", "subpixel"}


def test_cases_that_were_not_measured_side_by_side_need_a_greater_lead() -> None:
    # 3 % apart and steady: a difference within launches, and no more than what a whole run may be off else.
    records = [
        measured(case("subpixel"), [1.000e-3, 1.001e-3, 1.0e-3, 0.999e-3, 1.0e-3]),
        measured(case("transposed"), [1.030e-3, 1.031e-3, 1.03e-3, 1.029e-3, 1.03e-3]),
    ]
    together = run_of(records)
    old = [replace(each, quantities={**each.quantities, "launch_levels": None}) for each in records]
    in_turns, apart = (
        replace(together, records=tuple(old), facts={**together.facts, "protocol": protocol})
        for protocol in ("interleaved", "one at a time")
    )
    another = run_of([measured(case("subpixel", 3), [1e-3] * 5)])
    one_each = [run_of(old[:1]), run_of(old[1:])]
    tied = {"subpixel", "transposed"}
    for runs, names in (
        ([together], {"subpixel"}),
        ([together, another], {"subpixel"}),
        ([in_turns], {"subpixel"}),
        ([apart], tied),
        (one_each, tied),
    ):
        result, *_ = gather(runs).results
        assert result.fastest is not None
        assert set(result.fastest.names) == names


def test_the_summary_says_of_each_measure_why_it_has_no_winner() -> None:
    unknown = {"peak_allocated_bytes": None, "flops": None}
    evidence = gather([run_of([measured(case("subpixel", runtime="onnx"), [1e-2, 3e-2, 9e-2, 2e-2, 4e-2], **unknown)])])
    assert [str(line) for line in summarise(evidence, [])] == [
        "Fastest: no latency to trust in 1 of 1 cells.",
        "Least memory: not measured in 1 of 1 cells. Fewest FLOPs: not counted in 1 of 1 cells.",
    ]


def test_a_cell_in_which_nothing_can_run_is_none_to_win() -> None:
    run = run_of(
        [measured(case("subpixel"), [1e-3] * 5), refused(case("subpixel", runtime="onnx", layout="channels_last"))]
    )
    assert str(summarise(gather([run]), [])[0]) == "Fastest: Sub-pixel conv, one stage in 1 of 1 cells."


def test_more_settings_than_a_page_can_show_have_no_charts_of_their_own(tmp_path: Path) -> None:
    write_report([run_of([measured(case("subpixel", batch=b), [1e-3] * 5) for b in range(1, 6)])], tmp_path)
    assert not list(tmp_path.glob("*.svg"))
    assert "5 settings, such as runtimes and layouts, are too many" in (tmp_path / "report.html").read_text()


def test_what_needs_a_guide_does_not_compete() -> None:
    run = small_run()
    cards = {name: {**card, "guided": name == "subpixel"} for name, card in run.facts["cards"].items()}
    evidence = gather([replace(run, facts={**run.facts, "cards": cards})])
    assert "subpixel" in evidence.names
    assert "subpixel" not in evidence.operators


def test_exact_quantities_have_winners_without_a_test() -> None:
    first, second = gather([small_run()]).results
    assert first.leanest is not None
    assert first.cheapest is not None
    assert second.leanest is not None
    assert (first.leanest.names, first.cheapest.names) == (("subpixel",), ("transposed",))
    assert second.leanest.names == ("nearest_conv", "subpixel")


def test_an_unstable_latency_never_wins() -> None:
    vague = measured(case("transposed"), [5e-3, 90e-3, 20e-3, 40e-3, 30e-3])
    assert vague.outcome == "unstable"
    sure = measured(case("subpixel"), [1e-3, 1.01e-3, 0.99e-3, 1e-3, 1e-3])
    (result,) = gather([run_of([vague, sure])]).results
    assert result.fastest is not None
    assert result.fastest.names == ("subpixel",)


def test_the_fastest_must_beat_an_unstable_rival_too() -> None:
    sure = measured(case("subpixel"), [1e-3, 1.01e-3, 0.99e-3])
    vague = measured(case("transposed"), [0.3e-3, 0.2e-3, 0.6e-3])
    hopeless = measured(case("nearest_conv"), [50e-3, 90e-3, 70e-3])
    assert (vague.outcome, hopeless.outcome) == ("unstable", "unstable")
    (result,) = gather([run_of([sure, vague, hopeless])]).results
    assert result.fastest is not None
    assert result.fastest.names == ("subpixel", "transposed")


def test_runs_with_different_allocators_make_no_report() -> None:
    pinned = run_of([measured(case("subpixel"), [1.0, 1.0, 1.0])])
    facts = {**pinned.facts, "settings": {**pinned.facts["settings"], "allocator": "default"}}
    with pytest.raises(RecordError, match=r"different conditions \(allocator differ\)"):
        gather([pinned, replace(pinned, facts=facts)])


def test_networks_and_definitions_do_not_compete() -> None:
    evidence = gather([small_run()])
    assert evidence.operators == ["nearest_conv", "subpixel", "transposed", "transposed_phases", "nearest_conv_staged"]
    assert [result.cell.scale for result in evidence.results] == [2, 3]


def test_the_last_run_given_wins_where_a_case_was_measured_twice() -> None:
    old = run_of([measured(case("subpixel"), [1.0, 1.0, 1.0]), measured(case("transposed"), [2.0, 2.0, 2.0])])
    new = run_of([measured(case("subpixel"), [5.0, 5.0, 5.0])])
    records = {record.case.upsampler: record for record in gather([old, new]).records}
    assert records["subpixel"].quantities["latency_s"] == pytest.approx(5.0)
    assert records["transposed"].quantities["latency_s"] == pytest.approx(2.0)


def test_nothing_that_did_not_run_disappears_from_the_table() -> None:
    run = small_run()
    table = results_table(gather([run]))
    assert len(table) == len(run.records)
    outcomes = [str(outcome) for outcome in table["outcome"]]
    assert "timeout: no answer within 120 s" in outcomes
    assert "unsupported: scales 2, 4, 8, …; got 3." in outcomes
    assert any(outcome.startswith("unstable: its launches disagree") for outcome in outcomes)


def test_a_run_without_a_latency_makes_no_report(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="there is nothing to report"):
        write_report([run_of([refused(case("subpixel"))])], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_are_the_golden_ones(folder: Path, name: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        shutil.copy(folder / name, GOLDEN / name)
    assert (folder / name).read_text() == (GOLDEN / name).read_text()


def test_the_csv_has_every_field_of_every_record_unrounded(folder: Path) -> None:
    table = pd.read_csv(folder / "results.csv")
    records = {record.case.upsampler + str(record.case.cell.scale): record for record in small_run().records}
    assert list(table.columns) == list(small_run().records[0].extra_info)
    assert len(table) == len(records)
    for _, row in table[table["latency_s"].notna()].iterrows():
        record = records[row["upsampler"] + str(row["scale"])]
        assert row["latency_s"] == pytest.approx(record.quantities["latency_s"], rel=1e-12)


def test_answers_have_one_row_for_each_cell_and_name_what_they_hold_fixed_when_it_varies() -> None:
    one = answers_table(gather([small_run()]))
    assert list(one["scale"]) == ["×2", "×3"]
    assert "layout" not in one.columns
    layouts = ["contiguous", "channels_last"]
    records = [measured(case("subpixel", layout=layout), [1e-3, 1.01e-3, 0.99e-3]) for layout in layouts]
    assert list(answers_table(gather([run_of(records)]))["layout"]) == layouts


def test_the_same_records_make_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_report([small_run()], tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    assert {"winners.svg", "latency.png", "memory.svg", "flops.png", "roofline.svg", "pareto.png"} < set(names)
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.parametrize(
    "run",
    [
        run_of([measured(case("subpixel"), [1e-3, 1e-3, 1e-3])]),
        run_of([measured(case("subpixel"), [1e-3])]),
        run_of([measured(case("transposed"), [1e-3, 9e-3, 3e-3]), refused(case("subpixel"))]),
        run_of([measured(case("pre_upsampling"), [1e-3, 1e-3, 1e-3])]),
        run_of([measured(case("subpixel", channels=c, threads=t), [1e-3] * 4) for c in (8, 16, 32) for t in (1, 2)]),
    ],
    ids=["one case", "one launch", "only an unstable one", "only a network", "two settings"],
)
def test_any_run_with_a_latency_makes_a_report(run: Run, tmp_path: Path) -> None:
    assert len(write_report([run], tmp_path)) == 6
