"""PSNR, SSIM, luma and the degradation against independent implementations and a definition written out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from resize_right import interp_methods, resize
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from upbench.quality.degradation import cropped_to_multiple, shrunk
from upbench.quality.interpolations import Interpolated
from upbench.quality.look import Look, Plane
from upbench.quality.luma import luma, rounded
from upbench.quality.photographs import PHOTOGRAPHS, held_out_photographs, training_photographs
from upbench.quality.readings.psnr import Psnr
from upbench.quality.readings.ssim import Ssim
from upbench.quality.views import look_at, view_of


def matlab_imresize(plane: Plane, scale: int) -> Plane:
    """MATLAB's ``imresize(…, 1/scale)`` from its documentation: Keys' kernel, a = -0.5, stretched, mirrored edges."""

    def keys(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x = np.abs(x)
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        return np.where(x <= 1, near, np.where(x < 2, far, 0.0))

    def matrix(size: int) -> npt.NDArray[np.float64]:
        made = np.zeros((size // scale, size))
        for row in range(size // scale):
            centre = (row + 0.5) * scale - 0.5
            taps = np.arange(math.floor(centre - 2 * scale), math.ceil(centre + 2 * scale) + 1)
            weights = keys((taps - centre) / scale)
            weights /= weights.sum()
            for tap, weight in zip(taps, weights, strict=True):
                mirrored = tap % (2 * size)
                made[row, min(mirrored, 2 * size - 1 - mirrored)] += weight
        return made

    return np.asarray(matrix(plane.shape[0]) @ plane @ matrix(plane.shape[1]).T)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_degradation_is_matlabs(scale: int) -> None:
    image = cropped_to_multiple(held_out_photographs()["coins"], scale)
    expected = matlab_imresize(image[:, :, 0].astype(float), scale)
    # Where the definition lies halfway between two numbers, rounding may go either way.
    assert np.abs(shrunk(image, scale)[:, :, 0] - rounded(expected)).max() <= 1
    assert np.mean(shrunk(image, scale)[:, :, 0] == rounded(expected)) > 0.999


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_degradation_is_that_of_another_library_but_for_the_border(scale: int) -> None:
    image = cropped_to_multiple(held_out_photographs()["china"], scale)
    theirs = resize(image.astype(float), 1 / scale, interp_method=interp_methods.cubic, pad_mode="symmetric")
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(shrunk(image, scale)[inner] - rounded(theirs)[inner]).max() <= 1


def test_torchs_kernel_is_named_and_another() -> None:
    image = cropped_to_multiple(held_out_photographs()["china"], 4)
    ours, theirs = (shrunk(image, 4, kernel).astype(float) for kernel in ("matlab", "torch"))
    assert np.abs(ours - theirs).mean() > 1


def test_luma_is_bt601_from_16_to_235() -> None:
    corners = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    # MATLAB's rgb2ycbcr of the same colours.
    assert luma(corners).tolist() == [[16, 235, 81, 145, 41]]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_psnr_and_ssim_are_those_of_another_library(scale: int) -> None:
    look = look_at(Interpolated("bicubic_matlab", scale), view_of(held_out_photographs()["china"], scale))
    a, b = (
        torch.from_numpy(plane[scale:-scale, scale:-scale].copy())[None, None] for plane in (look.output, look.original)
    )
    psnr = peak_signal_noise_ratio(a, b, data_range=255.0)
    ssim = structural_similarity_index_measure(a, b, data_range=255.0, sigma=1.5, kernel_size=11)
    assert Psnr().read(look) == pytest.approx(float(psnr), abs=0.001)
    assert Ssim().read(look) == pytest.approx(float(ssim), abs=0.0005)


@given(st.floats(0.5, 40), st.integers(0, 2**31 - 1))
@settings(max_examples=20, deadline=None)
def test_psnr_of_known_noise_is_its_closed_form(strength: float, seed: int) -> None:
    original = np.full((400, 400), 128.0)
    noise = strength * np.random.default_rng(seed).choice([-1.0, 1.0], (400, 400))
    look = Look(original + noise, original, 2)
    assert Psnr().read(look) == pytest.approx(20 * math.log10(255 / strength))


def test_equal_images_have_no_psnr_and_a_similarity_of_one(photograph: Plane) -> None:
    look = Look(photograph, photograph, 2)
    assert (Psnr().read(look), Ssim().read(look)) == (None, pytest.approx(1))


def test_no_photograph_is_both_learnt_from_and_judged_by_and_each_has_a_licence() -> None:
    names = [each.name for each in PHOTOGRAPHS]
    assert len(set(names)) == len(names)
    assert not set(training_photographs()) & set(held_out_photographs())
    assert all(each.licence for each in PHOTOGRAPHS)
    assert min(len(training_photographs()), len(held_out_photographs())) >= 6
