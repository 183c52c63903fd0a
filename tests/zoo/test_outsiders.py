"""Networks of other packages: rewriting never fails and changes neither outputs nor state nor gradients."""

from __future__ import annotations

import pytest

from examples.zoo import OUTSIDERS, Entry
from examples.zoo.package import installed
from tests.zoo.comparison import assert_same_outputs_and_state, assert_same_training_step

pytestmark = [pytest.mark.zoo, pytest.mark.filterwarnings("ignore")]

TRAINED = [name for name in OUTSIDERS if not name.endswith("as published")]
"""A step of what has its published width takes minutes, and shows no more than one of its narrow twin."""


def outsider(name: str) -> Entry:
    """The entry, whose package must be there."""
    entry = OUTSIDERS[name]
    assert entry.requires
    if not installed(entry.requires):
        pytest.skip(f"{name} is a network of {entry.requires}, which is not installed.")
    return entry


@pytest.mark.parametrize("name", OUTSIDERS)
def test_outputs_and_state_stay(name: str) -> None:
    assert_same_outputs_and_state(outsider(name))


@pytest.mark.parametrize("name", TRAINED)
def test_gradients_stay(name: str) -> None:
    assert_same_training_step(outsider(name))
