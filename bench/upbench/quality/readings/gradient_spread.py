"""Whether every pixel of the small image is taught alike: the gradient that an even change of the output sends back.

Each output pixel asks for the same change. Where an upsampler reads its input evenly, so does the gradient; nearest at
×1.5 copies some pixels twice and others once, and the layers before it learn a checkerboard.

Source: Odena et al., Distill 2016, "Artifacts in gradients".
"""

from __future__ import annotations

import torch
from torch import nn

from upbench.quality.look import ModuleMeter
from upbench.quality.readings.gain_spread import SIDE
from upbench.records.quality_run import MeterCard

LEVEL = 0.5


class GradientSpread(ModuleMeter):
    """Standard deviation over the middle s×s pixels of the input against their root mean square, over all channels."""

    name = "gradient_spread"
    of_networks = True
    card = MeterCard(
        "Gradient spread",
        "",
        "lower",
        "How far the pixels of the small image lie apart in the gradient that an even change of the output sends back.",
    )

    @torch.enable_grad()
    def read(self, module: nn.Module, in_channels: int, scale: int) -> float | None:
        constant = torch.full((1, in_channels, SIDE, SIDE), LEVEL, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(module(constant).sum(), constant)
        middle = slice(SIDE // 2 - scale // 2, SIDE // 2 - scale // 2 + scale)
        pixels = gradient[:, :, middle, middle]
        size = float(pixels.square().mean().sqrt())
        return float(pixels.var((2, 3), correction=0).mean().sqrt()) / size if size else None
