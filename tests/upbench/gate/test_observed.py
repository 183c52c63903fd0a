"""What is known of a benchmark: its pool, its memory, its endings, and whether it needs more launches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.upbench.gate.evidence import (
    FAILED,
    LOOKS_SLOWER,
    MIB,
    MISSING,
    NOISY,
    PASSED,
    SLOWER,
    evidence,
    in_pool,
)
from upbench.gate.observed import LEAST_MEMORY_BYTES, Closed, Observed, family_size, open_cases, pooled, pools
from upbench.gate.series import Rule, Series


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
