"""From what is known of each benchmark to a verdict on it, and on the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.upbench.gate.evidence import (
    FAILED,
    LOOKS_SLOWER,
    MIB,
    MISSING,
    NOISY,
    PASSED,
    QUIET,
    SKIPPED,
    SLOWER,
    evidence,
    only,
    returning,
    series,
    stating,
)
from upbench.gate.decision import EXIT_CODES, Decision, Verdict, decide
from upbench.gate.observed import Closed, Observed
from upbench.gate.series import CONFIRMING, SCREENING, Rule


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (QUIET, "same"),
        (SLOWER, "regression"),
        (LOOKS_SLOWER, "undecided"),
        (NOISY, "undecided"),
        ([-value for value in LOOKS_SLOWER], "improvement"),
        ([-0.02 + value for value in QUIET], "improvement"),
        ([-0.005 + value for value in QUIET], "same"),
        (QUIET[:5], "undecided"),
        ((), "undecided"),
    ],
)
def test_launches_decide_on_a_benchmark(values: Sequence[float], kind: str) -> None:
    assert only(evidence(values=values)).kind == kind


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (SLOWER, "slower: 1.108 times the reference's time"),
        (LOOKS_SLOWER, "looks slower, not certain within the budget"),
        ([-value for value in LOOKS_SLOWER], "faster: 0.903 times the reference's time"),
        (QUIET[:5], "too few launches"),
    ],
)
def test_a_verdict_on_latency_says_why(values: Sequence[float], said: str) -> None:
    assert only(evidence(values=values)).reasons == (said,)


def test_a_noisy_benchmark_says_what_it_could_not_have_seen() -> None:
    verdict = only(evidence(values=NOISY))
    assert verdict.detectable is not None
    assert verdict.reasons == (f"too noisy: a slowdown below {verdict.detectable:.0%} would not have been seen",)


def test_a_benchmark_that_is_a_little_noisy_is_not_undecided() -> None:
    values = (0.035, -0.03, 0.02, -0.025, 0.031, -0.01)
    assert series(values).standing(Rule(), 1) == "open"
    assert only(evidence(values=values)).kind == "same"


def test_a_verdict_has_the_median_call_of_each_side() -> None:
    assert only(evidence(call_s=[(1.0, 4.0), (3.0, 5.0), (2.0, 9.0)])).call_s == (2.0, 5.0)


def test_a_pool_is_found_where_no_member_is() -> None:
    noise = np.random.default_rng(3).normal(0.0, 0.04, size=(4, SCREENING + CONFIRMING))
    shift = np.log(1.02) + np.random.default_rng(4).normal(0.0, 0.002, size=SCREENING + CONFIRMING)
    # What one member is off, another makes up for.
    cases = [evidence(f"test_a[{i}]", list(shift + row)) for i, row in enumerate([*noise, *-noise])]
    verdicts = decide(cases, {}, Rule()).verdicts
    assert [verdict.name for verdict in verdicts if verdict.kind == "regression"] == ["test_a"]
    assert verdicts[-1].pool


def test_a_benchmark_alone_is_no_pool() -> None:
    assert [verdict.pool for verdict in decide([evidence("test_a[1]")], {}, Rule()).verdicts] == [False]


def test_the_power_of_a_gate_is_the_median_over_benchmarks_without_pools() -> None:
    verdicts = (Verdict("a", "same", detectable=0.1), Verdict("b", "same", detectable=0.3), Verdict("c", "skipped"))
    pool = Verdict("p", "same", detectable=9.0, pool=True)
    assert Decision("pass", "", (*verdicts, pool)).detectable == pytest.approx(0.2)


def test_a_gate_without_latencies_has_no_power() -> None:
    assert Decision("pass", "", (Verdict("c", "skipped"),)).detectable is None


@pytest.mark.parametrize(
    ("before", "after", "kind", "reasons"),
    [
        (10_000, 10_000, "same", ()),
        (10_000, 10_001, "regression", ("flops: 10,000 → 10,001",)),
        (10_000, 9_999, "improvement", ("flops: 10,000 → 9,999",)),
        (10_000, None, "regression", ("flops: 10000 → None",)),
        (None, None, "same", ()),
    ],
)
def test_an_exact_quantity_needs_no_statistics(before: Any, after: Any, kind: str, reasons: tuple[str, ...]) -> None:
    verdict = only(stating({"flops": before}, {"flops": after}))
    assert (verdict.kind, verdict.reasons) == (kind, reasons)


def test_an_exact_quantity_that_one_side_does_not_state_at_all_is_a_regression() -> None:
    assert only(stating({"params": 7}, {})).kind == "regression"


def test_one_quantity_that_grew_outweighs_another_that_shrank() -> None:
    verdict = only(stating({"flops": 1, "params": 5}, {"flops": 2, "params": 4}))
    assert (verdict.kind, verdict.reasons) == ("regression", ("flops: 1 → 2", "params: 5 → 4"))


def test_a_quantity_that_shrank_does_not_hide_a_slowdown() -> None:
    assert only(stating({"flops": 2}, {"flops": 1}, values=SLOWER)).kind == "regression"


def test_a_quantity_of_ones_own_counts_where_it_is_named() -> None:
    case = stating({"queries": 3}, {"queries": 4})
    assert only(case).kind == "same"
    assert only(case, rule=Rule(exact=("queries",))).kind == "regression"


def test_memory_that_grew_is_a_regression() -> None:
    verdict = only(evidence(peaks=([100 * MIB] * 2, [120 * MIB] * 2)))
    assert (verdict.kind, verdict.reasons) == ("regression", ("resident peak: 100.0 → 120.0 MiB",))


def test_memory_that_shrank_is_an_improvement() -> None:
    assert only(evidence(peaks=([120 * MIB] * 2, [100 * MIB] * 2))).kind == "improvement"


@pytest.mark.parametrize("off", [0.0, 0.9e-3, -0.9e-3])
def test_an_output_within_what_the_suite_allows_is_the_same(off: float) -> None:
    assert only(returning([1.0, -2.0, 0.0], [1.0, -2.0, 2 * off], result_rtol=1e-3)).kind == "same"


@pytest.mark.parametrize("other", [2.01, float("nan"), float("inf")])
def test_an_output_that_differs_is_an_error(other: float) -> None:
    verdict = only(returning([1.0, 2.0], [1.0, other], result_rtol=1e-3))
    assert verdict.kind == "error"
    assert "of its largest value, allowed 1e-03" in verdict.reasons[0]


def test_an_output_of_another_shape_is_an_error() -> None:
    verdict = only(returning([[1.0, 2.0]], [1.0, 2.0], result_rtol=1e-3))
    assert (verdict.kind, verdict.reasons) == ("error", ("the output has shape (2,), the reference's (1, 2)",))


def test_a_reference_of_zeros_allows_a_difference_of_its_own_size() -> None:
    assert only(returning([0.0, 0.0], [0.0, 1e-4], result_rtol=1e-3)).kind == "same"
    assert only(returning([0.0, 0.0], [0.0, 1e-2], result_rtol=1e-3)).kind == "error"


def test_an_empty_output_is_the_same_as_an_empty_output() -> None:
    assert only(returning([], [], result_rtol=0.0)).kind == "same"


def test_outputs_are_compared_only_where_the_suite_says_how() -> None:
    assert only(returning([1.0], [9.0])).kind == "same"


@pytest.mark.parametrize(
    ("reference", "candidate", "reason"),
    [
        (MISSING, PASSED, "missing on the reference side"),
        (PASSED, MISSING, "missing on the candidate side"),
        (FAILED, PASSED, "failed on the reference side: ValueError: no"),
        (PASSED, FAILED, "failed on the candidate side: ValueError: no"),
        (SKIPPED, PASSED, "skipped on the reference side alone: needs a GPU"),
        (PASSED, SKIPPED, "skipped on the candidate side alone: needs a GPU"),
        (PASSED, Closed("failed"), "failed on the candidate side: no reason"),
    ],
)
def test_what_does_not_run_on_one_side_is_an_error(reference: Closed, candidate: Closed, reason: str) -> None:
    verdict = only(evidence(endings=(reference, candidate)))
    assert (verdict.kind, verdict.reasons) == ("error", (reason,))


def test_what_fails_on_both_sides_is_an_error_of_the_suite_and_no_regression() -> None:
    found = decide([evidence(endings=(FAILED, FAILED))], {}, Rule())
    assert (found.outcome, found.exit_code) == ("error", 1)
    assert found.sentence.endswith("could not be run: failed on both sides: ValueError: no.")
    differently = only(evidence(endings=(FAILED, Closed("failed", "KeyError: 1"))))
    assert (len(differently.reasons), differently.broken) == (2, True)


def test_an_error_of_the_suite_hides_no_regression() -> None:
    worse = returning([1.0], [2.0], result_rtol=0.1)
    found = decide([evidence("broken", endings=(FAILED, FAILED)), worse], {}, Rule())
    assert found.outcome == "regression"
    assert found.sentence.startswith("case failed or differ")


def test_what_is_skipped_on_both_sides_is_skipped() -> None:
    verdict = only(evidence(endings=(SKIPPED, SKIPPED)))
    assert (verdict.kind, verdict.reasons) == ("skipped", ("needs a GPU",))


@pytest.mark.parametrize("reference", [FAILED, MISSING, SKIPPED])
def test_what_runs_on_the_candidates_side_alone_may_be_new(reference: Closed) -> None:
    found = decide([evidence(endings=(reference, PASSED))], {}, Rule(allow_new=True))
    assert (found.verdicts[0].kind, found.outcome) == ("new", "pass")


@pytest.mark.parametrize("reference", [PASSED, FAILED, MISSING])
def test_what_fails_on_the_candidates_side_is_never_new(reference: Closed) -> None:
    assert only(evidence(endings=(reference, FAILED)), rule=Rule(allow_new=True)).kind == "error"


def test_an_output_that_differs_is_never_new() -> None:
    assert only(returning([1.0], [2.0], result_rtol=0.1), rule=Rule(allow_new=True)).kind == "error"


INGREDIENTS: dict[str, Callable[[], Observed]] = {
    "error": lambda: evidence("error", endings=(PASSED, FAILED)),
    "counted": lambda: stating({"flops": 1}, {"flops": 2}),
    "slower": lambda: evidence("slower", SLOWER),
    "undecided": lambda: evidence("undecided", NOISY),
    "same": lambda: evidence("same"),
}


def gate_of(ingredients: str, judge_latency: bool = True) -> Decision:
    names = ingredients.split()
    controls = {"arithmetic": series(QUIET), "copy": series(SLOWER if "contaminated" in names else QUIET)}
    cases = [INGREDIENTS[name]() for name in names if name != "contaminated"]
    return decide(cases, controls, Rule(), judge_latency)


@pytest.mark.parametrize(
    ("ingredients", "outcome", "sentence"),
    [
        ("same", "pass", "No regression: nothing is slower by more than 1% for certain."),
        ("same undecided", "inconclusive", "undecided could not be decided"),
        ("undecided slower same", "regression", "slower got worse: slower: 1.108"),
        ("slower undecided contaminated", "inconclusive", "The machine is contaminated: copy differs"),
        ("same contaminated", "inconclusive", "The machine is contaminated: copy differs"),
        ("slower counted contaminated", "regression", "case got worse: flops: 1 → 2."),
        ("counted error contaminated", "regression", "error failed or differ"),
        ("slower error undecided", "regression", "error failed or differ"),
    ],
)
def test_the_worst_that_is_certain_decides(ingredients: str, outcome: str, sentence: str) -> None:
    found = gate_of(ingredients)
    assert found.outcome == outcome
    assert found.sentence.startswith(sentence)


@pytest.mark.parametrize(
    ("ingredients", "outcome"),
    [
        ("same", "pass"),
        ("undecided", "pass"),
        ("slower", "pass"),
        ("slower contaminated", "pass"),
        ("slower counted", "regression"),
        ("undecided error", "regression"),
    ],
)
def test_a_latency_that_is_not_judged_decides_nothing(ingredients: str, outcome: str) -> None:
    assert gate_of(ingredients, judge_latency=False).outcome == outcome


def test_a_latency_that_is_not_judged_is_reported() -> None:
    assert "Latency, not judged: slower got worse: slower: 1.108" in gate_of("slower", judge_latency=False).sentence


def test_a_sentence_names_the_first_and_counts_the_rest() -> None:
    cases = [evidence(name, endings=(PASSED, MISSING)) for name in "abc"]
    assert decide(cases, {}, Rule()).sentence == "a (3 in all) failed or differ: missing on the candidate side."


@pytest.mark.parametrize("sign", [1, -1])
def test_a_control_that_differs_either_way_is_contaminated(sign: int) -> None:
    found = decide([evidence()], {"copy": series([sign * value for value in LOOKS_SLOWER])}, Rule())
    assert (found.outcome, found.exit_code) == ("inconclusive", 3)


def test_controls_are_reported_and_are_no_benchmarks() -> None:
    found = gate_of("same contaminated")
    assert [(control.name, control.kind) for control in found.controls] == [("arithmetic", "same"), ("copy", "same")]
    assert [verdict.name for verdict in found.verdicts] == ["same"]


@pytest.mark.parametrize(("outcome", "code"), [("pass", 0), ("regression", 1), ("error", 1), ("inconclusive", 3)])
def test_every_outcome_has_its_exit_code(outcome: Any, code: int) -> None:
    assert Decision(outcome, "", ()).exit_code == code
    assert set(EXIT_CODES) == {"pass", "regression", "error", "inconclusive"}


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (10, float("nan"), "regression"),
        (10, "many", "regression"),
        (float("nan"), 10, "undecided"),
        ("n/a", 10, "improvement"),
        (float("nan"), float("nan"), "undecided"),
        (5, "x", "regression"),
        (None, 5, "improvement"),
        (5, 4.5, "improvement"),
    ],
)
def test_only_a_smaller_number_or_a_first_one_is_better(before: Any, after: Any, kind: str) -> None:
    case = stating({"flops": before}, {"flops": after})
    (verdict,) = decide([case], {}, Rule()).verdicts
    assert verdict.kind == kind


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_on_both_sides_does_not_differ(value: float) -> None:
    assert decide([returning([1.0, value], [1.0, value], result_rtol=1e-5)], {}, Rule()).outcome == "pass"
    assert decide([returning([1.0, 2.0], [1.0, value], result_rtol=1e-5)], {}, Rule()).outcome == "regression"


def test_an_output_that_became_too_large_to_compare_is_an_error() -> None:
    case = returning([1.0], [1.0], result_rtol=1e-5)
    assert case.examined is not None
    case.examined = (case.examined[0], Closed("passed", extra_info={"result_rtol": 1e-5}))
    (verdict,) = decide([case], {}, Rule()).verdicts
    assert verdict.kind == "error"


@pytest.mark.parametrize("rtol", ["loose", float("nan")])
def test_outputs_that_the_suite_wants_compared_by_no_number_are_undecided(rtol: Any) -> None:
    verdict = only(returning([1.0], [2.0], result_rtol=rtol))
    assert verdict.kind == "undecided"
    assert "the output cannot be compared: result_rtol is no number" in verdict.reasons[0]


def test_a_tolerance_that_could_not_be_sent_is_no_number_either() -> None:
    closed = Closed("passed", not_compared={"result_rtol": "list"}, result=np.ones(1))
    assert only(evidence(examined=(closed, replace(closed, result=np.zeros(1))))).kind == "undecided"
