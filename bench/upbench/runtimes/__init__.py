"""From a case to something that can be called: one runtime a file, each behind the interface of ``Runtime``.

Every module of this package is imported here, so that a new runtime is one new file and nothing else. What a runtime
itself needs is imported when it is first used, and so are modules that begin with an underscore. How calls are timed is
not known here.
"""

import importlib
import pkgutil

from upbench.runtimes.runtime import Call, ConversionError, Runtime, get, names

for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Call", "ConversionError", "Runtime", "get", "names"]
