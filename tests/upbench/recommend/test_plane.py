"""Triangles between measured places, against planes, whose interpolation is exact, and against scipy's."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import LinearNDInterpolator

from tests.upbench.recommend.grids import cell
from upbench.recommend.plane import between, mesh, place

coordinates = st.integers(0, 40).map(lambda number: number / 4)
places = st.frozensets(st.tuples(coordinates, coordinates), min_size=1, max_size=12)
coefficients = st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))


@given(places, coefficients, st.data())
def test_a_plane_is_interpolated_exactly_everywhere_between_the_places(
    measured: frozenset[tuple[float, float]], plane: tuple[float, float, float], data: st.DataObject
) -> None:
    weights = np.array([data.draw(st.integers(0, 9)) for _ in measured]) + 1e-3
    asked = tuple((weights / weights.sum()) @ np.array(list(measured)))
    around = between(measured, asked)
    assert around is not None
    heights = {each: plane[0] + plane[1] * each[0] + plane[2] * each[1] for each in around.shares}
    expected = plane[0] + plane[1] * asked[0] + plane[2] * asked[1]
    assert sum(share * heights[each] for each, share in around.shares.items()) == pytest.approx(expected, abs=1e-6)
    assert sum(around.shares.values()) == pytest.approx(1)


@given(places)
def test_every_measured_place_stands_for_itself(measured: frozenset[tuple[float, float]]) -> None:
    for each in measured:
        around = between(measured, each)
        assert around is not None
        assert around.shares == {each: pytest.approx(1)}
        assert around.gap == 0


def test_it_is_scipys_interpolation() -> None:
    random = np.random.default_rng(0)
    measured = [tuple(row) for row in random.uniform(0, 5, size=(15, 2)).tolist()]
    heights = {each: float(random.normal()) for each in measured}
    reference = LinearNDInterpolator(np.array(measured), list(heights.values()), rescale=True)
    for asked in random.uniform(0, 5, size=(200, 2)):
        around = between(frozenset(measured), (asked[0], asked[1]))
        expected = float(reference(asked)[0])
        if around is None:
            assert np.isnan(expected)
        else:
            assert sum(s * heights[each] for each, s in around.shares.items()) == pytest.approx(expected, abs=1e-9)


def test_nothing_is_said_outside_beside_a_line_or_without_places() -> None:
    square = frozenset({(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)})
    line = frozenset({(0.0, 2.0), (1.0, 2.0), (3.0, 2.0)})
    assert between(square, (1.01, 0.5)) is None
    assert between(line, (0.5, 2.01)) is None
    assert between(line, (3.5, 2.0)) is None
    assert between(frozenset({(1.0, 1.0)}), (1.0, 1.1)) is None
    assert between(frozenset(), (1.0, 1.0)) is None


def test_on_a_line_neighbours_count() -> None:
    around = between(frozenset({(0.0, 2.0), (1.0, 2.0), (3.0, 2.0)}), (1.5, 2.0))
    assert around is not None
    assert around.shares == {(1.0, 2.0): pytest.approx(0.75), (3.0, 2.0): pytest.approx(0.25)}
    assert around.gap == 2
    assert len(mesh(frozenset({(0.0, 0.0), (1.0, 1.0), (3.0, 3.0)}))) == 2


def test_only_pixels_of_all_images_and_channels_place_a_cell() -> None:
    assert place(cell(size=(24, 96), batch=2)) == place(cell(size=(48, 96)))
    assert place(cell(channels=64, size=(10, 10))) == (log(100), log(64))
