"""The zoo's own networks: rewriting never fails and changes neither outputs nor state nor gradients."""

from __future__ import annotations

import pytest

from examples.zoo import OWN
from tests.zoo.comparison import assert_same_outputs_and_state, assert_same_training_step


@pytest.mark.parametrize("name", OWN)
def test_outputs_and_state_stay(name: str) -> None:
    assert_same_outputs_and_state(OWN[name])


@pytest.mark.parametrize("name", OWN)
def test_gradients_stay(name: str) -> None:
    assert_same_training_step(OWN[name])
