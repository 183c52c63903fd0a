"""How busy the machine was: what the control operator's times say. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CONTROL_TOLERANCE = 0.06
"""How much slower than on the quiet machine the control operator may be before the machine counts as busy."""

QUIET_QUANTILE = 0.05


def quiet_time(samples: Sequence[float]) -> float:
    """What the control takes when nobody disturbs: a low quantile of everything that it ever took."""
    return float(np.quantile(samples, QUIET_QUANTILE))


def busy_share(samples: Sequence[float], quiet_s: float) -> float:
    """The share of the control's samples, and so of the time, in which the machine was busy."""
    return float(np.mean(np.asarray(samples) > (1 + CONTROL_TOLERANCE) * quiet_s))
