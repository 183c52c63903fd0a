"""How far the s² phases of the output lie apart on a constant input: the checkerboard that a flat surface gets.

Unlike the tone it sees biases and whatever is not linear, such as a network's activations and kernels that depend on
the image.

Source: Odena et al., Distill 2016.
"""

from __future__ import annotations

import torch
from torch import nn

from upbench.quality.look import ModuleMeter
from upbench.quality.readings.tone import PIXELS
from upbench.records.quality_run import MeterCard

LEVELS = (0.25, 0.5, 0.75)
SIDE = 2 * PIXELS + 1
"""Of the constant image, so that a whole network sees no border in its middle."""


class GainSpread(ModuleMeter):
    """Standard deviation over the phases against their root mean square, over all output channels and three levels."""

    name = "gain_spread"
    of_networks = True
    card = MeterCard(
        "Phase gain spread", "", "lower", "On a flat surface: how far the s² output phases lie apart, relative."
    )

    @torch.no_grad()
    def read(self, module: nn.Module, in_channels: int, scale: int) -> float | None:
        levels = torch.tensor(LEVELS, dtype=torch.float64)[:, None, None, None]
        answers = module(levels.expand(-1, in_channels, SIDE, SIDE).contiguous())
        middle = slice(SIDE // 2 * scale, (SIDE // 2 + 1) * scale)
        phases = answers[:, :, middle, middle]
        spread = float(phases.var((2, 3), correction=0).mean().sqrt())
        size = float(phases.square().mean().sqrt())
        return spread / size if size else None
