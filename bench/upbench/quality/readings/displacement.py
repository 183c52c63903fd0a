"""How far what an input pixel changes lies from where the pixel belongs, whatever the weights are.

A change of one input pixel changes some output pixels; the centre of the energy of that change should lie over the
middle of the s×s pixels that the input pixel stands for. With random weights it scatters around its place, and is off
by more where padding, a blur or ``align_corners`` moves the image.

Traps: those of :mod:`upbench.quality.readings.shift`, which needs a trained network to see them.
"""

from __future__ import annotations

from math import hypot

import torch
from torch import Tensor, nn

from upbench.quality.look import ModuleMeter
from upbench.quality.readings.tone import PIXELS
from upbench.records.quality_run import MeterCard

LEVEL = 0.5
CHANGE = 1e-3
"""Small, so that what is not linear answers as it does to an image; float64 leaves enough of it."""


class Displacement(ModuleMeter):
    """In pixels of the output, mean over the channels; None where nothing changes."""

    name = "displacement"
    card = MeterCard(
        "Displacement", "px", "lower", "How far what one input pixel changes lies from where it belongs, on average."
    )

    @torch.no_grad()
    def read(self, module: nn.Module, in_channels: int, scale: int) -> float | None:
        flat = torch.full((1, in_channels, PIXELS, PIXELS), LEVEL, dtype=torch.float64)
        before = module(flat)
        energy: Tensor | None = None
        for channel in range(in_channels):
            touched = flat.clone()
            touched[0, channel, PIXELS // 2, PIXELS // 2] += CHANGE
            change = (module(touched) - before)[0].square().sum(0)
            energy = change if energy is None else energy + change
        assert energy is not None
        whole = float(energy.sum())
        if not whole:
            return None
        place = scale * (PIXELS // 2) + (scale - 1) / 2
        rows = torch.arange(energy.shape[0], dtype=torch.float64)
        columns = torch.arange(energy.shape[1], dtype=torch.float64)
        down = float((energy.sum(1) * rows).sum()) / whole - place
        right = float((energy.sum(0) * columns).sum()) / whole - place
        return hypot(down, right)
