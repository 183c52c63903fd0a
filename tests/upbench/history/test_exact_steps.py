"""Any difference of an exact quantity is a change, at the version that has it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from upbench.history.exact_steps import ExactStep, exact_steps


def steps(*values: set[float]) -> list[ExactStep]:
    return exact_steps([frozenset(each) for each in values])


def test_a_difference_is_a_change() -> None:
    assert steps({4}, {4}, {5}, {5}) == [ExactStep(2, 2, 4, 5)]


def test_there_and_back_again_is_two() -> None:
    assert [(step.latest, step.after) for step in steps({4}, {5}, {4})] == [(1, 5), (2, 4)]


def test_runs_of_one_version_that_differ_are_no_change() -> None:
    assert steps({4}, {4, 5}, {4}) == []


def test_a_version_with_both_values_leaves_open_when() -> None:
    assert steps({4}, {4, 5}, {5}, {5}) == [ExactStep(1, 2, 4, 5)]


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=1, max_size=30))
def test_every_difference_between_neighbours_is_found(values: list[float]) -> None:
    found = exact_steps([frozenset([value]) for value in values])
    assert [step.latest for step in found] == [at for at in range(1, len(values)) if values[at] != values[at - 1]]
    for step in found:
        assert (step.before, step.after, step.earliest) == (values[step.latest - 1], values[step.latest], step.latest)
