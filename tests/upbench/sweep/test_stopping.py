"""Which rule ends a measurement, and that it says so."""

from __future__ import annotations

import pytest

from upbench.sweep.stopping import OutOfTime, Precise, Progress, Spent, first_reason

RULES = (Precise(0.03, least_launches=5), Spent(10.0, least_launches=5, most_launches=12), OutOfTime(60.0))
NOISY = [1.0, 1.5, 0.7, 1.2, 0.9]


@pytest.mark.parametrize(
    ("progress", "reason"),
    [
        (Progress([1.0, 1.001, 0.999, 1.0], launches=4, spent_s=1.0), None),
        (Progress([1.0, 1.001, 0.999, 1.0, 1.0], launches=5, spent_s=1.0), "precision"),
        (Progress(NOISY, launches=5, spent_s=1.0), None),
        (Progress(NOISY, launches=5, spent_s=10.0), "budget"),
        (Progress(NOISY[:3], launches=4, spent_s=99.0), None),
        (Progress(NOISY, launches=12, spent_s=1.0), "budget"),
        (Progress(NOISY[:3], launches=3, spent_s=1.0, sweep_s=60.0), "time limit"),
        (Progress(NOISY[:2], launches=2, spent_s=1.0, sweep_s=60.0), None),
    ],
)
def test_the_first_rule_that_is_satisfied_gives_the_reason(progress: Progress, reason: str | None) -> None:
    assert first_reason(RULES, progress) == reason
