"""What changes the choice: pairs of cells that differ in one thing alone, and who surely wins them."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.upbench.synthetic import case, measured, run_of
from upbench.records.record import Record
from upbench.report import write_report
from upbench.report.choice_section import Answer, answers, choice_table, finding, respects
from upbench.report.evidence import gather


def steady(upsampler: str, milliseconds: float, scale: int = 2, **cell: Any) -> Record:
    medians = [milliseconds * 1e-3 * factor for factor in (1.0, 1.001, 0.999, 1.0005, 0.9995)]
    return measured(case(upsampler, scale, **cell), medians)


def duel(fast: str, slow: str, scale: int = 2, **cell: Any) -> list[Record]:
    return [steady(fast, 1.0, scale, **cell), steady(slow, 2.0, scale, **cell)]


def test_a_winner_that_flips_with_the_runtime_alone_is_named_with_both_values() -> None:
    records = [*duel("subpixel", "transposed"), *duel("transposed", "subpixel", runtime="onnx")]
    found = respects(answers(gather([run_of(records)])))
    assert {name: (each.pairs, each.changed, each.same) for name, each in found.items()} == {"runtime": (1, 1, 0)}
    (row,) = choice_table(found).map(str).to_dict("records")
    assert row["such as"] == "eager: Sub-pixel conv, one stage → onnx: Transposed conv, k = 2s"
    assert str(finding(found)) == (
        "Another upsampler wins where one thing alone is changed: runtime in 1 of 1 pairs of cells."
    )


def test_numbers_are_compared_with_the_next_and_names_with_each_other() -> None:
    records = [record for scale in (2, 3, 4) for record in duel("subpixel", "transposed", scale)]
    assert respects(answers(gather([run_of(records)])))["scale"].pairs == 2
    records = [
        record
        for runtime in ("eager", "onnx", "openvino")
        for record in duel("subpixel", "transposed", runtime=runtime)
    ]
    assert respects(answers(gather([run_of(records)])))["runtime"].pairs == 3


def test_those_that_cannot_be_told_apart_change_nothing_for_sure() -> None:
    tied = [steady("subpixel", 1.0, runtime="onnx"), steady("transposed", 1.0, runtime="onnx")]
    found = respects(answers(gather([run_of([*duel("subpixel", "transposed"), *tied])])))["runtime"]
    assert (found.pairs, found.changed, found.same) == (1, 0, 0)


def test_cells_that_differ_in_two_things_are_no_pair(tmp_path: Path) -> None:
    records = [*duel("subpixel", "transposed"), *duel("transposed", "subpixel", 4, runtime="onnx")]
    assert respects(answers(gather([run_of(records)]))) == {}
    write_report([run_of(records)], tmp_path)
    assert not list(tmp_path.glob("choice.*"))


@given(st.lists(st.sets(st.sampled_from("abc"), min_size=1), min_size=8, max_size=8))
def test_every_pair_is_counted_once_and_what_is_sure_does_not_overlap(names: list[set[str]]) -> None:
    places = [dict(zip(("runtime", "layout", "scale"), each, strict=True)) for each in product("xy", "uv", (2.0, 4.0))]
    found = respects(
        [Answer({**p, "scale": (p["scale"],) * 2}, tuple(sorted(n))) for p, n in zip(places, names, strict=True)]
    )
    for name, each in found.items():
        assert each.pairs == 4, name
        disjoint = sum(
            not a & b
            for (p, a), (q, b) in product(zip(places, names, strict=True), repeat=2)
            if p[name] < q[name] and all(p[other] == q[other] for other in p if other != name)
        )
        assert each.changed == disjoint
        assert each.changed + each.same <= each.pairs
