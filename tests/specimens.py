"""What the tests of the whole catalogue feed each upsampler: channels that it can do, weights, inputs and guides."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

import upsample

FRACTIONAL = (1.5, 2.7, (1.5, 2), (2, 3.25))


@cache
def supported(name: str, scales: tuple[upsample.Scale, ...] = (2, 3, 4)) -> list[tuple[int, int, upsample.Scale]]:
    """Channels in and out, and scale, that the upsampler can do."""
    ends = [(c, o) for c in (1, 2, 3, 5, 8, 16, 72) for o in (1, 3, c)]
    return [(c, o, s) for s in scales for c, o in ends if upsample.refusal(name, c, o, s) is None]


SMALL = {
    "network": {"width": 2},
    "carafe": {"compressed_channels": 2},
    "carafe_unfolded": {"compressed_channels": 2},
    "liif": {"width": 2, "depth": 1},
    "lte": {"width": 2, "depth": 1},
    "meta_sr": {"width": 2},
    "fade": {"embedding": 2},
    "sapa_b": {"embedding": 2},
}
"""Options that keep wide hidden layers from taking all the time of a test."""


def small_options(name: str) -> dict[str, int]:
    return SMALL.get(name, SMALL.get(upsample.card(name).kind, {}))


def trained(module: upsample.AnyUpsampler) -> upsample.AnyUpsampler:
    """Move parameters that start at zero, so that nothing vanishes from the comparison; offsets stay below a pixel."""
    with torch.no_grad():
        for parameter in module.parameters():
            if float(parameter.abs().max()) < 0.02:
                parameter.normal_(std=0.05)
    return module


def inputs_of(module: upsample.AnyUpsampler, batch: int, height: int, width: int, **kind: Any) -> list[Tensor]:
    """A random input, and the guide where one is needed."""
    input = torch.randn(batch, module.in_channels, height, width, **kind)
    if not isinstance(module, upsample.GuidedUpsampler):
        return [input]
    features = torch.randn(batch, module.guide_channels, *module.output_size(height, width), **kind)
    return [input, module.guide_from(features)]
