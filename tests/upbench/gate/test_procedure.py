"""The course of a gate: how its time is shared out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from upbench.gate.procedure import LONGEST_SLICE_S, SLICE_S, slice_s_of
from upbench.gate.series import SCREENING


@given(st.integers(1, 1000), st.floats(0.0, 3600.0))
def test_longer_slices_than_the_shortest_take_a_third_of_the_budget_at_most(benchmarks: int, budget_s: float) -> None:
    slice_s = slice_s_of(benchmarks, budget_s)
    assert SLICE_S <= slice_s <= LONGEST_SLICE_S
    assert slice_s == SLICE_S or SCREENING * benchmarks * slice_s <= budget_s / 3 * 1.001
    assert slice_s == LONGEST_SLICE_S or SCREENING * benchmarks * slice_s >= budget_s / 3 * 0.999
