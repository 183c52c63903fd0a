"""JSON with an entry a line says what any JSON of the same document says, but for digits that mean nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upbench.records import compact

WHOLE = st.none() | st.booleans() | st.integers() | st.text()
DOCUMENTS = st.dictionaries(
    st.text(),
    st.recursive(WHOLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)),
    max_size=4,
)


@given(DOCUMENTS)
def test_nothing_is_lost(document: dict[str, Any]) -> None:
    assert json.loads(compact.dumps(document)) == document


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_six_digits(number: float) -> None:
    (read,) = json.loads(compact.dumps({"a": [number]}))["a"]
    assert read == pytest.approx(number, rel=5.1e-6)
    assert compact.dumps({"a": [read]}) == compact.dumps({"a": [number]})


def test_an_entry_is_a_line() -> None:
    document = {"a": {"b": 1}, "c": [{"d": [1.23456789, 2]}, {"e": 3}], "f": {"g": 4, "h": [{"i": 5}], "j": []}}
    assert compact.dumps(document).splitlines() == [
        "{",
        ' "a": {"b": 1},',
        ' "c": [',
        '  {"d": [1.23457, 2]},',
        '  {"e": 3}',
        " ],",
        ' "f": {',
        '  "g": 4,',
        '  "h": [',
        '   {"i": 5}',
        "  ],",
        '  "j": []',
        " }",
        "}",
    ]
