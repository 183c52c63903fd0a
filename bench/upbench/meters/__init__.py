"""The meters: one quantity a file, each behind the interface of :class:`~upbench.meters.meter.Meter`.

Every module of this package is imported here, so that a new meter is one new file and nothing else. A meter looks at
one workload in one process; when and how often it is asked is not its business.
"""

from __future__ import annotations

import importlib
import pkgutil

from upbench.meters.meter import Meter, Stage

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def get(name: str) -> Meter:
    """Return the meter called ``name``."""
    return Meter.registry[name]


def of_stage(stage: Stage) -> tuple[str, ...]:
    """Return the names of the meters of one stage, in the order in which they must run."""
    chosen = [meter for meter in Meter.registry.values() if meter.stage == stage]
    return tuple(meter.name for meter in sorted(chosen, key=lambda meter: (not meter.first, meter.name)))


__all__ = ["Meter", "Stage", "get", "of_stage"]
