"""The upsamplers themselves, one family a file; a file reads like a page of a textbook.

A file knows the contract, the registry and what families share, never how upsamplers are looked up or rewritten. Every
module of this package is imported here, so that a new upsampler is one class in one file and nothing else.
"""

import importlib
import pkgutil

ORDER = (
    "transposed",
    "subpixel",
    "interpolation",
    "filtered",
    "wavelet",
    "sampling",
    "reassembly",
    "attention",
    "guided",
    "continuous",
    "networks",
)
"""In which a reader meets the families; any other follows by name."""

for _name in dict.fromkeys([*ORDER, *(module.name for module in pkgutil.iter_modules(__path__))]):
    importlib.import_module(f"{__name__}.{_name}")
