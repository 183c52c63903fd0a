"""What the server that forks workers imports once, so that no worker has to."""

from __future__ import annotations

from collections.abc import Sequence

from upbench import runtimes
from upbench.cases.case import Case

PRELOAD = ("upbench.sweep.worker", "torch._dynamo")
"""torch imports ``torch._dynamo`` at the first dispatch mode, which takes a second."""


def preload_for(cases: Sequence[Case], converting: bool = True) -> tuple[str, ...]:
    """The modules that cases need in their runtimes.

    Args:
        cases: that the server's workers will run.
        converting: whether some of them have still to be converted; what converts is the larger part, of which every
            worker gets a copy.
    """
    used = [runtimes.get(name) for name in dict.fromkeys(case.cell.runtime for case in cases)]
    running = [module for runtime in used for module in runtime.preload]
    converters = [module for runtime in used for module in runtime.converter_preload if converting]
    return (*PRELOAD, *running, *converters)
