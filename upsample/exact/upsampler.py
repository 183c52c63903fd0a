"""Exact forms as upsamplers: ``nearest_conv.phases`` is nearest + conv, the same weights, computed phase by phase."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor

from upsample.contract import AnyUpsampler, Card, Scale, UnsupportedError, Upsampler, Work
from upsample.exact.forms import FORMS
from upsample.registry import Entry, Source, add_source, find, listed


def in_form(base: type[AnyUpsampler], form: str) -> type[AnyUpsampler]:
    """Return the class of what ``base`` computes, in the exact form of that name."""

    class InForm(_InForm):
        of = base
        form_name = form
        fractional, stages_of, keeps_channels, local = base.fractional, base.stages_of, base.keeps_channels, base.local

    # As Python's own classes have it: TorchScript writes the name into its files, and reads it there.
    InForm.__name__ = InForm.__qualname__ = f"{base.__name__}_{form}"
    return InForm


def card_in_form(card: Card, form: str) -> Card:
    """Return the card that belongs to it."""
    return replace(
        card,
        name=f"{card.name}.{form}",
        title=f"{card.title}, {FORMS[form].title}",
        exact_form_of=card.name,
        advice=f"The same output as {card.name} from the same weights.",
    )


class _InForm(Upsampler):
    """``usual`` has the parameters; the form's kernels follow them."""

    of: ClassVar[type[AnyUpsampler]]
    form_name: ClassVar[str]

    def __init__(self, in_channels: int, out_channels: int, scale: Scale, **options: Any) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.usual = self.of(in_channels, out_channels, scale, **options)
        layers = self.usual.linear_layers()
        if not layers:
            raise UnsupportedError(f"{self.of.__name__} is not made of layers that exact forms know.")
        self.form = FORMS[self.form_name](layers, in_channels, owned=False)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.form(input)
        return output

    def definition(self, input: Tensor) -> Tensor:
        return self.usual.definition(input)

    def work(self, batch: int, height: int, width: int) -> Work:
        return self.form.work(batch, height, width)


def exact_names(name: str) -> list[str]:
    """Return the names of an upsampler's exact forms, such as ``subpixel.phases``; empty where it has none.

    They are no entries of :func:`upsample.names`, and :func:`upsample.create` knows them. Some do not exist for every
    scale.
    """
    if name not in listed() or find(name).cls.linear_layers is AnyUpsampler.linear_layers:
        return []
    return [f"{name}.{form}" for form in FORMS]


def _made(name: str) -> Entry | None:
    usual, _, form = name.partition(".")
    if form not in FORMS or name not in exact_names(usual):
        return None
    entry = find(usual)
    return Entry(card_in_form(entry.card, form), in_form(entry.cls, form))


add_source(Source(_made))
