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
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import torch
from torch import nn

from upsample import families
from upsample.adopted import adopt, adopted_card
from upsample.contract import (
    AnyUpsampler,
    Card,
    Scale,
    UnknownUpsamplerError,
    UnsupportedError,
    UpsampleError,
)

UpsamplerClass = TypeVar("UpsamplerClass", bound=type[AnyUpsampler])

ENTRY_POINTS = "upsample_bench.upsamplers"
"""The group of entry points by which an installed package adds an upsampler: its name, and ``package.module:Class``."""

FAMILIES = (
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
"""The order in which a reader meets the families; any other follows by name."""


@dataclass(frozen=True)
class _Entry:
    card: Card
    cls: type[AnyUpsampler]


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
    for module in pkgutil.iter_modules(families.__path__):
        importlib.import_module(f"{families.__name__}.{module.name}")


@cache
def _plugged_in() -> dict[str, EntryPoint]:
    """What installed packages offer, by name; none is imported before it is asked for."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _entry(name: str) -> _Entry:
    _import_families()
    if name in _entries:
        return _entries[name]
    points = _plugged_in()
    if name in points:
        _entries[name] = _adopted(name, points[name].value)
    elif ":" in str(name):
        _entries[name] = _adopted(name, name)
    elif name in exact_names(str(name).partition(".")[0]):
        _entries[name] = _in_form(*name.split("."))
    else:
        known = names()
        close = get_close_matches(str(name), known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UnknownUpsamplerError(f"no upsampler is named {name!r}; {hint}known are: {', '.join(known)}.")
    return _entries[name]


def _adopted(name: str, path: str) -> _Entry:
    """Import ``package.module:Class`` and take it into the catalogue as ``name``."""
    module_name, _, class_name = path.partition(":")
    try:
        cls = getattr(importlib.import_module(module_name), class_name)
    except Exception as error:  # a module of somebody else's may raise anything
        raise UnknownUpsamplerError(f"{path!r} is not an upsampler that can be imported: {error}.") from error
    if not isinstance(cls, type) or not issubclass(cls, nn.Module):
        raise UpsampleError(f"{path!r} must be a class derived from torch.nn.Module; it is {cls!r}.")
    return _Entry(adopted_card(name, cls), adopt(cls))


def _in_form(name: str, form: str) -> _Entry:
    # The exact forms are written in terms of families that register here.
    from upsample.exact.upsampler import card_in_form, in_form

    usual = _entry(name)
    return _Entry(card_in_form(usual.card, form), in_form(usual.cls, form))


def exact_names(name: str) -> list[str]:
    """Return the names of an upsampler's exact forms, such as ``subpixel.phases``; empty where it has none.

    They are no entries of :func:`names`, and :func:`create` knows them. Some do not exist for every scale.
    """
    from upsample.exact.forms import FORMS

    _import_families()
    known = name in _entries and _entries[name].cls.linear_layers is not AnyUpsampler.linear_layers
    return [f"{name}.{form}" for form in FORMS] if known else []


def names() -> list[str]:
    """Return the names of all upsamplers, family by family, each family in the order of its file."""
    return [card.name for card in cards()]


def cards() -> list[Card]:
    """Return the cards of all upsamplers of this library and of installed packages, in the order of :func:`names`.

    Raises:
        UpsampleError: what an installed package offers as an upsampler is none; the message names it.
    """
    _import_families()
    for name in _plugged_in():
        _entry(name)
    listed = [entry.card for name, entry in _entries.items() if not {":", "."} & set(name)]
    order = {family: position for position, family in enumerate(FAMILIES)}
    return sorted(listed, key=lambda card: (order.get(card.family, len(order)), card.family))


def card(name: str) -> Card:
    """Return the card of the upsampler called ``name``.

    Raises:
        UnknownUpsamplerError: no upsampler has that name; the message lists those that exist.
    """
    return _entry(name).card


def class_of(name: str) -> type[AnyUpsampler]:
    """Return the class of the upsampler called ``name``, which tells whether it is guided or fractional.

    Raises:
        UnknownUpsamplerError: no upsampler has that name.
    """
    return _entry(name).cls


def refusal(name: str, in_channels: int, out_channels: int, scale: Any) -> str | None:
    """Say why the upsampler called ``name`` cannot do that scale and those channels, or return None when it can."""
    try:
        # Building one on the meta device takes no memory, and asks the options of the card as well as the class.
        with torch.device("meta"):
            create(name, in_channels, out_channels, scale)
    except UnsupportedError as error:
        return str(error)
    return None


def create(name: str, in_channels: int, out_channels: int, scale: Scale, **options: Any) -> AnyUpsampler:
    """Build the upsampler called ``name`` with freshly initialised weights.

    Args:
        name: one of :func:`names` or of their :func:`exact_names`, or ``package.module:Class`` for a class of your own:
            an :class:`Upsampler`, or any ``torch.nn.Module`` that is built from ``in_channels``, ``out_channels`` and
            ``scale``.
        in_channels: channels of the input.
        out_channels: channels of the output.
        scale: the factor by which height and width grow, or one factor for each.
        options: further arguments of the class, such as ``kernel_size``.

    Raises:
        UnknownUpsamplerError: no upsampler has that name.
        UnsupportedError: the upsampler cannot do that scale or those channels.
        UpsampleError: a channel count or an option is not one that it takes.
    """
    entry = _entry(name)
    try:
        return entry.cls(in_channels, out_channels, scale, **{**entry.card.options, **options})
    except TypeError as error:
        raise UpsampleError(f"{name} does not take these options: {error}.") from error
