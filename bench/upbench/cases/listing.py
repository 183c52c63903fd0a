"""The catalogue as rows for a person: what ``upbench list`` prints."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass

import torch

import upsample

CHANNELS = 64
SIDE = 96
SCALES_TRIED = range(2, 17)
FRACTION_TRIED = 1.5


@dataclass(frozen=True)
class CatalogueRow:
    """One upsampler; ``params`` and ``macs_per_pixel`` (low resolution, 96×96) at 64 channels and scale 2.

    Both are None where no closed form is stated, or that scale and width are not possible.
    """

    name: str
    title: str
    family: str
    kind: str
    guided: bool
    paper: str
    year: int | None
    scales: str
    params: int | None
    macs_per_pixel: int | None
    advice: str
    exact_form_of: str | None


def listing(names: tuple[str, ...] = ()) -> list[CatalogueRow]:
    """Return one row for each upsampler of the catalogue, or for those that are named."""
    return [_row(upsample.card(name)) for name in names or upsample.names()]


def _row(card: upsample.Card) -> CatalogueRow:
    cls = upsample.class_of(card.name)
    cost, scales = None, "as it says"
    if cls.stated:
        # Somebody's own class may fail as it is built; whoever measures it says so.
        with suppress(Exception) if ":" in card.name else nullcontext():
            cost, scales = _cost(card), _scales(card.exact_form_of or card.name)
    return CatalogueRow(
        name=card.name,
        title=card.title,
        family=card.family,
        kind=card.kind,
        guided=issubclass(cls, upsample.GuidedUpsampler),
        paper=card.paper,
        year=card.year,
        scales=scales,
        params=None if cost is None else cost.params,
        macs_per_pixel=None if cost is None else round(cost.macs / SIDE**2),
        advice=card.advice,
        exact_form_of=card.exact_form_of,
    )


def _cost(card: upsample.Card) -> upsample.Cost | None:
    # A network maps images to images, and its backbone has the channels.
    ends, options = ((3, 3), {"width": CHANNELS}) if card.kind == "network" else ((CHANNELS, CHANNELS), {})
    if upsample.refusal(card.name, *ends, 2) is not None:
        return None
    with torch.device("meta"):
        return upsample.cost(upsample.create(card.name, *ends, 2, **options), (1, ends[0], SIDE, SIDE))


def _scales(name: str) -> str:
    if upsample.refusal(name, CHANNELS, CHANNELS, FRACTION_TRIED) is None:
        return "any above 1"
    # So many channels are divisible by the square of the scale, and by any usual number of groups.
    able = [s for s in SCALES_TRIED if upsample.refusal(name, (6 * s) ** 2, (6 * s) ** 2, s) is None]
    if able == list(SCALES_TRIED):
        return "any whole"
    if not able:
        return "as it says"
    if able == list(range(able[0], able[-1] + 1)):
        return f"{able[0]} to {able[-1]}" if len(able) > 1 else str(able[0])
    return ", ".join(map(str, able)) + ", …"
