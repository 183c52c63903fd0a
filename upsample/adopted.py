"""Upsamplers from elsewhere: a class by its path or from an installed package, even one that knows nothing of us.

Any ``torch.nn.Module`` built from ``(in_channels, out_channels, scale)`` will do. It promises no definition of its own,
so that its output is only held against its own in float64, and no closed form, so that its work is what is counted.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from reprlib import Repr
from typing import Any

from torch import Tensor, nn

from upsample.contract import AnyUpsampler, Card, Scale, UnknownUpsamplerError, UpsampleError, Upsampler, Work
from upsample.registry import Entry, Source

_SHORT = Repr()
_SHORT.maxstring, _SHORT.maxother = 200, 120

ENTRY_POINTS = "upsample_bench.upsamplers"
"""The group of entry points by which an installed package adds an upsampler: its name, and ``package.module:Class``."""


def adopt(cls: type[nn.Module]) -> type[AnyUpsampler]:
    """Return ``cls`` itself if it is an upsampler already, else a class that wraps it."""
    if issubclass(cls, AnyUpsampler):
        return cls

    class Wrapped(_Adopted):
        wrapped = cls

    Wrapped.__name__ = Wrapped.__qualname__ = cls.__name__
    return Wrapped


def adopted_card(name: str, cls: type[nn.Module]) -> Card:
    """The class's own ``card`` under ``name``, or one made from its name and the first line of its docstring."""
    own = getattr(cls, "card", None)
    if isinstance(own, Card):
        return replace(own, name=name)
    summary = (inspect.getdoc(cls) or "").partition("\n")[0] if cls.__doc__ else ""
    return Card(name=name, family="your own", title=cls.__name__, paper="–", year=None, advice=summary or "–")


class _Adopted(Upsampler):
    stated = False
    fractional = True
    # Nothing is known of how far it looks.
    local = False
    wrapped: type[nn.Module]

    def __init__(self, in_channels: int, out_channels: int, scale: Scale, **options: Any) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.module = self.wrapped(in_channels, out_channels, scale, **options)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.module(input)
        return output

    def definition(self, input: Tensor) -> Tensor:
        return self.forward(input)

    def work(self, batch: int, height: int, width: int) -> Work:
        raise UpsampleError(f"{type(self).__name__} states no closed form of its work; count its operators instead.")


@cache
def _installed() -> Mapping[str, EntryPoint]:
    """What installed packages offer, by name; none is imported before it is asked for."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _from_installed(name: str) -> Entry | None:
    point = _installed().get(name)
    return None if point is None else _imported(name, point.value)


def _from_path(name: str) -> Entry | None:
    return _imported(name, name) if ":" in name else None


def _imported(name: str, path: str) -> Entry:
    """Import ``package.module:Class`` and adopt it as ``name``."""
    module_name, _, class_name = path.partition(":")
    try:
        cls = getattr(importlib.import_module(module_name), class_name)
    except (Exception, SystemExit) as error:  # a module of somebody else's may raise anything, or be a script that ends
        raise UnknownUpsamplerError(
            f"{_SHORT.repr(path)} is not an upsampler that can be imported: {_told(error)}."
        ) from error
    if not isinstance(cls, type) or not issubclass(cls, nn.Module):
        raise UpsampleError(f"{path!r} must be a class derived from torch.nn.Module; it is {_SHORT.repr(cls)}.")
    return Entry(adopted_card(name, cls), adopt(cls))


def _told(error: BaseException) -> str:
    """What an error says, on one line and without what a terminal would obey."""
    words = " ".join(str(error)[:500].split()) or type(error).__name__
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in words)


INSTALLED = Source(_from_installed, _installed)
BY_PATH = Source(_from_path)
