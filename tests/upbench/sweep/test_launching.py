"""Launches with real processes: rivals alive at once, in groups where memory is short, and one that misbehaves."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.upbench.synthetic import case
from upbench.cases.case import Case, Cell
from upbench.processes.isolation import Isolation
from upbench.sweep.launching import MachineError, Start, grouped, launch
from upbench.sweep.preloading import PRELOAD

CASES = [case("subpixel", channels=4), case("transposed", channels=4), case("nearest_conv", channels=4)]
PLENTY = 1 << 40


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    return Isolation(preload=PRELOAD)


def launched(isolation: Isolation, cases: list[Case], free_bytes: int = PLENTY, needs: int = 0) -> dict[str, Any]:
    start = Start(isolation, 60.0, {}, {each.id: needs for each in cases}, {})
    return launch(start, cases, 0, free_bytes, random.Random(0))


def test_every_rival_has_a_level_and_its_blocks_and_the_control_has_its_own(isolation: Isolation) -> None:
    entry = launched(isolation, CASES)
    assert entry["rivals"].keys() == {each.id for each in CASES}
    assert entry["groups"] == 1
    assert min(entry["control_s"]) > 0
    for found in entry["rivals"].values():
        assert found["outcome"] == "ok"
        assert min(found["rounds_s"]) > 0


def test_one_that_cannot_run_or_kills_itself_costs_nobody_else_anything(isolation: Isolation) -> None:
    fatal = Case("tests.upbench.own_upsamplers:Fatal", Cell(2, 4, 4, 4, 8, 8))
    entry = launched(isolation, [*CASES, case("subpixel", channels=4, device="cuda:99"), fatal])
    outcomes = {
        name.partition("-")[0]: found["outcome"] for name, found in entry["rivals"].items() if "cuda" not in name
    }
    assert outcomes == {
        "subpixel": "ok",
        "transposed": "ok",
        "nearest_conv": "ok",
        "tests.upbench.own_upsamplers:Fatal": "out_of_memory",
    }
    assert [found["outcome"] for name, found in entry["rivals"].items() if "cuda" in name] == ["unsupported"]


def test_one_that_hangs_is_ended_and_costs_nobody_else_anything(isolation: Isolation) -> None:
    hanging = Case("tests.upbench.own_upsamplers:Hanging", Cell(2, 4, 4, 4, 8, 8))
    start = Start(isolation, 10.0, {}, {}, {})
    entry = launch(start, [*CASES, hanging], 0, PLENTY, random.Random(0))
    assert entry["rivals"].pop(hanging.id) == {"outcome": "timeout", "reason": "no answer within 10 s"}
    assert [found["outcome"] for found in entry["rivals"].values()] == ["ok"] * 3


def test_without_memory_for_all_there_are_groups_with_the_control_in_each(isolation: Isolation) -> None:
    entry = launched(isolation, CASES, free_bytes=100, needs=40)
    assert entry["groups"] == 3
    assert {found["outcome"] for found in entry["rivals"].values()} == {"ok"}


def test_a_machine_on_which_the_control_does_not_run_is_an_error_of_one_sentence(
    isolation: Isolation,
) -> None:
    with pytest.raises(MachineError, match="the control operator cannot run on this machine: torch sees"):
        launched(isolation, [case("subpixel", channels=4, device="cuda:99")])


@given(st.lists(st.integers(0, 10), min_size=1, max_size=12), st.integers(0, 20))
def test_groups_keep_the_order_and_hold_no_more_than_there_is_room_for(needs: list[int], room: int) -> None:
    cases = [case("subpixel", channels=channels) for channels in range(1, len(needs) + 1)]
    by_name = {each.id: need for each, need in zip(cases, needs, strict=True)}
    parts = grouped(cases, by_name, room)
    assert [each for part in parts for each in part] == cases
    for part in parts:
        assert len(part) == 1 or sum(by_name[each.id] for each in part) <= room
    for part, after in pairwise(parts):
        assert sum(by_name[each.id] for each in [*part, after[0]]) > room
