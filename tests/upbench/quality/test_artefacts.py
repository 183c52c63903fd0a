"""Artefact meters on controls: what is even scores 0, what is not does not, and a planted pattern has its strength."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import upsample
from upbench.quality.interpolations import Interpolated
from upbench.quality.look import Look, Plane
from upbench.quality.photographs import held_out_photographs
from upbench.quality.readings.displacement import Displacement
from upbench.quality.readings.gain_spread import GainSpread
from upbench.quality.readings.gradient_peaks import GradientPeaks
from upbench.quality.readings.gradient_spread import GradientSpread
from upbench.quality.readings.high_frequency import HighFrequency
from upbench.quality.readings.phase_variance import PhaseVariance
from upbench.quality.readings.radial_spectrum import RadialSpectrum
from upbench.quality.readings.shift import Shift
from upbench.quality.readings.spectral_peaks import SpectralPeaks
from upbench.quality.readings.tone import Tone, phase_gains, unevenness
from upbench.quality.spectrum import strongest_peak
from upbench.quality.views import as_plane, look_at, view_of
from upbench.records.quality_run import decibels

EVEN = ["nearest_conv", "bilinear_conv", "bicubic_conv", "subpixel_icnr", "conv_bilinear", "conv_nearest"]
UNEVEN = ["subpixel", "transposed", "transposed_9x9", "inverse_wavelet"]


class Applied(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input)


def random_module(name: str, channels: int, scale: int, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return upsample.create(name, channels, channels, scale).double()


@pytest.mark.parametrize("name", EVEN)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_answers_a_constant_evenly_has_neither_tone_nor_spread(name: str, scale: int) -> None:
    module = random_module(name, 4, scale)
    assert Tone().read(module, 4, scale) == 0
    assert GainSpread().read(module, 4, scale) == pytest.approx(0, abs=1e-12)
    assert GradientSpread().read(module, 4, scale) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", UNEVEN)
def test_what_starts_with_random_phases_has_both(name: str) -> None:
    module = random_module(name, 8, 2)
    tone, spread = Tone().read(module, 8, 2), GainSpread().read(module, 8, 2)
    assert tone is not None
    assert spread is not None
    assert tone > 0.1
    assert spread > 0.01


@pytest.mark.parametrize(("scale", "published"), [(2, 4.8), (3, 9.0), (4, 11.8)])
def test_a_random_sub_pixel_convolution_has_the_published_tone(scale: int, published: float) -> None:
    torch.manual_seed(0)
    module = upsample.create("subpixel", 48, 48, scale).double()
    torch.nn.init.normal_(module.conv.weight)
    assert decibels(Tone().read(module, 48, scale)) == pytest.approx(published, abs=0.3)


@given(st.floats(0.01, 0.9), st.integers(2, 4), st.floats(0.2, 5))
@settings(max_examples=30, deadline=None)
def test_a_planted_checkerboard_has_its_planted_tone(strength: float, scale: int, gain: float) -> None:
    stripes = torch.cos(2 * math.pi * torch.arange(scale, dtype=torch.float64) / scale)
    pattern = gain * (1 + strength * stripes[:, None] * torch.ones(scale, dtype=torch.float64))
    module = Applied(lambda x: F.conv_transpose2d(x, pattern[None, None], stride=scale))
    tone = Tone().read(module, 1, scale)
    assert tone is not None
    assert tone == pytest.approx(strength**2 * float(stripes.square().mean()), rel=1e-9)


def test_the_overlap_of_a_kernel_that_the_stride_does_not_divide_is_its_counts() -> None:
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    module = Applied(lambda x: F.conv_transpose2d(x, ones, stride=2, padding=1, output_padding=1))
    assert sorted(phase_gains(module, 1, 2).flatten().tolist()) == [1, 2, 2, 4]
    even = Applied(lambda x: F.conv_transpose2d(x, torch.ones(1, 1, 4, 4, dtype=torch.float64), stride=2, padding=1))
    assert unevenness(phase_gains(even, 1, 2)) == 0


def test_an_uneven_reader_sends_an_uneven_gradient_back() -> None:
    mask = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    module = Applied(lambda x: F.interpolate(x * mask.repeat(16, 16)[: x.shape[2], : x.shape[3]], scale_factor=2))
    assert GradientSpread().read(module, 1, 2) == pytest.approx(math.sqrt(3) / 2)


def test_a_planted_checkerboard_is_a_peak_that_grows_with_it(photograph: Plane) -> None:
    rows, columns = np.indices(photograph.shape)
    peaks = [
        SpectralPeaks().read(Look(photograph + strength * (-1.0) ** (rows + columns), photograph, 2))
        for strength in (0, 1, 2, 4)
    ]
    clean, *planted = (peak for peak in peaks if peak is not None)
    assert clean < 15 < planted[0]
    for weaker, stronger in pairwise(planted):
        assert stronger - weaker == pytest.approx(20 * math.log10(2), abs=0.6)


@pytest.mark.parametrize("period", [2, 3, 4])
@pytest.mark.parametrize("direction", [(0, 1), (1, 0), (1, 1), (1, -1)])
def test_a_pattern_in_any_direction_is_found_and_its_strength_is_its_power(
    period: int, direction: tuple[int, int]
) -> None:
    noise = np.random.default_rng(0).normal(size=(240, 240))
    places = np.tensordot(direction, np.indices(noise.shape), 1)
    found = [strongest_peak(noise + s * np.cos(2 * math.pi * places / period), period) for s in (0, 1, 10)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[2] is not None
    assert found[0] < 30
    assert found[2] / found[1] == pytest.approx(100, rel=0.15)


def test_a_planted_checkerboard_in_the_gradient_is_found(photograph: Plane) -> None:
    rows, columns = np.indices((120, 120))
    noise = np.random.default_rng(0).normal(size=(120, 120))
    peaks = [
        GradientPeaks().read(Look(photograph, photograph, 2, noise + strength * (-1.0) ** (rows + columns)))
        for strength in (0, 1, 2)
    ]
    assert GradientPeaks().read(Look(photograph, photograph, 2)) is None
    clean, *planted = (peak for peak in peaks if peak is not None)
    assert clean < 15 < planted[0]
    assert planted[1] - planted[0] == pytest.approx(20 * math.log10(2), abs=0.6)


@pytest.mark.parametrize("side", [24, 31, 48, 64])
def test_equal_noise_has_equal_spectra_and_another_has_not_at_any_size(side: int) -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(side, side)), random.normal(size=(side, side))
    same, other = (RadialSpectrum().read(Look(plane, a, 2)) for plane in (a, b))
    assert same == 0
    assert other is not None
    assert 0.02 < other < 1.5


@pytest.mark.parametrize(("name", "away"), [("blur_shuffle", math.hypot(0.5, 0.5)), ("subpixel", 0), ("carafe", 0)])
def test_what_an_input_pixel_changes_lies_in_its_place_but_for_a_blur(name: str, away: float) -> None:
    assert Displacement().read(random_module(name, 16, 2), 16, 2) == pytest.approx(away, abs=0.06)


def test_a_padding_that_is_one_less_moves_everything_by_a_pixel() -> None:
    kernel = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    misplaced = Applied(lambda x: F.conv_transpose2d(x, kernel, stride=2)[:, :, :-2, :-2])
    assert Displacement().read(misplaced, 1, 2) == pytest.approx(math.hypot(1, 1))


@pytest.mark.parametrize("moved", [(1, 0), (0, -2), (2, 1)])
def test_a_shift_is_found(moved: tuple[int, int], photograph: Plane) -> None:
    assert Shift().read(Look(np.roll(photograph, moved, (0, 1)), photograph, 2)) == pytest.approx(
        math.hypot(*moved), abs=0.05
    )


def displaced(module: nn.Module) -> float:
    found = Shift().read(look_at(module, view_of(held_out_photographs()["camera"][100:340, 100:340], 2)))
    assert found is not None
    return found


def test_the_known_ways_to_move_an_image_are_found_and_interpolation_does_not_move_it() -> None:
    assert displaced(Interpolated("bicubic_matlab", 2)) < 0.05
    # A blur over 2×2 pixels of an image that is in its place: half a pixel down and right.
    blurred = Applied(lambda x: F.avg_pool2d(F.pad(F.interpolate(x, scale_factor=2), (1, 0, 1, 0), "replicate"), 2, 1))
    assert displaced(blurred) == pytest.approx(math.hypot(0.5, 0.5), abs=0.03)
    # Bilinear taps, and a padding that is one less than theirs.
    taps = torch.tensor([0.25, 0.75, 0.75, 0.25])
    kernel = (taps[:, None] * taps)[None, None]
    placed = Applied(lambda x: F.conv_transpose2d(x, kernel, stride=2, padding=1))
    misplaced = Applied(lambda x: F.conv_transpose2d(x, kernel, stride=2)[:, :, :-2, :-2])
    assert displaced(placed) < 0.05
    assert displaced(misplaced) == pytest.approx(math.hypot(1, 1), abs=0.03)
    aligned = Applied(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))
    assert displaced(aligned) > 0.2


def test_equal_images_are_equal_in_every_way(photograph: Plane) -> None:
    look = Look(photograph, photograph, 2)
    assert (HighFrequency().read(look), RadialSpectrum().read(look), PhaseVariance().read(look)) == (0, 0, None)


def test_an_image_without_detail_has_a_high_frequency_error_of_one(photograph: Plane) -> None:
    spectrum = np.fft.fft2(photograph)
    fine = np.maximum(*np.abs(np.meshgrid(np.fft.fftfreq(240), np.fft.fftfreq(240)))) > 0.25
    smooth = np.real(np.fft.ifft2(np.where(fine, 0, spectrum)))
    assert HighFrequency().read(Look(smooth, photograph, 2)) == pytest.approx(1, abs=0.02)
    # Detail in the wrong place has the right power and twice the error.
    elsewhere = smooth + (photograph - smooth)[::-1, ::-1]
    error = HighFrequency().read(Look(elsewhere, photograph, 2))
    assert error is not None
    assert 1.7 < error < 2.3
    powers = RadialSpectrum().read(Look(elsewhere, photograph, 2))
    assert powers is not None
    assert powers < 0.4


def test_an_error_of_one_phase_alone_varies_most() -> None:
    original, output = np.zeros((8, 8)), np.zeros((8, 8))
    output[::2, ::2] = 1
    assert PhaseVariance().read(Look(output, original, 2)) == pytest.approx(math.sqrt(3))
    assert PhaseVariance().read(Look(np.ones((8, 8)), original, 2)) == 0


def test_output_is_rounded_as_it_would_be_stored() -> None:
    assert as_plane(torch.tensor([[[[0.5, 1.2, -0.3]]]])).tolist() == [[128, 255, 0]]
