"""From a name to an upsampler: what ``upsample.create`` and its neighbours look up.

What is to be found is put together here: the families and their exact forms, which enter themselves where they are
imported, and what installed packages and paths offer.
"""

from __future__ import annotations

from typing import Any

import torch

from upsample import adopted, registry
from upsample.contract import AnyUpsampler, Card, Scale, UnsupportedError
from upsample.exact.upsampler import exact_names
from upsample.families import ORDER

__all__ = ["card", "cards", "class_of", "create", "exact_names", "names", "refusal"]

registry.add_source(adopted.INSTALLED)
registry.add_source(adopted.BY_PATH)


def names() -> list[str]:
    """Return the names of all upsamplers, family by family, each family in the order of its file."""
    return [card.name for card in cards()]


def cards() -> list[Card]:
    """Return the cards of all upsamplers of this library and of installed packages, in the order of :func:`names`.

    Raises:
        UpsampleError: what an installed package offers as an upsampler is none; the message names it.
    """
    order = {family: position for position, family in enumerate(ORDER)}
    return sorted(
        (card(name) for name in registry.listed()),
        key=lambda card: (order.get(card.family, len(order)), card.family),
    )


def card(name: str) -> Card:
    """Return the card of the upsampler called ``name``.

    Raises:
        UnknownUpsamplerError: no upsampler has that name; the message lists those that exist.
    """
    return registry.find(name).card


def class_of(name: str) -> type[AnyUpsampler]:
    """Return the class of the upsampler called ``name``, which tells whether it is guided or fractional.

    Raises:
        UnknownUpsamplerError: no upsampler has that name.
    """
    return registry.find(name).cls


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
    return registry.find(name).build(in_channels, out_channels, scale, **options)
