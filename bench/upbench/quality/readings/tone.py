"""The tone of an upsampler: how unevenly its output phases answer to a constant, which shows as a checkerboard.

On a constant input every output pixel of an even upsampler is the same. Where the s² phases of a kernel bank have other
gains, a pattern of period s stands over the image. Its strength is the energy of the gains' s×s spectrum off the mean
against that of the mean, summed over all pairs of channels: 0 for nearest and ICNR, ``s² - 1`` for independent phases
with zero mean, as a sub-pixel convolution is started; 4.8, 9.0 and 11.8 dB at ×2, ×3 and ×4.

Sources: Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016; Aitken et al. (ICNR), 2017.

Trap: it is exact where the output is linear in the input. An upsampler whose kernels depend on what it sees answers a
constant with the kernels of a constant.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from upbench.quality.look import ModuleMeter
from upbench.records.quality_run import MeterCard

PIXELS = 15
"""Side of the constant image: wide enough for a pixel in its middle that sees no border."""

ROUNDING = 1e-24
"""Share of the energy that rounding in float64 leaves off the mean."""


class Tone(ModuleMeter):
    """A ratio of energies, 0 without a tone; None where nothing answers to a constant."""

    name = "tone"
    card = MeterCard(
        "Tone",
        "dB",
        "lower",
        "Energy of the pattern on a constant input against that of its mean: −∞ is even, 10·log10(s² − 1) random.",
        ratio_of_energies=True,
    )

    def read(self, module: nn.Module, in_channels: int, scale: int) -> float | None:
        return unevenness(phase_gains(module, in_channels, scale))


@torch.no_grad()
def phase_gains(module: nn.Module, in_channels: int, scale: int, side: int = PIXELS) -> Tensor:
    """Return what each output phase makes of a constant 1 in one input channel, ``(C, O, s, s)``, without the bias."""
    answers = torch.cat([_answer(module, in_channels, channel, side) for channel in range(in_channels)])
    middle = slice(side // 2 * scale, (side // 2 + 1) * scale)
    gains: Tensor = (answers - _answer(module, in_channels, None, side))[:, :, middle, middle]
    return gains


def _answer(module: nn.Module, in_channels: int, channel: int | None, side: int) -> Tensor:
    constant = torch.zeros(1, in_channels, side, side, dtype=torch.float64)
    if channel is not None:
        constant[:, channel] = 1
    answer: Tensor = module(constant)
    return answer


def unevenness(gains: Tensor) -> float | None:
    """Return the energy off the mean of the phases' gains ``(…, s, s)`` against that of the mean."""
    power = torch.fft.fft2(gains).abs().square().flatten(0, -3).sum(0)
    mean, whole = float(power[0, 0]), float(power.sum())
    uneven = whole - mean
    if uneven <= whole * ROUNDING:
        return 0.0 if whole else None
    return uneven / mean if mean else None
