"""When a machine counts as disturbed: what the control operator's times say. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CONTROL_TOLERANCE = 0.06
"""How much slower than on the quiet machine the control operator may be before the rounds beside it are discarded."""

DISTURBED = 1 + CONTROL_TOLERANCE
"""A control that takes this many times its quiet time says that the machine is disturbed."""

QUIET_QUANTILE = 0.05


def quiet_time(samples: Sequence[float]) -> float:
    """What the control takes when nobody disturbs: a low quantile of everything that it ever took."""
    return float(np.quantile(samples, QUIET_QUANTILE))
