"""The photographs against the library that they come with."""

from __future__ import annotations

import numpy as np
from skimage import data

from upbench.cases import inputs


def test_the_photographs_are_scikit_images_own() -> None:
    for ours, theirs in zip(inputs.photographs(), (data.astronaut(), data.coffee(), data.chelsea()), strict=True):
        np.testing.assert_array_equal(ours, theirs)
