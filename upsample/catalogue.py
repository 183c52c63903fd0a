"""From a name to an upsampler: the registry behind ``create``, ``names`` and ``cards``.

Family files register their classes here when they are imported; every module of the package is imported on first use,
so that a new upsampler is one class in one file and no list has to be kept by hand.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

import torch

import upsample
from upsample.contract import Card, UnknownUpsamplerError, UnsupportedError, UpsampleError, Upsampler

UpsamplerClass = TypeVar("UpsamplerClass", bound=type[Upsampler])


@dataclass(frozen=True)
class _Entry:
    card: Card
    cls: type[Upsampler]


_entries: dict[str, _Entry] = {}


def register(*cards: Card) -> Callable[[UpsamplerClass], UpsamplerClass]:
    """Class decorator: enter each card into the catalogue as the class with that card's options.

    Raises:
        UpsampleError: another upsampler has one of the names already.
    """

    def enter(cls: UpsamplerClass) -> UpsamplerClass:
        for card in cards:
            if card.name in _entries:
                raise UpsampleError(f"the catalogue already has an upsampler named {card.name!r}.")
            _entries[card.name] = _Entry(card, cls)
        return cls

    return enter


@cache
def _import_families() -> None:
    for module in pkgutil.iter_modules(upsample.__path__):
        importlib.import_module(f"{upsample.__name__}.{module.name}")


def _entry(name: str) -> _Entry:
    _import_families()
    if name not in _entries:
        close = get_close_matches(str(name), _entries, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UnknownUpsamplerError(f"no upsampler is named {name!r}; {hint}known are: {', '.join(names())}.")
    return _entries[name]


def names() -> list[str]:
    """Return the names of all upsamplers, family by family, each family in the order of its file."""
    return [card.name for card in cards()]


def cards() -> list[Card]:
    """Return the cards of all upsamplers, in the order of :func:`names`."""
    _import_families()
    return [entry.card for entry in sorted(_entries.values(), key=lambda entry: entry.card.family)]


def card(name: str) -> Card:
    """Return the card of the upsampler called ``name``.

    Raises:
        UnknownUpsamplerError: no upsampler has that name; the message lists those that exist.
    """
    return _entry(name).card


def refusal(name: str, scale: Any) -> str | None:
    """Say why the upsampler called ``name`` cannot do ``scale``, or return None when it can."""
    try:
        # Building one on the meta device takes no memory, and asks the options of the card as well as the class.
        with torch.device("meta"):
            create(name, 1, 1, scale)
    except UnsupportedError as error:
        return str(error)
    return None


def create(name: str, in_channels: int, out_channels: int, scale: int, **options: Any) -> Upsampler:
    """Build the upsampler called ``name`` with freshly initialised weights.

    Args:
        name: one of :func:`names`.
        in_channels: channels of the input.
        out_channels: channels of the output.
        scale: the factor by which height and width grow.
        options: further arguments of the class, such as ``kernel_size``.

    Raises:
        UnknownUpsamplerError: no upsampler has that name.
        UnsupportedError: the upsampler cannot do that scale.
        UpsampleError: a channel count or an option is not one that it takes.
    """
    entry = _entry(name)
    try:
        return entry.cls(in_channels, out_channels, scale, **{**entry.card.options, **options})
    except TypeError as error:
        raise UpsampleError(f"{name} does not take these options: {error}.") from error
