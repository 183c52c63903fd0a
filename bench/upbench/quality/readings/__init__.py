"""The meters of quality and of artefacts: one a file, each behind an interface of :mod:`upbench.quality.look`.

Every module of this package is imported here, so that a new meter is one new file and nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil

from upbench.quality.look import ImageMeter, ModuleMeter
from upbench.records.quality_run import MeterCard

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def cards() -> dict[str, MeterCard]:
    """What a reader must know of each meter, by its name."""
    of_images = {name: meter.card for name, meter in ImageMeter.registry.items()}
    return of_images | {name: meter.card for name, meter in ModuleMeter.registry.items()}


__all__ = ["ImageMeter", "ModuleMeter", "cards"]
