"""PSNR, SSIM, luma and the degradation against independent implementations and a definition written out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from resize_right import interp_methods, resize
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from upbench.errors import UsageError
from upbench.quality.degradation import cropped_to_multiple, shrunk
from upbench.quality.interpolations import Interpolated
from upbench.quality.look import Look, Plane
from upbench.quality.luma import luma, rounded
from upbench.quality.photographs import PHOTOGRAPHS, held_out_photographs, read_image, training_photographs
from upbench.quality.readings.psnr import Psnr
from upbench.quality.readings.ssim import Ssim
from upbench.quality.views import checked_folder, look_at, view_of


def keys(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys' kernel with a = -0.5."""
    x = np.abs(x)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def matlab_imresize(plane: Plane, scale: int) -> Plane:
    """MATLAB's ``imresize(…, 1/scale)`` from its documentation: Keys' kernel, a = -0.5, stretched, mirrored edges."""

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


@pytest.mark.parametrize("scale", [2, 3, 4, 7])
def test_the_degradation_is_matlabs(scale: int) -> None:
    plane = cropped_to_multiple(luma(held_out_photographs()["china"]), scale)
    assert shrunk(plane, scale) == pytest.approx(matlab_imresize(plane, scale), abs=1e-4)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_degradation_is_that_of_another_library_but_for_the_border(scale: int) -> None:
    plane = cropped_to_multiple(luma(held_out_photographs()["china"]), scale)
    theirs = resize(plane, 1 / scale, interp_method=interp_methods.cubic, pad_mode="symmetric")
    inner = (slice(4, -4), slice(4, -4))
    assert shrunk(plane, scale)[inner] == pytest.approx(theirs[inner], abs=1e-4)


def theirs(a: torch.Tensor, b: torch.Tensor) -> float:
    """SSIM of torchmetrics where its window lies within the image, as Wang et al. have it; it mirrors the edges."""
    _, each = structural_similarity_index_measure(
        a, b, data_range=255.0, sigma=1.5, kernel_size=11, return_full_image=True
    )
    return float(each[..., 5:-5, 5:-5].mean())


def enlarged_by_definition(plane: Plane, scale: int) -> Plane:
    """MATLAB's ``imresize(…, scale)``: Keys' kernel as it is, mirrored edges."""
    matrices = []
    for size in plane.shape:
        made = np.zeros((size * scale, size))
        for row in range(size * scale):
            centre = (row + 0.5) / scale - 0.5
            for tap in range(math.floor(centre) - 1, math.floor(centre) + 3):
                mirrored = tap % (2 * size)
                made[row, min(mirrored, 2 * size - 1 - mirrored)] += keys(np.array(tap - centre))
        matrices.append(made)
    return np.asarray(matrices[0] @ plane @ matrices[1].T)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["china", "coins"])
def test_the_whole_protocol_of_bicubic_interpolation_is_that_of_the_papers(name: str, scale: int) -> None:
    image = held_out_photographs()[name]
    original = cropped_to_multiple(luma(image), scale)
    output = rounded(enlarged_by_definition(matlab_imresize(original, scale), scale))
    ours = look_at(Interpolated("bicubic_matlab", scale), view_of(image, scale))
    a, b = (torch.from_numpy(each[scale:-scale, scale:-scale].copy())[None, None] for each in (output, original))
    assert Psnr().read(ours) == pytest.approx(float(peak_signal_noise_ratio(a, b, data_range=255.0)), abs=0.005)
    assert Ssim().read(ours) == pytest.approx(theirs(a, b), abs=0.0002)
    assert np.mean(ours.output == output) > 0.99


def test_torchs_kernel_is_named_and_another() -> None:
    plane = cropped_to_multiple(luma(held_out_photographs()["china"]), 4)
    assert np.abs(shrunk(plane, 4, "matlab") - shrunk(plane, 4, "torch")).mean() > 1


def test_luma_is_bt601_from_16_to_235() -> None:
    corners = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    # MATLAB's rgb2ycbcr of the same colours.
    assert luma(corners).tolist() == [[16, 235, 81, 145, 41]]


def test_a_grey_image_is_luma_already() -> None:
    grey = np.array([[0, 128, 255]], dtype=np.uint8)
    assert luma(grey).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_psnr_and_ssim_are_those_of_another_library(scale: int) -> None:
    look = look_at(Interpolated("bicubic_matlab", scale), view_of(held_out_photographs()["china"], scale))
    a, b = (
        torch.from_numpy(plane[scale:-scale, scale:-scale].copy())[None, None] for plane in (look.output, look.original)
    )
    psnr = peak_signal_noise_ratio(a, b, data_range=255.0)
    assert Psnr().read(look) == pytest.approx(float(psnr), abs=0.001)
    assert Ssim().read(look) == pytest.approx(theirs(a, b), abs=1e-6)


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


@pytest.mark.parametrize(("mode", "value", "read"), [("L", 77, 77), ("I;16", 77 * 257, 77), ("1", 1, 255)])
def test_grey_files_of_any_depth_are_read_alike(mode: str, value: int, read: int, tmp_path: Path) -> None:
    kind = np.uint16 if mode == "I;16" else np.uint8
    image = Image.fromarray(np.full((20, 20), value * (255 if mode == "1" else 1), dtype=kind))
    (image.convert("1") if mode == "1" else image).save(tmp_path / "grey.png")
    assert np.array_equal(read_image(tmp_path / "grey.png"), np.full((20, 20), read))


def test_transparency_is_left_aside_and_colours_stay(tmp_path: Path) -> None:
    pixels = np.zeros((20, 20, 4), dtype=np.uint8)
    pixels[..., :3], pixels[..., 3] = (10, 20, 30), 128
    Image.fromarray(pixels).save(tmp_path / "alpha.png")
    assert read_image(tmp_path / "alpha.png")[0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.png", b"no image", "no image that can be read"),
        ("notes.pdf", b"%PDF", "holds no images"),
        ("._hidden.png", b"", "holds no images"),
        ("tiny.png", None, "has 12×12 pixels; at scale 4 an image needs"),
    ],
)
def test_a_folder_that_cannot_be_judged_is_refused_before_anything_is_done(
    name: str, content: bytes | None, said: str, tmp_path: Path
) -> None:
    if content is None:
        Image.fromarray(np.zeros((12, 12, 3), dtype=np.uint8)).save(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said):
        checked_folder(str(tmp_path), (2, 4))


def test_an_image_that_changes_has_another_digest(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    before = checked_folder(str(tmp_path), (2,))
    Image.fromarray(noise[::-1]).save(tmp_path / "a.png")
    assert checked_folder(str(tmp_path), (2,)).keys() == before.keys()
    assert checked_folder(str(tmp_path), (2,)) != before
