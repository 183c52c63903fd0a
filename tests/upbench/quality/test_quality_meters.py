"""The meters of quality and of artefacts on what has a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import upsample
from upbench.quality.degradation import shrunk
from upbench.quality.misplacement import phase_variance, shift
from upbench.quality.photographs import PHOTOGRAPHS
from upbench.quality.similarity import compare, luma
from upbench.quality.spectrum import peaks_db, radial_error
from upbench.quality.tone import phase_gains, tone_db


@pytest.mark.parametrize("name", ["nearest_conv", "bilinear_conv", "subpixel_icnr"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_answers_a_constant_evenly_has_no_tone(name: str, scale: int) -> None:
    module = upsample.create(name, 4, 5, scale)
    assert tone_db(phase_gains(module, 4, scale)) == -math.inf


@pytest.mark.parametrize(("scale", "published"), [(2, 4.8), (3, 9.0), (4, 11.8)])
def test_a_random_sub_pixel_convolution_has_the_published_tone(scale: int, published: float) -> None:
    torch.manual_seed(0)
    module = upsample.create("subpixel", 128, 128, scale)
    torch.nn.init.normal_(module.conv.weight)
    assert tone_db(phase_gains(module, 128, scale)) == pytest.approx(published, abs=0.15)


@pytest.mark.parametrize("strength", [0.1, 0.5])
def test_a_planted_checkerboard_has_its_planted_tone(strength: float) -> None:
    pattern = 1 + strength * torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)
    assert tone_db(pattern[None, None]) == pytest.approx(20 * math.log10(strength))


def test_a_planted_checkerboard_is_a_peak_and_a_photograph_has_none() -> None:
    plane = luma(next(each for each in PHOTOGRAPHS if each.name == "chelsea").read())
    rows, columns = np.indices(plane.shape)
    planted = [plane + strength * (-1.0) ** (rows + columns) for strength in (0, 1, 2)]
    clean, weak, strong = (peaks_db(each, 2) for each in planted)
    assert clean < 12 < weak
    assert strong - weak == pytest.approx(20 * math.log10(2), abs=1)


@pytest.mark.parametrize("moved", [(1, 0), (0, -2), (3, 5)])
def test_a_shift_is_found(moved: tuple[int, int]) -> None:
    plane = luma(next(each for each in PHOTOGRAPHS if each.name == "chelsea").read())
    assert shift(np.roll(plane, moved, (0, 1)), plane) == pytest.approx(moved, abs=0.02)


def test_equal_images_are_equal_in_every_way() -> None:
    image = next(each for each in PHOTOGRAPHS if each.name == "chelsea").read()
    found = compare(image, image, 4)
    assert (found.psnr, found.ssim) == (math.inf, pytest.approx(1.0))
    assert radial_error(luma(image), luma(image)) == 0.0
    assert phase_variance(luma(image), luma(image), 2) == 0.0


def test_shrinking_a_constant_leaves_it_and_keeps_a_shape() -> None:
    image = np.full((48, 60, 3), 77, dtype=np.uint8)
    assert np.array_equal(shrunk(image, 4), np.full((12, 15, 3), 77))


def test_nearest_enlargement_of_a_photograph_has_peaks() -> None:
    small = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    large = F.interpolate(small, scale_factor=2, mode="nearest")[0, 0].double().numpy()
    assert np.isfinite(peaks_db(large, 2))
