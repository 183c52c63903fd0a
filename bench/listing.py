"""The catalogue as rows for a person: what ``upbench list`` prints."""

from __future__ import annotations

from dataclasses import dataclass

import torch

import upsample
from bench.case import Case, Cell
from bench.workload import create_module, is_network

CHANNELS = 64
SIDE = 96
SCALES_TRIED = range(2, 17)


@dataclass(frozen=True)
class Row:
    """One upsampler; ``params`` and ``macs_per_pixel`` (low resolution, 96×96) at 64 channels and scale 2."""

    name: str
    title: str
    family: str
    kind: str
    paper: str
    year: int
    scales: str
    params: int
    macs_per_pixel: int
    advice: str


def listing() -> list[Row]:
    """Return one row for each upsampler of the catalogue."""
    return [_row(card) for card in upsample.cards()]


def _row(card: upsample.Card) -> Row:
    ends = (3, 3) if is_network(card.name) else (CHANNELS, CHANNELS)
    with torch.device("meta"):
        module = create_module(Case(card.name, Cell(2, CHANNELS, *ends, SIDE, SIDE)))
    cost = upsample.cost(module, (1, ends[0], SIDE, SIDE))
    return Row(
        name=card.name,
        title=card.title,
        family=card.family,
        kind=card.kind,
        paper=card.paper,
        year=card.year,
        scales=_scales(card.name),
        params=cost.params,
        macs_per_pixel=round(cost.macs / SIDE**2),
        advice=card.advice,
    )


def _scales(name: str) -> str:
    able = [scale for scale in SCALES_TRIED if upsample.refusal(name, scale) is None]
    if able == list(SCALES_TRIED):
        return "any whole"
    if able == list(range(able[0], able[-1] + 1)):
        return f"{able[0]} to {able[-1]}"
    return ", ".join(map(str, able)) + ", …"
