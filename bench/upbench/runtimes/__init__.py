"""The runtimes: one file each, behind the interface of :class:`~upbench.runtimes.runtime.Runtime`.

Every module of this package is imported here, so that a new runtime is one new file and nothing else; what a runtime
itself needs is imported when it is first used.
"""

from __future__ import annotations

import importlib
import pkgutil

from upbench.runtimes.runtime import Call, ConversionError, Runtime

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def get(name: str) -> Runtime:
    """Return the runtime called ``name``."""
    return Runtime.registry[name]


def names() -> list[str]:
    """Return the names of all runtimes, eager first."""
    return sorted(Runtime.registry, key=lambda name: (name != "eager", name))


__all__ = ["Call", "ConversionError", "Runtime", "get", "names"]
