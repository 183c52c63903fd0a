"""A case's name: put together once, and no part of what a case is."""

from __future__ import annotations

import pickle
from dataclasses import replace

from tests.upbench.synthetic import case


def test_a_name_is_put_together_once() -> None:
    one = case("subpixel")
    assert one.id is one.id
    assert one.cell.label is one.cell.label


def test_a_case_that_was_asked_for_its_name_is_the_same_as_one_that_was_not() -> None:
    asked, fresh = case("subpixel"), case("subpixel")
    assert asked.id == "subpixel-x2-c16-16to16-48x48-b1-float32-contiguous-t1-cpu-eager"
    assert asked == fresh
    assert hash(asked) == hash(fresh)
    assert pickle.loads(pickle.dumps(asked)).id == fresh.id
    assert asked.as_dict() == fresh.as_dict()
    assert replace(asked, upsampler="transposed").id.startswith("transposed-x2")
