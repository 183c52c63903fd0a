"""A class that knows nothing of this library, taken in as an upsampler.

Any ``torch.nn.Module`` built from ``(in_channels, out_channels, scale)`` will do. It promises no definition of its own,
so that its output is only held against its own in float64, and no closed form, so that its work is what is counted.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from upsample.contract import AnyUpsampler, Card, Scale, UpsampleError, Upsampler, Work


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
