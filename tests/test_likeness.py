"""What may differ between two generated files, and what may not."""

from __future__ import annotations

import pytest

from tests.likeness import difference

DRAWING = '<path id="m1a2b3c" d="M 647.044448 1.5 L -2 0"/><use xlink:href="#m1a2b3c" x="10.25"/>'


@pytest.mark.parametrize(
    "other",
    [
        DRAWING,
        DRAWING.replace("647.044448", "647.044447"),
        DRAWING.replace("-2 0", "-2.000001 0"),
        DRAWING.replace("m1a2b3c", "m9f8e7d"),
    ],
)
def test_rounding_and_drawn_names_may_differ(other: str) -> None:
    assert difference(DRAWING, other) is None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (DRAWING.replace("647.044448", "647.144448"), "647.044448 became 647.144448"),
        (DRAWING.replace("-2 0", "-3 0"), "-2 became -3"),
        (DRAWING.replace("M ", "L "), "became"),
        (DRAWING.replace("1.5 L", "1.5 2.5 L"), "became"),
        (DRAWING.replace('#m1a2b3c"', '#other"'), "became"),
        (DRAWING.replace("use", "usf"), "became"),
        (DRAWING + " ", "became"),
    ],
)
def test_anything_else_may_not(other: str, said: str) -> None:
    assert said in (difference(DRAWING, other) or "")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("| 3.83 | 1,204 | 4.50 (4.31 to 4.50) |", "| 3.83 | 1,205 | 4.50 (4.31 to 4.50) |"),
        ("3 of 6 cells", "2 of 6 cells"),
        ("1.50 times", "1.52 times"),
        ("output within 6.4e-07", "output within 6.4e-06"),
        ("x2-c16", "x2-c17"),
        ("#1f77b4", "#1f77b5"),
    ],
)
def test_a_figure_that_a_reader_sees_may_not(text: str, other: str) -> None:
    assert difference(text, other) is not None
