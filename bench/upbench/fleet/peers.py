"""Whether a machine of a fleet can be trusted beside the others of its kind: what the control operator took on each.

Ratios within a launch hold on a slow machine as well; its latencies do not, and who reads them should know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from upbench.processes.disturbance import CONTROL_TOLERANCE, busy_share, quiet_time

BUSY_SHARE = 0.5
"""Of the time; above it a machine was disturbed, whatever the others were."""

BUSIER_BY = 0.25
"""Of the time, than the others of its kind in the middle."""

Controls = Mapping[tuple[int, str], Sequence[float]]
"""Seconds of the control's blocks, by threads and device."""


def marks(own: Controls, others: Sequence[Controls], niceness: int = 0, sharing: int = 0) -> list[str]:
    """What must be known of a machine whose latencies are read, a phrase each; none where all is well.

    Args:
        own: of the machine.
        others: of those that have the same fingerprint.
        niceness: of what was timed.
        sharing: how many other nodes of the fleet were on the same machine.
    """
    found = [*_speed(own, others), *_disturbance(own, others)]
    if niceness > 0:
        found.append(f"its processes gave way to others (niceness {niceness}): start Ray with RAY_worker_niceness=0")
    if sharing:
        found.append(f"shared its machine with {sharing} other node{'s' if sharing > 1 else ''} of the fleet")
    return found


def _speed(own: Controls, others: Sequence[Controls]) -> list[str]:
    ratios = []
    for key, samples in own.items():
        quiet = [quiet_time(other[key]) for other in others if key in other]
        if quiet:
            ratios.append(quiet_time(samples) / median(quiet))
    if not ratios or max(ratios) <= 1 + CONTROL_TOLERANCE:
        return []
    return [f"slow: its control took {max(ratios):.2f} times as long as on the others of its kind"]


def _disturbance(own: Controls, others: Sequence[Controls]) -> list[str]:
    share = max((_busy(samples) for samples in own.values()), default=0.0)
    usual = [max((_busy(samples) for samples in other.values()), default=0.0) for other in others]
    if usual and share - median(usual) >= BUSIER_BY:
        return [f"busy: disturbed for {share:.0%} of the time, the others of its kind for {median(usual):.0%}"]
    return [f"busy: disturbed for {share:.0%} of the time"] if share >= BUSY_SHARE else []


def _busy(samples: Sequence[float]) -> float:
    return busy_share(samples, quiet_time(samples))
