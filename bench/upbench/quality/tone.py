"""The tone of an upsampler: how unevenly its output phases answer to a constant, which shows as a checkerboard.

On a constant input every output pixel of an even upsampler is the same. Where the s² phases of a kernel bank have other
gains, a pattern of period s stands over the image. Its strength is the energy of the gains' s×s spectrum off the mean
against that of the mean, summed over all pairs of channels, in dB: -∞ for nearest and ICNR, ``10·log10(s² - 1)`` for
independent phases with zero mean, as a sub-pixel convolution is started.

Sources: Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016; Aitken et al. (ICNR), 2017.

Trap: what is measured is linear in the input. An upsampler whose kernels depend on what it sees answers a constant with
the kernels of a constant.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

PIXELS = 11
"""Side of the constant image: wide enough for a pixel in its middle that sees no border."""


@torch.no_grad()
def phase_gains(module: nn.Module, channels: int, scale: int, side: int = PIXELS) -> Tensor:
    """Return what each output phase makes of a constant 1 in one input channel, ``(C, O, s, s)``, without the bias."""
    constants = torch.eye(channels, dtype=torch.float64)[:, :, None, None].expand(-1, -1, side, side)
    module = module.double()
    answers = module(constants) - module(torch.zeros_like(constants[:1]))
    middle = slice(side // 2 * scale, (side // 2 + 1) * scale)
    gains: Tensor = answers[:, :, middle, middle]
    return gains


def tone_db(gains: Tensor) -> float:
    """Return the energy off the mean of the phases' gains against that of the mean, in dB."""
    power = torch.fft.fft2(gains).abs().square().sum((0, 1))
    mean, whole = float(power[0, 0]), float(power.sum())
    # What rounding leaves is no tone.
    uneven = whole - mean if whole - mean > whole * 1e-24 else 0.0
    if uneven == 0:
        return -math.inf
    return 10 * math.log10(uneven / mean) if mean else math.inf
