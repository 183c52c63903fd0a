"""What a gate has found, as people and as CI read it: golden Markdown, and files that their readers can parse."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from upbench.gate.decision import Decision, Outcome, Verdict
from upbench.gate.observed import Observed
from upbench.gate.output import (
    HEADINGS,
    LOG_WIDTH,
    as_dict,
    junit,
    markdown,
    power_lines,
    rows,
    seconds_text,
    terminal_table,
)
from upbench.gate.procedure import GateReport, GateSettings
from upbench.gate.series import Rule, Series
from upbench.records.statistics import Interval

GOLDEN = Path(__file__).parent / "golden"

SETTINGS = GateSettings("main", Rule(tolerance=0.015, target=0.04))
SLOWER = Verdict(
    "benchmarks/test_a.py::test_decode[2-float32]",
    "regression",
    ("slower: 1.108 times the reference's time", "flops: 10,000 → 10,001"),
    Interval(1.099, 1.1084, 1.1151),
    0.0221,
    12,
    (12.34e-3, 13.68e-3),
    fails_without_latency=True,
)
FAILED = Verdict("benchmarks/test_a.py::test_b[bold]", "error", ("failed on the candidate side: x < 3 & y",))
NOISY = Verdict(
    "benchmarks/test_b.py::test_c",
    "undecided",
    ("too noisy: a slowdown below 31% would not have been seen",),
    Interval(0.9, 1.0, 1.2),
    0.3123,
    24,
    (2.5, 2.6),
)
FASTER = Verdict("test_b.py::test_d", "improvement", ("faster: 0.5 times",), Interval(0.4, 0.5, 0.6), 0.05, 6)
NEW = Verdict("test_b.py::test_new", "new", ("missing on the reference side",))
SAME = Verdict("test_b.py::test_e", "same", (), Interval(0.99, 1.0, 1.01), 0.02, 6, (1.5e-6, 1.5e-6))
SKIPPED = Verdict("test_b.py::test_gpu", "skipped", ("needs a GPU",))
POOL = Verdict("test_a.py::test_decode", "same", (), Interval(0.99, 1.0, 1.01), 0.011, 6, pool=True)
VERDICTS = (SKIPPED, SAME, POOL, NEW, FASTER, NOISY, FAILED, SLOWER)
CONTROL = Verdict("copy", "same", (), Interval(0.998, 1.001, 1.004), 0.01, 12)


def report_of(*verdicts: Verdict, outcome: Outcome = "regression", **fields: Any) -> GateReport:
    decision = Decision(outcome, "One sentence says it.", verdicts, (CONTROL,))
    evidence = (Observed(SLOWER.name, Series({0: 0.1, 1: 0.11}), peaks=([1, 2], [3, 4])), Observed(FAILED.name))
    controls = {"copy": Series({0: 0.001, 1: -0.002})}
    return GateReport(decision, evidence, controls, "0123456789abcdef" * 2 + "01234567", 12, 83.4, **fields)


def printed(decision: Decision, width: int = LOG_WIDTH) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(terminal_table(decision))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def cases(report: GateReport) -> dict[str, ElementTree.Element]:
    """The test cases of the JUnit file by their names."""
    return {case.attrib["name"]: case for case in ElementTree.fromstring(junit(report)).iter("testcase")}


def outcome_of(case: ElementTree.Element) -> list[str]:
    return [child.tag for child in case if child.tag != "system-out"]


def test_the_markdown_is_the_golden_one() -> None:
    text = markdown(report_of(*VERDICTS, notes=("Something to know.",)), SETTINGS)
    golden = GOLDEN / "summary.md"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_the_markdown_folds_what_has_not_changed() -> None:
    told, folded = markdown(report_of(*VERDICTS), SETTINGS).split("<details>")
    assert all(verdict.name in told for verdict in (SLOWER, FAILED, NOISY, FASTER, NEW))
    assert all(verdict.name in folded for verdict in (SAME, SKIPPED))


def test_the_markdown_of_a_quiet_gate_has_nothing_but_the_folded_table() -> None:
    text = markdown(report_of(SAME, outcome="pass"), SETTINGS)
    assert text.startswith("### ✅ Benchmarks against `main`: pass")
    assert text.index("<details>") < text.index("| verdict")


@pytest.mark.parametrize(("outcome", "mark"), [("pass", "✅"), ("regression", "❌"), ("inconclusive", "⚠️")])
def test_the_markdown_begins_with_the_outcome(outcome: Outcome, mark: str) -> None:
    assert markdown(report_of(outcome=outcome), SETTINGS).startswith(f"### {mark} Benchmarks against `main`: {outcome}")


def test_the_worst_comes_first_and_pools_after_the_benchmarks() -> None:
    assert [row[0] for row in rows(VERDICTS)] == [
        *("error", "regression", "undecided", "improvement", "new", "same", "same", "skipped")
    ]
    assert [row[6] for row in rows(VERDICTS) if row[0] == "same"] == [SAME.name, f"all of {POOL.name}"]


def test_a_row_has_a_cell_for_each_heading() -> None:
    assert dict(zip(HEADINGS, rows([SLOWER])[0], strict=True)) == {
        "verdict": "regression",
        "ratio": "1.108",
        "95% interval": "1.099 to 1.115",
        "sees ≥": "2.2%",
        "launches": "12",
        "reference": "12.3 ms",
        "benchmark": SLOWER.name,
        "reason": "slower: 1.108 times the reference's time; flops: 10,000 → 10,001",
    }


def test_what_is_not_known_is_a_dash() -> None:
    assert rows([Verdict("a", "skipped")]) == [("skipped", "–", "–", "–", "–", "–", "a", "–")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (1.0, "1 s"), (0.01234, "12.3 ms"), (1e-3, "1 ms"), (4.5e-6, "4.5 µs"), (2.5e-8, "25 ns")],
)
def test_seconds_have_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_brackets_of_a_test_are_no_markup_in_the_terminal() -> None:
    table = printed(Decision("pass", "", (SLOWER, FAILED)))
    assert "test_decode[2-float32]" in table
    assert "test_b[bold]" in table


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_terminal_of_80_columns_or_more_shows_the_whole_name(width: int) -> None:
    lines = printed(Decision("pass", "", (SLOWER,)), width).splitlines()
    (column,) = {line.index("benchm") for line in lines if line.strip().startswith("regression")}
    assert SLOWER.name in "".join(line[column:].strip() for line in lines)


def test_a_reason_stands_under_the_name_in_the_terminal() -> None:
    lines = printed(Decision("pass", "", (FAILED,))).splitlines()
    (name,) = (index for index, line in enumerate(lines) if FAILED.name in line)
    assert lines[name + 1].strip() == FAILED.reasons[0]


def test_the_power_is_that_of_half_and_of_all_benchmarks() -> None:
    (line,) = power_lines(Decision("pass", "", (SAME, SLOWER, NOISY)))
    assert "slowdowns of 2.2% and more in half of the benchmarks, of 31.2% in all" in line


def test_controls_are_told_with_their_interval() -> None:
    assert power_lines(Decision("pass", "", (SKIPPED,), (CONTROL,))) == [
        "copy, same code on both sides: 1.001 (0.998 to 1.004)"
    ]


def test_a_control_that_was_never_timed_is_not_told() -> None:
    assert power_lines(Decision("pass", "", (), (Verdict("copy", "same"),))) == []


def test_junit_has_a_case_for_each_verdict_and_one_for_the_whole() -> None:
    assert set(cases(report_of(*VERDICTS))) == {*(verdict.name for verdict in VERDICTS), "outcome"}


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (SLOWER, ["failure"]),
        (FAILED, ["error"]),
        (NOISY, ["skipped"]),
        (SKIPPED, ["skipped"]),
        (FASTER, []),
        (NEW, []),
        (SAME, []),
    ],
    ids=lambda value: value.kind if isinstance(value, Verdict) else "",
)
def test_junit_tells_each_verdict_in_its_own_words(verdict: Verdict, outcome: list[str]) -> None:
    assert outcome_of(cases(report_of(*VERDICTS))[verdict.name]) == outcome


@pytest.mark.parametrize(("outcome", "told"), [("pass", []), ("regression", []), ("inconclusive", ["error"])])
def test_junit_has_an_error_of_its_own_for_an_inconclusive_gate(outcome: Outcome, told: list[str]) -> None:
    assert outcome_of(cases(report_of(SAME, outcome=outcome))["outcome"]) == told


def test_junit_counts_what_it_holds() -> None:
    suite = ElementTree.fromstring(junit(report_of(*VERDICTS, outcome="inconclusive"))).find("testsuite")
    assert suite is not None
    counts = {key: int(suite.attrib[key]) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 9, "failures": 1, "errors": 2, "skipped": 2}


def test_junit_keeps_what_xml_would_read_otherwise() -> None:
    error = cases(report_of(FAILED))[FAILED.name].find("error")
    assert error is not None
    assert error.attrib["message"] == FAILED.reasons[0]


def test_junit_tells_a_pool_from_a_benchmark() -> None:
    found = cases(report_of(SAME, POOL))
    assert [found[each.name].attrib["classname"] for each in (SAME, POOL)] == ["benchmark", "benchmark pool"]


def document(report: GateReport) -> dict[str, Any]:
    text = json.dumps(as_dict(report, SETTINGS, {"cpu": "Test CPU"}), allow_nan=False)
    return dict(json.loads(text))


def test_json_has_the_outcome_and_what_led_to_it() -> None:
    found = document(report_of(*VERDICTS, notes=("Something to know.",)))
    assert (found["outcome"], found["exit_code"], found["sentence"]) == ("regression", 1, "One sentence says it.")
    assert (found["launches"], found["seconds"], found["notes"]) == (12, 83.4, ["Something to know."])
    assert found["machine"] == {"cpu": "Test CPU"}


def test_json_has_the_settings() -> None:
    found = document(report_of(SAME))["settings"]
    assert (found["reference"], found["rule"]["tolerance"], found["budget_s"]) == ("main", 0.015, 180.0)


def test_json_has_every_launch_of_every_benchmark_and_control() -> None:
    found = document(report_of(*VERDICTS))
    verdicts = {verdict["name"]: verdict for verdict in found["verdicts"]}
    assert verdicts[SLOWER.name]["log_ratios"] == [0.1, 0.11]
    assert verdicts[SLOWER.name]["resident_peak_bytes"] == [[1, 2], [3, 4]]
    assert verdicts[FAILED.name]["log_ratios"] == []
    assert verdicts[POOL.name]["log_ratios"] is None
    assert found["controls"] == {"copy": [0.001, -0.002]}


def test_junit_can_be_read_whatever_a_dying_process_has_printed() -> None:
    report = report_of(Verdict("test_a", "error", ("last words: \x1b[31mred\x00",)))
    (error,) = cases(report)["test_a"].iter("error")
    assert error.get("message") == "last words: [31mred"


def test_junit_of_a_gate_that_passes_fails_nobody() -> None:
    document = ElementTree.fromstring(junit(report_of(SLOWER, outcome="pass")))
    assert [each.get("failures") for each in document.iter("testsuite")] == ["0"]


def test_junit_says_how_long_the_gate_took() -> None:
    report = report_of(SAME)
    (suite,) = ElementTree.fromstring(junit(report)).iter("testsuite")
    assert float(suite.get("time", "nan")) == pytest.approx(report.seconds)


def test_a_bar_or_a_new_line_does_not_break_the_markdown_table() -> None:
    report = report_of(Verdict("test_x[a|b]", "error", ("first\nsecond | third",)))
    (line,) = [line for line in markdown(report, SETTINGS).splitlines() if "test_x" in line and line.startswith("|")]
    assert r"`test_x[a\|b]`" in line
    assert r"first second \| third" in line


def test_nobody_elses_words_are_markup_in_the_markdown() -> None:
    """A pull request's tests name themselves, and what they raise is commented under it."""
    verdict = Verdict("test_a.py::test_x[`@team` <img>]", "error", ("![seen](https://example.org) @team `<script>",))
    decision = Decision("regression", "test_x[<b>] @team", (verdict,))
    text = markdown(replace(report_of(), decision=decision), SETTINGS)
    assert "`` test_a.py::test_x[`@team` <img>] ``" in text
    assert "!\\[seen](https://example.org) @\u200bteam \\`&lt;script&gt;" in text
    assert "test_x\\[&lt;b&gt;] @\u200bteam" in text
