"""Where upsamplers are entered by name, and from where they are built; it knows none of them.

A family's file enters its classes here when it is imported. Names that stand in no file, such as ``package:Class`` or
``subpixel.phases``, are made when they are asked for, by what has been added as a :class:`Source`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from upsample.contract import AnyUpsampler, Card, Scale, UnknownUpsamplerError, UpsampleError

UpsamplerClass = TypeVar("UpsamplerClass", bound=type[AnyUpsampler])


@dataclass(frozen=True)
class Entry:
    """An upsampler by name: its card, and the class that it makes an upsampler of with the card's options."""

    card: Card
    cls: type[AnyUpsampler]

    def build(self, in_channels: int, out_channels: int, scale: Scale, **options: Any) -> AnyUpsampler:
        """Build it with freshly initialised weights; the arguments are those of :func:`upsample.create`.

        Raises:
            UnsupportedError: it cannot do that scale or those channels.
            UpsampleError: a channel count or an option is not one that it takes.
        """
        try:
            return self.cls(in_channels, out_channels, scale, **{**self.card.options, **options})
        except TypeError as error:
            raise UpsampleError(f"{self.card.name} does not take these options: {error}.") from error


@dataclass(frozen=True)
class Source:
    """Where further upsamplers come from.

    Attributes:
        make: the entry of a name, or None for a name that is not of its kind.
        names: those that are to be listed beside the registered ones.
    """

    make: Callable[[str], Entry | None]
    names: Callable[[], Iterable[str]] = tuple


_entries: dict[str, Entry] = {}
_sources: list[Source] = []


def register(*cards: Card) -> Callable[[UpsamplerClass], UpsamplerClass]:
    """Class decorator: enter each card as the class with that card's options.

    Raises:
        UpsampleError: another upsampler has one of the names already.
    """

    def enter(cls: UpsamplerClass) -> UpsamplerClass:
        for card in cards:
            if card.name in _entries:
                raise UpsampleError(f"the catalogue already has an upsampler named {card.name!r}.")
            _entries[card.name] = Entry(card, cls)
        return cls

    return enter


def add_source(source: Source) -> None:
    """Ask ``source``, too, for names that are not registered."""
    _sources.append(source)


def find(name: str) -> Entry:
    """Return the entry called ``name``.

    Raises:
        UnknownUpsamplerError: no upsampler has that name; the message lists those that exist.
        UpsampleError: what a source has under that name is no upsampler.
    """
    if name not in _entries:
        made = next((entry for source in _sources if (entry := source.make(str(name))) is not None), None)
        if made is None:
            known = listed()
            close = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise UnknownUpsamplerError(f"no upsampler is named {name!r}; {hint}known are: {', '.join(known)}.")
        _entries[name] = made
    return _entries[name]


def listed() -> list[str]:
    """Return all names but those that were made of another name or of a path, in the order in which they came."""
    own = [name for name in _entries if not {":", "."} & set(name)]
    return list(dict.fromkeys([*own, *(name for source in _sources for name in source.names())]))
