"""Every upsampler as it is before any training: what pattern random weights lay over an image, and over its gradient.

Each is asked several times with new weights. Photographs are seen as features, through the same fixed random
convolution by which inputs of timings are made.
"""

from __future__ import annotations

from dataclasses import asdict
from statistics import mean

import torch

import upsample
from upbench.cases.inputs import activations
from upbench.quality.look import ModuleMeter, Plane
from upbench.quality.photographs import held_out_photographs
from upbench.quality.readings.gradient_peaks import GradientPeaks
from upbench.quality.readings.spectral_peaks import SpectralPeaks
from upbench.quality.spectrum import strongest_peak_db
from upbench.quality.views import middle
from upbench.records.quality_run import Untrained
from upsample.contract import GuidedUpsampler

CHANNELS = 16
"""Of the features: enough pairs for a mean, and divisible by every usual number of groups."""

SEEDS = 3
SEEN = "chelsea"
SIDE = 48
"""Of the small image whose peaks are looked for."""
PHOTOGRAPH = 300
"""Pixels of the shorter side of the one that is seen."""


def able(scale: int) -> tuple[str, ...]:
    """Return the upsamplers that can do a scale: operators without a guide, and no textbook forms of others."""
    return tuple(
        card.name
        for card in upsample.cards()
        if card.kind == "operator"
        and not issubclass(upsample.class_of(card.name), GuidedUpsampler)
        and upsample.refusal(card.name, CHANNELS, CHANNELS, scale) is None
    )


def start_of(name: str, scale: int) -> dict[str, object]:
    """Return the :class:`~upbench.records.quality_run.Untrained` of an upsampler as a dictionary, for a journal."""
    torch.set_num_threads(1)
    rows = [_readings(name, scale, seed) for seed in range(SEEDS)]
    means = {meter: _mean([row[meter] for row in rows]) for meter in rows[0]}
    return asdict(Untrained(name, scale, means))


def _readings(name: str, scale: int, seed: int) -> dict[str, float | None]:
    torch.manual_seed(seed)
    module = upsample.create(name, CHANNELS, CHANNELS, scale).double()
    of_module = {key: meter.read(module, CHANNELS, scale) for key, meter in ModuleMeter.registry.items()}
    side = min(SIDE, PHOTOGRAPH // scale)
    small, original = (_features(side * size) for size in (1, scale))
    small.requires_grad_()
    output = module(small)
    (output - original).square().mean().backward()
    assert small.grad is not None
    return {
        **of_module,
        SpectralPeaks.name: _peaks([each.detach().numpy() for each in output[0]], scale),
        GradientPeaks.name: _peaks([each.numpy() for each in small.grad[0]], scale),
    }


def _features(side: int) -> torch.Tensor:
    photograph = middle(held_out_photographs()[SEEN], side)
    image = torch.from_numpy(photograph).permute(2, 0, 1)[None].float() / 255
    return activations(image, CHANNELS).double()


def _peaks(planes: list[Plane], period: int) -> float | None:
    """In dB, the mean over channels."""
    return _mean([strongest_peak_db(plane, period) for plane in planes])


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None
