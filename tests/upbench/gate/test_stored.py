"""The gate on two stored runs of synthetic records: exact quantities always, latency on the same machine alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.upbench.synthetic import case, measured, refused, run_of
from upbench.gate.decision import Decision, Verdict
from upbench.gate.series import Rule
from upbench.gate.stored import decide_stored
from upbench.records.record import Record, Run

STEADY = (1.0e-3, 1.01e-3, 1.0e-3, 0.99e-3, 1.0e-3)
NAME = case("subpixel").id


def of(scale: float = 1.0, **quantities: Any) -> Record:
    return measured(case("subpixel"), [scale * median for median in STEADY], **quantities)


def judged(before: Record | Run, after: Record | Run, judge_latency: bool = True, **rule: Any) -> Decision:
    a, b = (each if isinstance(each, Run) else run_of([each]) for each in (before, after))
    return decide_stored(a, b, Rule(**rule), judge_latency)


def only(decision: Decision) -> Verdict:
    (verdict,) = decision.verdicts
    return verdict


def test_a_run_is_no_regression_of_itself() -> None:
    decision = judged(of(), of())
    assert (decision.outcome, only(decision).kind, only(decision).reasons) == ("pass", "same", ())


def test_what_is_slower_for_certain_is_a_regression() -> None:
    decision = judged(of(), of(1.5))
    assert (decision.exit_code, only(decision).reasons) == (1, ("B slower: 1.500 times A's time",))
    assert decision.sentence == f"{NAME} (1 in all) got worse: B slower: 1.500 times A's time."


def test_what_is_faster_for_certain_is_an_improvement() -> None:
    decision = judged(of(), of(0.6))
    assert (decision.outcome, only(decision).kind) == ("pass", "improvement")


def test_what_may_be_drift_between_two_runs_is_no_regression() -> None:
    assert only(judged(of(), of(1.03))).kind == "same"


def test_what_may_lie_within_the_tolerance_is_no_regression() -> None:
    slower = only(judged(of(), of(1.5), tolerance=0.4))
    assert slower.ratio is not None
    assert slower.ratio.low < 1.44 < slower.ratio.high
    within = only(judged(of(), of(1.5), tolerance=0.44))
    assert (slower.kind, within.kind, within.reasons) == ("regression", "same", ())


def test_a_latency_that_is_not_judged_is_no_regression() -> None:
    decision = judged(of(), of(1.5), judge_latency=False)
    assert (decision.outcome, only(decision).kind) == ("pass", "same")


def test_a_verdict_has_both_latencies_and_their_ratio() -> None:
    verdict = only(judged(of(), of(1.5)))
    assert verdict.ratio is not None
    assert verdict.ratio.estimate == pytest.approx(1.5)
    assert verdict.call_s == pytest.approx((1.0e-3, 1.5e-3), rel=1e-3)
    assert verdict.launches == len(STEADY)


def test_an_exact_quantity_that_grew_is_a_regression() -> None:
    decision = judged(of(), of(params=2321))
    assert (decision.exit_code, only(decision).reasons) == (1, ("params: 2,320 → 2,321",))


def test_an_exact_quantity_that_shrank_is_an_improvement() -> None:
    decision = judged(of(), of(params=2319))
    assert only(decision).kind == "improvement"
    assert (decision.outcome, only(decision).reasons) == ("pass", ("params: 2,320 → 2,319",))


def test_an_exact_quantity_that_is_no_longer_stated_is_a_regression() -> None:
    assert judged(of(), of(peak_tensor_bytes=None)).outcome == "regression"


def test_an_exact_quantity_that_was_not_stated_before_is_none() -> None:
    assert judged(of(peak_tensor_bytes=None), of()).outcome == "pass"


def test_another_machine_is_refused_in_a_sentence() -> None:
    decision = judged(of(), run_of([of(1.5)], cpu="Another CPU", torch="3.0.0"))
    assert (decision.exit_code, only(decision).kind) == (3, "same")
    assert decision.sentence.startswith(
        "Different conditions (cpu): latencies are not comparable and are not judged; exact quantities are"
    )


def test_another_machine_is_a_pass_where_latency_is_not_judged() -> None:
    decision = judged(of(), run_of([of(1.5)], cpu="Another CPU"), judge_latency=False)
    assert decision.outcome == "pass"


def test_exact_quantities_are_judged_between_machines() -> None:
    decision = judged(of(), run_of([of(flops=10_000_001)], cpu="Another CPU"))
    assert decision.exit_code == 1
    assert "flops: 10,000,000 → 10,000,001" in decision.sentence


def test_a_case_that_is_missing_is_an_error() -> None:
    decision = judged(run_of([of(), measured(case("transposed"), STEADY)]), of())
    kinds = {verdict.name: (verdict.kind, verdict.reasons) for verdict in decision.verdicts}
    assert kinds[case("transposed").id] == ("error", ("missing in B",))
    assert decision.exit_code == 1


def test_a_case_that_came_to_it_is_new() -> None:
    decision = judged(of(), run_of([of(), measured(case("transposed"), STEADY)]))
    assert (decision.outcome, decision.verdicts[-1].kind) == ("pass", "new")


def test_a_case_that_ran_before_and_does_not_now_is_an_error() -> None:
    decision = judged(of(), refused(case("subpixel"), "timeout", "no answer within 120 s"))
    assert (decision.exit_code, only(decision).reasons) == (1, ("timeout in B: no answer within 120 s",))


def test_a_case_that_runs_now_and_did_not_before_is_no_regression() -> None:
    decision = judged(refused(case("subpixel"), "timeout", "no answer within 120 s"), of())
    assert decision.outcome == "pass"


def test_a_case_that_ran_in_neither_is_skipped() -> None:
    decision = judged(refused(case("subpixel")), refused(case("subpixel")))
    assert (decision.outcome, only(decision).kind) == ("pass", "skipped")
    assert only(decision).reasons == ("cannot do that scale",)


@pytest.mark.parametrize(("judge_latency", "code"), [(True, 3), (False, 0)])
def test_too_few_launches_leave_latency_undecided(judge_latency: bool, code: int) -> None:
    decision = judged(of(), measured(case("subpixel"), [1e-3]), judge_latency)
    assert (only(decision).kind, decision.exit_code) == ("undecided", code)


def test_an_exact_quantity_that_grew_outweighs_what_is_undecided() -> None:
    decision = judged(of(), measured(case("subpixel"), [1e-3], flops=1 << 40))
    assert (only(decision).kind, decision.exit_code) == ("regression", 1)


def test_a_pass_between_versions_names_them() -> None:
    before, after = (run_of([measured(case("subpixel"), STEADY)], torch=version) for version in ("2.12.0", "2.13.0"))
    assert "between which torch 2.12.0 → 2.13.0" in judged(before, after).sentence
