from __future__ import annotations

import pytest

from upbench.quality.look import Plane
from upbench.quality.luma import luma
from upbench.quality.photographs import held_out_photographs


@pytest.fixture(scope="session")
def photograph() -> Plane:
    """Luma of a held-out photograph, 240×240."""
    plane: Plane = luma(held_out_photographs()["chelsea"][30:270, 100:340])
    return plane
