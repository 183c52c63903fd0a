"""Who competes: upsamplers as practised, at equal parameters and at equal FLOPs, and the controls that claims need.

The network with one-stage sub-pixel convolution sets the parameters and the FLOPs; the others get the width of the
backbone that comes nearest. What would need a backbone narrower than :data:`NARROWEST` cannot compete on equal terms,
which is said rather than left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch

import upsample
from upbench.errors import UsageError
from upbench.meters.opcount import count_operators
from upbench.quality.backbone import FEATURES, SmallNetwork
from upbench.quality.interpolations import INTERPOLATIONS
from upbench.records.quality_run import Contestant, League, Placement

WIDTH = 64
"""Inner channels of the backbone as practised."""

NARROWEST = 4
EQUAL = 0.02
"""Parameters or FLOPs that differ by less are equal already, and the contestant as practised stands for both."""

SIDE = 24
"""Of the small image for which FLOPs are counted; they are divided by its pixels."""

YARDSTICK = "subpixel"
FIRST = "pre_upsampling"
"""The catalogue's name for a network that interpolates its image first."""

COMPARED = (
    YARDSTICK,
    "subpixel_icnr",
    "subpixel_staged",
    "transposed",
    "nearest_conv",
    "bilinear_conv",
    "conv_bilinear",
    "nearest_conv_staged",
    "dysample_lp",
    "carafe",
    "pixel_attention",
)
QUICKLY_COMPARED = (YARDSTICK, "transposed", "nearest_conv")

OVERLAPS = (3, 4, 5, 6)
"""Kernels of a stride-2 transposed convolution as the last layer: divisible by the stride or not."""


@dataclass(frozen=True)
class Absent:
    """Who cannot compete, and why."""

    contestant: Contestant
    reason: str


def network(contestant: Contestant) -> SmallNetwork:
    """Return the contestant's network with new weights."""
    options = dict(contestant.options)
    return SmallNetwork(
        contestant.upsampler, contestant.scale, contestant.placement, contestant.backbone_width, options
    )


def costed(contestant: Contestant) -> Contestant:
    """Return the contestant with the parameters and FLOPs of its network, counted operator by operator."""
    with torch.device("meta"), torch.no_grad():
        made = network(contestant)
        count = count_operators(made, torch.empty(1, 1, SIDE, SIDE))
    params = sum(parameter.numel() for parameter in made.parameters())
    return replace(contestant, params=params, flops_per_pixel=round(count.flops / SIDE**2))


def interpolations(scales: Iterable[int]) -> list[Contestant]:
    """Every interpolation alone, at each scale."""
    return [
        Contestant(name, scale, "without training", placement="alone") for scale in scales for name in INTERPOLATIONS
    ]


def full(scales: Sequence[int], names: Sequence[str] = COMPARED) -> tuple[list[Contestant], list[Absent]]:
    """Return all contestants and those that cannot compete.

    Raises:
        UsageError: an upsampler needs a guide, or is a whole network.
        UnknownUpsamplerError: there is none of that name.
    """
    names = tuple(dict.fromkeys((YARDSTICK, *names)))
    for name in names:
        if issubclass(upsample.class_of(name), upsample.GuidedUpsampler) or upsample.card(name).kind == "network":
            raise UsageError(f"{name} cannot stand in the networks that are trained: it needs a guide or is one.")
    present: list[Contestant] = []
    absent: list[Absent] = []
    for scale in scales:
        able = [name for name in names if upsample.refusal(name, FEATURES, FEATURES, scale) is None]
        absent += [_unable(name, scale) for name in names if name not in able]
        own = [_practised(name, scale) for name in (*able, FIRST)]
        present += own
        for contestant in own:
            for league, size in _SIZES.items():
                if contestant.placement == "first" and league == "equal parameters":
                    # Its backbone is the yardstick's but for the upsampler's own kernels, and s² times as much work.
                    continue
                matched = _matched(contestant, own[0], league, size)
                if isinstance(matched, Absent):
                    absent.append(matched)
                elif matched is not contestant:
                    present.append(matched)
    return [*present, *(_overlaps() if 2 in scales else [])], absent


def _unable(name: str, scale: int) -> Absent:
    reason = str(upsample.refusal(name, FEATURES, FEATURES, scale))
    return Absent(Contestant(name, scale, "as practised"), reason)


def quick() -> list[Contestant]:
    """Return a few upsamplers at ×2 as practised, and a kernel that the stride divides beside one that it doesn't."""
    by_kernel = [each for each in _overlaps() if each.options["kernel_size"] in (3, 4)]
    first = _practised(FIRST, 2)
    equal = _matched(first, _practised(YARDSTICK, 2), "equal FLOPs", _SIZES["equal FLOPs"])
    matched = [] if isinstance(equal, Absent) else [equal]
    return [*(_practised(name, 2) for name in QUICKLY_COMPARED), *matched, *by_kernel]


_SIZES: dict[League, Callable[[Contestant], int]] = {
    "equal parameters": lambda contestant: contestant.params,
    "equal FLOPs": lambda contestant: contestant.flops_per_pixel,
}


def _practised(name: str, scale: int) -> Contestant:
    placement: Placement = "first" if name == FIRST else "inside"
    return costed(Contestant(name, scale, "as practised", placement=placement, backbone_width=WIDTH))


def _overlaps() -> list[Contestant]:
    return [
        costed(
            Contestant("transposed", 2, "as practised", "last", options={"kernel_size": kernel}, backbone_width=WIDTH)
        )
        for kernel in OVERLAPS
    ]


def _matched(
    contestant: Contestant, yardstick: Contestant, league: League, size: Callable[[Contestant], int]
) -> Contestant | Absent:
    """The contestant with the width at which its size comes nearest to the yardstick's; both grow evenly with it."""
    wanted = size(yardstick)
    if abs(size(contestant) - wanted) <= EQUAL * wanted:
        return contestant
    narrow = size(costed(replace(contestant, backbone_width=NARROWEST)))
    slope = (size(contestant) - narrow) / (contestant.backbone_width - NARROWEST)
    width = round(NARROWEST + (wanted - narrow) / slope)
    asked = replace(contestant, league=league, backbone_width=max(width, NARROWEST))
    if width < NARROWEST:
        asked = replace(asked, params=0, flops_per_pixel=0)
        return Absent(asked, f"its upsampler alone takes more than the whole network of {yardstick.upsampler} may")
    return costed(asked)
