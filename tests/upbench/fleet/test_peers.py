"""When a machine of a fleet is marked: slow, busy, of low priority, or not alone."""

from __future__ import annotations

from upbench.fleet.peers import marks

KEY = (1, "cpu")
QUIET = [50e-6] * 99 + [80e-6]


def of(factor: float, busy: int = 0) -> dict[tuple[int, str], list[float]]:
    """A hundred blocks, so many of them disturbed."""
    return {KEY: [factor * 50e-6] * (100 - busy) + [2 * factor * 50e-6] * busy}


def test_one_like_the_others_has_no_mark() -> None:
    assert marks(of(1.0), [of(1.02), of(0.98)]) == []
    assert marks(of(1.0), []) == []


def test_the_slow_one_of_two_is_marked_and_the_fast_one_is_not() -> None:
    assert marks(of(1.3), [of(1.0)]) == ["slow: its control took 1.30 times as long as on the others of its kind"]
    assert marks(of(1.0), [of(1.3)]) == []


def test_machines_that_were_asked_other_questions_are_not_compared() -> None:
    assert marks(of(1.3), [{(2, "cpu"): QUIET}]) == []


def test_the_busy_one_is_marked_beside_others_and_one_that_is_always_disturbed_without_any() -> None:
    assert marks(of(1.0, 40), [of(1.0, 5), of(1.0, 6)]) == [
        "busy: disturbed for 40% of the time, the others of its kind for 6%"
    ]
    assert marks(of(1.0, 40), []) == []
    assert marks(of(1.0, 60), []) == ["busy: disturbed for 60% of the time"]


def test_low_priority_and_a_shared_machine_are_said() -> None:
    assert marks(of(1.0), [], niceness=15, sharing=1) == [
        "its processes gave way to others (niceness 15): start Ray with RAY_worker_niceness=0",
        "shared its machine with 1 other node of the fleet",
    ]
