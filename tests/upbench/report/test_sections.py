"""The parts of a report that only some runs have: exact forms against the usual one, one runtime against another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.upbench.synthetic import case, measured, run_of, small_run
from upbench.records.record import Record, Run
from upbench.report import write_report
from upbench.report.claims import Exhibits, judge_claims
from upbench.report.evidence import gather
from upbench.report.exact_section import findings, forms_table, in_each_cell, of_any_runtime
from upbench.report.runtime_section import findings as runtime_findings
from upbench.report.runtime_section import runtimes_table

FORM = "nearest_conv.phases"


def steady(upsampler: str, milliseconds: float, scale: int = 2, share: float = 0.5, **cell: Any) -> Record:
    medians = [milliseconds * 1e-3 * factor for factor in (1.0, 1.001, 0.999, 1.0005, 0.9995)]
    # 80 GFLOP/s and 16 GB/s: 10 MFLOP take longer than 0.6 MB.
    return measured(case(upsampler, scale, **cell), medians, roofline_share=share)


@pytest.fixture
def run() -> Run:
    """The form wins in both runtimes at scale 2, by 4 and by 2.5 times, and loses at scale 3."""
    return run_of(
        [
            steady("nearest_conv", 4.0, share=0.1),
            steady(FORM, 1.0, share=0.4),
            steady("nearest_conv", 2.0, share=0.2, runtime="onnx"),
            steady(FORM, 0.8, share=0.6, runtime="onnx"),
            steady("nearest_conv", 1.76, layout="channels_last"),
            steady("nearest_conv", 3.0, scale=3, share=0.5),
            steady(FORM, 6.0, scale=3, share=0.25),
        ]
    )


def test_each_cell_has_its_fastest_form_and_its_gain_over_the_usual_one(run: Run) -> None:
    choices = in_each_cell(gather([run]))
    figures = [(c.cell.runtime, c.cell.scale, round(c.gain.estimate, 2), c.best.case.upsampler) for c in choices]
    assert figures == [
        ("eager", 2, 4.0, FORM),
        ("eager", 3, 1.0, "nearest_conv"),
        ("onnx", 2, 2.5, FORM),
    ]
    assert choices[0].gain.low < 4 < choices[0].gain.high


def test_the_usual_form_may_choose_its_runtime_and_layout_as_well(run: Run) -> None:
    two, three = of_any_runtime(gather([run]))
    assert (two.usual.case.cell.layout, two.best.case.cell.runtime) == ("channels_last", "onnx")
    assert two.gain.estimate == pytest.approx(2.2, rel=0.01)
    assert three.gain.estimate == 1


def test_the_findings_on_exact_forms(run: Run) -> None:
    assert [str(line) for line in findings(gather([run]))] == [
        "Exact forms of Nearest + conv, times faster than the usual one: 2.0 (1.0 to 4.0) in eager; "
        "2.5 (2.5 to 2.5) in onnx.",
        "Exact forms against the fastest usual form of any runtime and layout: 1.5 (1.0 to 2.2) times faster, "
        "over 2 pairs.",
        "Share of this machine's limit that the best forms reach where arithmetic sets it: 50% (median of 3 cells, "
        "from 40% to 60%); in the runtime and layout that suit each best, 55% (median of 2 pairs, from 50% to 60%).",
    ]


def test_no_share_is_stated_where_memory_limits_what_suits_each_best() -> None:
    little = steady(FORM, 0.8, runtime="onnx")
    little = replace(little, quantities={**little.quantities, "flops": 1})
    usual = [steady("nearest_conv", 4.0), steady("nearest_conv", 2.0, runtime="onnx")]
    *_, last = findings(gather([run_of([*usual, steady(FORM, 1.0, share=0.4), little])]))
    assert str(last).endswith("40% (median of 1 cells, from 40% to 40%).")


def test_tails_and_layers_that_keep_their_channels_are_told_apart(run: Run) -> None:
    cells = [replace(record.case.cell, out_channels=3) for record in run.records]
    tails = [replace(r, case=replace(r.case, cell=cell)) for r, cell in zip(run.records, cells, strict=True)]
    assert [str(line).partition(",")[0] for line in findings(gather([run, run_of(tails)]))[:2]] == [
        "Exact forms of Nearest + conv to as many channels",
        "Exact forms of Nearest + conv to 3 channels",
    ]


def test_the_table_of_exact_forms(run: Run) -> None:
    evidence = gather([run])
    first, second, _ = forms_table(in_each_cell(evidence), evidence).map(str).to_dict("records")
    assert (first["fastest form"], first["usual, ms"], first["ms"], first["share of limit"]) == (
        "phases",
        "4",
        "1",
        "40%",
    )
    assert first["times faster"].startswith("4.00 (")
    assert (second["fastest form"], second["times faster"]) == ("the usual one", "1")


def test_the_fastest_of_each_runtime_and_of_all(run: Run) -> None:
    two, three = runtimes_table(gather([run])).map(str).to_dict("records")
    title = "Nearest + conv, as a conv for each phase"
    assert (two["eager"], two["onnx"]) == (f"{title}, 1\u00a0ms", f"{title}, 0.8\u00a0ms")
    assert two["fastest of all"] == f"{title} in onnx"
    assert two["how sure"].startswith("next takes 1.25×")
    assert (three["onnx"], three["fastest of all"]) == ("–", "Nearest + conv in eager")


def test_the_finding_on_runtimes(run: Run) -> None:
    assert [str(line) for line in runtime_findings(gather([run]))] == [
        "Fastest runtime, each with the upsampler and layout that suit it: onnx in 1, eager in 1 of 2 cells."
    ]


def test_the_folklore_is_about_usual_forms(run: Run) -> None:
    records = [*run.records, steady("subpixel", 4.0)]
    judged = judge_claims(Exhibits(gather([run_of(records)])))
    (claim,) = (each.judgement for each in judged if each.claim.name == "little-difference")
    assert str(claim.gist) == "others: 1.00 times the latency, 1.00 times the memory"


def test_both_parts_stand_in_the_report_and_only_where_there_is_something_to_say(run: Run, tmp_path: Path) -> None:
    lines = write_report([run], tmp_path / "with")
    write_report([small_run()], tmp_path / "without")
    for name in ("exact-forms", "runtimes"):
        assert f'<section id="{name}">' in (tmp_path / "with" / "report.html").read_text()
        assert f'<section id="{name}">' not in (tmp_path / "without" / "report.html").read_text()
        assert {path.suffix for path in (tmp_path / "with").glob(f"{name}.*")} >= {".md", ".tex", ".csv"}
        assert not list((tmp_path / "without").glob(f"{name}.*"))
    assert (tmp_path / "with" / "exact-forms.svg").exists()
    assert [line for line in lines if line.startswith("Exact forms of ")]
    columns = (tmp_path / "with" / "results.md").read_text().splitlines()[0]
    assert "runtime" in columns
    assert "conversion, s" in columns
