"""The figures of the page about rewriting are what their script draws."""

from __future__ import annotations

import pytest

from docs.site_figures import FIGURES, FOLDER
from tests.likeness import difference


@pytest.mark.parametrize("name", FIGURES)
def test_a_committed_figure_is_what_is_drawn(name: str) -> None:
    apart = difference((FOLDER / f"{name}.svg").read_text(), FIGURES[name]().svg())
    assert apart is None, f"{apart}; remake it with python docs/site_figures.py"
