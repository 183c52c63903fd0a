"""From log-ratios, counts and endings that are known to a verdict; no process is started and nothing is timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from upbench.gate.decision import EXIT_CODES, Decision, Verdict, decide
from upbench.gate.observed import LEAST_MEMORY_BYTES, Closed, Observed, family_size, open_cases, pooled, pools
from upbench.gate.series import CONFIRMING, ROUND, SCREENING, Rule, Series
from upbench.records.statistics import signed_rank_p

QUIET = (-0.002, 0.0011, -0.0013, 0.0021, 0.0005, -0.0015)
SLOWER = (0.101, 0.112, 0.093, 0.104, 0.095, 0.106, 0.107, 0.098, 0.109, 0.091, 0.102, 0.113)
LOOKS_SLOWER = SLOWER[:SCREENING]
NOISY = (0.31, -0.28, 0.22, -0.35, 0.12, -0.09)
MIB = 1 << 20

PASSED, MISSING = Closed("passed"), Closed("missing")
FAILED = Closed("failed", "ValueError: no\nand more lines")
SKIPPED = Closed("skipped", "needs a GPU")

# The example of docs/gate.md.
SCREENED = (0.046, 0.061, 0.038, 0.052, 0.240, 0.044)
FOLLOWED = (0.049, 0.057, 0.031, 0.063, -0.012, 0.047)


def series(values: Sequence[float]) -> Series:
    return Series(dict(enumerate(values)))


def evidence(name: str = "case", values: Sequence[float] = QUIET, **fields: Any) -> Observed:
    return Observed(name, series(values), **fields)


def stating(before: dict[str, Any], after: dict[str, Any], **fields: Any) -> Observed:
    return evidence(examined=(Closed("passed", extra_info=before), Closed("passed", extra_info=after)), **fields)


def returning(before: Any, after: Any, **extra_info: Any) -> Observed:
    sides = [Closed("passed", extra_info=extra_info, result=np.asarray(result)) for result in (before, after)]
    return evidence(examined=(sides[0], sides[1]))


def in_pool(name: str, pool: str, values: Sequence[float] = QUIET) -> Observed:
    stated = Closed("passed", extra_info={"pool": pool})
    return evidence(name, values, examined=(stated, stated))


def only(*cases: Observed, rule: Rule | None = None) -> Verdict:
    """The first verdict of those cases alone."""
    return decide(cases, {}, rule or Rule()).verdicts[0]


@given(st.lists(st.floats(-1, 1), max_size=SCREENING - 1))
def test_fewer_launches_than_a_screening_leave_everything_open(values: list[float]) -> None:
    assert series(values).standing(Rule(), 1) == "open"


def test_a_quiet_series_is_clear_after_the_screening() -> None:
    assert series(QUIET).standing(Rule(), 100) == "clear"


@given(st.lists(st.floats(0.05, 3), min_size=SCREENING, max_size=SCREENING + CONFIRMING - 1))
def test_nothing_is_slower_before_it_is_confirmed_by_fresh_launches(values: list[float]) -> None:
    assert series(values).standing(Rule(), 1) != "slower"


def test_a_slowdown_is_slower_once_it_is_confirmed() -> None:
    assert series(SLOWER[:-ROUND]).standing(Rule(), 30) == "open"
    assert series(SLOWER).standing(Rule(), 30) == "slower"


def test_what_the_fresh_launches_do_not_confirm_is_not_slower() -> None:
    values = [*LOOKS_SLOWER, 0.05, 0.061, 0.042, 0.033, 0.001, -0.031]
    assert signed_rank_p(values, Rule().log_tolerance) < 0.05 / 2
    assert series(values).standing(Rule(), 1) != "slower"


def test_fresh_launches_alone_do_not_condemn() -> None:
    fast_before = [-value for value in SLOWER[:SCREENING]]
    assert series([*fast_before, *SLOWER[SCREENING:]]).standing(Rule(), 1) == "open"


def test_one_wild_launch_condemns_nothing() -> None:
    assert series([3.0, *QUIET[1:], *QUIET]).standing(Rule(), 1) == "clear"


def test_one_wild_launch_acquits_nothing() -> None:
    values = list(SLOWER)
    values[SCREENING + 2] = -0.005
    assert series(values).standing(Rule(), 8) == "slower"


def test_a_slowdown_that_is_tolerated_is_clear_however_certain() -> None:
    assert series([0.005 + value for value in QUIET] * 2).standing(Rule(), 1) == "clear"


def test_a_slowdown_between_tolerance_and_target_may_be_called_slower_before_it_is_cleared() -> None:
    steady = [0.02 + value for value in QUIET]
    assert series(steady).standing(Rule(), 1) == "clear"
    assert series([*steady, *steady[::-1]]).standing(Rule(), 1) == "slower"


def test_what_is_neither_found_nor_ruled_out_stays_open() -> None:
    assert series(NOISY).standing(Rule(), 1) == "open"


def test_twelve_launches_can_confirm_a_family_of_102_and_no_more() -> None:
    assert series(SLOWER).standing(Rule(), 102) == "slower"
    assert series(SLOWER).standing(Rule(), 103) == "open"


@pytest.mark.parametrize(("count", "share"), [(12, 2), (15, 6), (18, 12), (21, 20)])
def test_each_further_look_has_less_of_the_level(count: int, share: int) -> None:
    # One launch speaks against it, so that p is too large for some family.
    values = [-0.2, *np.linspace(0.1, 0.12, count - 1)]
    largest = int(0.05 / share / signed_rank_p(values, Rule().log_tolerance))
    assert series(values).standing(Rule(), largest) == "slower"
    assert series(values).standing(Rule(), largest + 1) == "open"


@given(
    st.lists(st.integers(0, 10_000), min_size=SCREENING + CONFIRMING, max_size=18, unique=True), st.integers(0, 50_000)
)
def test_what_is_slower_is_slower_still_if_all_launches_take_longer(values: list[int], more: int) -> None:
    if series([1e-5 * value for value in values]).standing(Rule(), 1) == "slower":
        assert series([1e-5 * (value + more) for value in values]).standing(Rule(), 1) == "slower"


def test_launches_count_in_their_own_order_whenever_they_are_noted() -> None:
    assert Series({7: 0.3, 0: 0.1, 3: 0.2}).values == [0.1, 0.2, 0.3]


def test_the_documented_example_is_decided_as_documented() -> None:
    standings = [series([*SCREENED, *FOLLOWED][:count]).standing(Rule(), 8) for count in (6, 9, 12)]
    assert standings == ["open", "open", "slower"]
    assert series([*SCREENED, *FOLLOWED]).standing(Rule(), 100) == "open"


def test_the_documented_example_has_the_documented_interval() -> None:
    ratio = series([*SCREENED, *FOLLOWED]).ratio
    assert ratio is not None
    assert [round(v, 3) for v in (ratio.low, ratio.estimate, ratio.high)] == [1.038, 1.050, 1.064]


@pytest.mark.parametrize(("wild", "seen"), [(0.240, 0.099), (0.070, 0.041)])
def test_the_documented_example_has_the_documented_power(wild: float, seen: float) -> None:
    values = [wild if value == 0.240 else value for value in (*SCREENED, *FOLLOWED)]
    assert series(values).detectable(Rule(), 8) == pytest.approx(seen, abs=6e-4)


@pytest.mark.parametrize("family", [1, 30, 100])
def test_what_could_have_been_seen_is_called_slower_in_8_of_10_runs(family: int) -> None:
    random = np.random.default_rng(0)
    launches = random.normal(0, 1, size=(300, SCREENING + CONFIRMING))
    launches = 0.015 * (launches - launches.mean()) / launches.std()
    typical = stats.norm.ppf((np.arange(12) + 0.5) / 12)
    seen = series(list(0.015 * typical / typical.std(ddof=1))).detectable(Rule(), family)
    assert seen is not None
    found = [series(list(np.log1p(seen) + row)).standing(Rule(), family) == "slower" for row in launches]
    assert 0.72 <= np.mean(found) <= 0.9


def test_less_is_seen_in_a_larger_family() -> None:
    alone, among_many = (series(NOISY).detectable(Rule(), family) for family in (1, 100))
    assert alone is not None
    assert among_many is not None
    assert alone < among_many


def test_what_the_tolerance_hides_cannot_be_seen() -> None:
    assert series([0.0] * SCREENING).detectable(Rule(tolerance=0.04), 1) == pytest.approx(0.04)


def test_only_what_is_open_is_measured_on() -> None:
    cases = [evidence("clear"), evidence("suspect", LOOKS_SLOWER), evidence("slower", SLOWER), evidence("loud", NOISY)]
    assert [each.nodeid for each in open_cases(cases, Rule())] == ["suspect", "loud"]


def test_what_has_failed_is_not_measured_on() -> None:
    assert open_cases([evidence(values=LOOKS_SLOWER, endings=(PASSED, FAILED))], Rule()) == []


def test_all_of_an_open_pool_are_measured_on() -> None:
    quiet, suspect = in_pool("quiet", "pool"), in_pool("suspect", "pool", LOOKS_SLOWER)
    assert open_cases([quiet, suspect, evidence("elsewhere")], Rule()) == [quiet, suspect]


def test_a_pool_is_all_parameters_of_a_test() -> None:
    cases = [evidence(f"t.py::test_a[{x}]") for x in (1, 2)] + [evidence("t.py::test_b[1]")]
    assert {name: len(members) for name, members in pools(cases).items()} == {"t.py::test_a": 2}


def test_a_pool_is_what_the_suite_calls_one() -> None:
    cases = [in_pool("t.py::test_a", "decoder"), in_pool("t.py::test_b", "decoder")]
    assert list(pools(cases)) == ["decoder"]


def test_a_pool_has_the_mean_of_the_launches_in_which_all_members_ran() -> None:
    members = [Observed("a", Series({0: 0.1, 1: 0.2, 2: 0.3})), Observed("b", Series({0: 0.3, 2: 0.1}))]
    assert pooled(members).by_launch == pytest.approx({0: 0.2, 2: 0.2})


def test_the_family_is_the_benchmarks_that_run_and_their_pools() -> None:
    cases = [in_pool("a", "pool"), in_pool("b", "pool"), evidence("c"), evidence("d", endings=(PASSED, MISSING))]
    assert family_size(cases) == 4


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


@pytest.mark.parametrize(
    ("reference", "candidate", "growth"),
    [
        ((100 * MIB, 101 * MIB), (104 * MIB, 105 * MIB), 3 * MIB),
        ((104 * MIB, 105 * MIB), (100 * MIB, 101 * MIB), -3 * MIB),
        ((100 * MIB, 104 * MIB), (106 * MIB, 107 * MIB), 0),
        ((100 * MIB, 101 * MIB), (103 * MIB, 109 * MIB), 0),
        ((100 * MIB, 103 * MIB), (102 * MIB, 105 * MIB), 0),
        ((100 * MIB, 100 * MIB), (101 * MIB, 101 * MIB), 0),
        ((MIB, MIB), (MIB + LEAST_MEMORY_BYTES, MIB + LEAST_MEMORY_BYTES), 0),
        ((MIB, MIB), (MIB + LEAST_MEMORY_BYTES + 1,) * 2, LEAST_MEMORY_BYTES + 1),
    ],
    ids=["grown", "shrunk", "reference-varies", "candidate-varies", "overlap", "1-percent", "256-KiB", "a-byte-more"],
)
def test_memory_has_grown_if_it_grew_by_more_than_it_varies(
    reference: tuple[int, ...], candidate: tuple[int, ...], growth: int
) -> None:
    assert evidence(peaks=(list(reference), list(candidate))).memory_growth == growth


@given(st.lists(st.integers(0, 1 << 34), min_size=1), st.lists(st.integers(0, 1 << 34), min_size=1))
def test_memory_shrinks_where_it_grew_the_other_way_round(first: list[int], second: list[int]) -> None:
    there, back = evidence(peaks=(first, second)), evidence(peaks=(second, first))
    assert there.memory_growth == -(back.memory_growth or 0)


@pytest.mark.parametrize("peaks", [([], []), ([MIB], []), ([], [MIB])])
def test_memory_that_was_not_sampled_says_nothing(peaks: tuple[list[int], list[int]]) -> None:
    assert evidence(peaks=peaks).memory_growth is None


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


def test_what_fails_on_both_sides_says_so_of_both() -> None:
    assert len(only(evidence(endings=(FAILED, FAILED))).reasons) == 2


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


def test_the_first_failure_counts_whatever_came_after() -> None:
    case = evidence()
    for ending in (PASSED, FAILED, Closed("failed", "something else"), PASSED):
        case.note((PASSED, ending))
    assert case.endings == (PASSED, FAILED)


def test_what_was_slowed_on_purpose_is_read_from_the_candidates_side() -> None:
    case = evidence()
    case.note((Closed("passed", slowed=["a:f"]), Closed("passed", slowed=["a:g"])))
    case.note((PASSED, Closed("passed", slowed=["a:h"])))
    assert case.slowed == {"a:g", "a:h"}


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


@pytest.mark.parametrize(("outcome", "code"), [("pass", 0), ("regression", 1), ("inconclusive", 3)])
def test_every_outcome_has_its_exit_code(outcome: Any, code: int) -> None:
    assert Decision(outcome, "", ()).exit_code == code
    assert set(EXIT_CODES) == {"pass", "regression", "inconclusive"}


@cache
def _tails(count: int) -> npt.NDArray[np.float64]:
    """Probability that the rank sum is at least 0, 1, 2, …"""
    ways = np.ones(1)
    for rank in range(1, count + 1):
        ways = np.convolve(ways, [1, *[0] * (rank - 1), 1])
    return np.asarray(np.cumsum(ways[::-1])[::-1] / 2.0**count)


def quick_p(values: Sequence[float], centre: float) -> float:
    """The signed-rank test where no two distances are alike; scipy's takes a millisecond, a simulation many of them."""
    differences = np.asarray(values) - centre
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    return float(_tails(len(differences))[ranks[differences > 0].sum()])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upbench.gate.series.signed_rank_p", quick_p)


@pytest.mark.parametrize("count", [1, 6, 12, 25])
def test_the_simulations_use_the_same_test_as_the_gate(count: int) -> None:
    values = list(np.random.default_rng(count).normal(0.01, 0.02, size=count))
    assert quick_p(values, 0.004) == pytest.approx(signed_rank_p(values, 0.004))


def found_slower(shifts: Sequence[float], rule: Rule, random: np.random.Generator, rounds: int = 8) -> list[int]:
    """Which cases one gate calls slower; launches are 1.5 % apart, and one in twenty of them ten times as far."""
    cases = [evidence(str(index), ()) for index in range(len(shifts))]
    for count in (SCREENING, *[ROUND] * rounds):
        for case in open_cases(cases, rule):
            spread = np.where(random.random(count) < 0.05, 0.15, 0.015)
            values = [*case.latency.values, *(shifts[int(case.nodeid)] + random.normal(0.0, spread))]
            case.latency = series(values)
    family = family_size(cases)
    return [int(case.nodeid) for case in cases if case.latency.standing(rule, family) == "slower"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("tolerance", "most"), [(0.01, 0), (0.0, 10)])
def test_identical_code_is_called_slower_in_5_of_100_gates_at_most(tolerance: float, most: int) -> None:
    random = np.random.default_rng(0)
    gates = [found_slower([0.0] * 30, Rule(tolerance=tolerance), random) for _ in range(200)]
    assert sum(bool(found) for found in gates) <= most


@pytest.mark.usefixtures("quick")
def test_a_slowdown_of_a_tenth_is_found_and_nothing_else() -> None:
    random = np.random.default_rng(1)
    shifts = [float(np.log(1.1)), *[0.0] * 29]
    gates = [found_slower(shifts, Rule(), random) for _ in range(100)]
    assert gates.count([0]) >= 95


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (10, float("nan"), "regression"),
        (float("nan"), float("nan"), "regression"),
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
