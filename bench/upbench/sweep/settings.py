"""How a sweep measures: what can be set."""

from __future__ import annotations

from dataclasses import dataclass

from upbench.processes.allocator import Allocator


@dataclass(frozen=True)
class SweepSettings:
    """How every case of a sweep is measured.

    Attributes:
        allocator: ``pinned``, or ``default`` to time as deployed.
        precision: relative half-width of the 95 % interval of a rival's ratio to the fastest, at which it is good
            enough; one that is certainly beaten need not be known as closely.
        least_launches, most_launches: sets of fresh processes for each case.
        budget_s: seconds of launches for each case, after which an imprecise one is given up.
        time_limit_s: seconds after which the whole sweep makes no launches but the fewest that give an interval;
            None for no limit.
        timeout_s: seconds after which a single process is killed.
        seed: of the random order.
    """

    allocator: Allocator = "pinned"
    precision: float = 0.02
    least_launches: int = 6
    most_launches: int = 30
    budget_s: float = 10.0
    time_limit_s: float | None = None
    timeout_s: float = 120.0
    seed: int = 0
