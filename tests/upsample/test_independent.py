"""Our operators against packages that were written by others."""

from __future__ import annotations

from typing import Any

import kornia.filters
import kornia.filters.kernels
import numpy as np
import pytest
import pywt
import resize_right
import torch
import torch.nn.functional as F
from monai.networks.blocks import SubpixelUpsample
from monai.networks.utils import icnr_init
from resize_right import interp_methods
from torch import nn

import upsample
from upsample.families.transposed import zero_stuff
from upsample.resampling import Mode, interpolate, interpolate_by_definition, sampling_matrix

close: Any = {"rtol": 1e-12, "atol": 1e-12}
single: Any = {"rtol": 2e-5, "atol": 2e-5}
"""resize-right computes positions in single precision."""


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_sub_pixel_convolution_is_monais(scale: int) -> None:
    ours = upsample.create("subpixel", 5, 3, scale).double()
    theirs = SubpixelUpsample(2, 5, 3, scale, apply_pad_pool=False).double()
    theirs.conv_block.load_state_dict(ours.conv.state_dict())
    input = normal(2, 5, 6, 7)
    torch.testing.assert_close(ours(input), theirs(input), **close)


@pytest.mark.parametrize("scale", [2, 3])
def test_icnr_makes_the_same_kernels_equal_as_monais(scale: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 3 * scale**2, 3)
    first = conv.weight.detach()[:: scale**2].clone()
    upsample.icnr_(conv, scale)
    ours = conv.weight.detach().clone()
    icnr_init(conv, scale, init=lambda kernels: kernels.copy_(first.movedim(0, 1).reshape_as(kernels)))
    grouped = conv.weight.detach().view(3, scale**2, 4, 3, 3)
    # MONAI draws its own kernels; which of them are equal, and to how many, is what must agree.
    assert torch.equal(grouped, grouped[:, :1].expand_as(grouped))
    assert torch.equal(ours.view_as(grouped), first[:, None].expand_as(grouped))


def test_blur_shuffle_is_monais_pad_and_pool_after_the_shuffle() -> None:
    ours = upsample.create("blur_shuffle", 5, 3, 2).double()
    input = normal(2, 5, 6, 7)
    theirs = SubpixelUpsample(2, 5, 3, 2, conv_block=ours.conv).double()
    # MONAI pads with zeros where ours repeats the edge; the first row and column differ.
    torch.testing.assert_close(ours(input)[:, :, 1:, 1:], theirs(input)[:, :, 1:, 1:], **close)


def test_the_generators_filter_is_kornias_blur_of_the_stuffed_image() -> None:
    module = upsample.create("filtered_conv", 3, 3, 2, kernel_size=1).double()
    nn.init.dirac_(module.conv.weight)
    nn.init.zeros_(module.conv.bias)
    input = normal(2, 3, 6, 7)
    kernel = kornia.filters.kernels.get_pascal_kernel_2d(4, dtype=torch.float64)[None]
    stuffed = F.pad(zero_stuff(input, 2), (2, 2, 2, 2))
    blurred = 4 * kornia.filters.filter2d(stuffed, kernel, border_type="constant", padding="valid")
    torch.testing.assert_close(module(input), blurred, **close)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("mode", "method"), [("lanczos", interp_methods.lanczos3), ("bicubic", interp_methods.cubic)])
def test_lanczos_and_matlabs_cubic_are_resize_rights(mode: Mode, method: Any, scale: int) -> None:
    size = 9
    basis = torch.eye(size, dtype=torch.float64).reshape(1, size, size, 1)
    theirs = resize_right.resize(basis, scale_factors=(scale, 1), interp_method=method, pad_mode="replicate")
    theirs = theirs[0, :, :, 0].T
    torch.testing.assert_close(sampling_matrix(mode, size, scale, cubic=-0.5), theirs, **single)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lanczos_on_an_image_is_resize_rights(scale: int) -> None:
    input = normal(2, 3, 8, 9)
    theirs = resize_right.resize(
        input, scale_factors=scale, interp_method=interp_methods.lanczos3, pad_mode="replicate"
    )
    torch.testing.assert_close(interpolate(input, "lanczos", (scale, scale)), theirs, **single)


@pytest.mark.skipif(torch.__version__ < "2.13", reason="torch has lanczos from 2.13 on")
def test_away_from_the_border_lanczos_is_torchs() -> None:
    input = normal(1, 2, 14, 14)
    theirs = F.interpolate(input, scale_factor=2, mode="lanczos", antialias=True)[..., 6:-6, 6:-6]
    torch.testing.assert_close(interpolate(input, "lanczos", (2, 2))[..., 6:-6, 6:-6], theirs, **close)


def test_torchs_antialiased_bicubic_has_matlabs_kernel() -> None:
    # Enlarging needs no antialiasing, and yet the flag changes the result: it switches the kernel.
    input = normal(1, 1, 12, 12)
    plain, antialiased = (
        F.interpolate(input, scale_factor=2, mode="bicubic", antialias=flag)[..., 6:-6, 6:-6] for flag in (False, True)
    )
    matrix = sampling_matrix("bicubic", 12, 2, cubic=-0.5)
    torch.testing.assert_close(antialiased, (matrix @ input @ matrix.T)[..., 6:-6, 6:-6], **close)
    torch.testing.assert_close(plain, interpolate_by_definition(input, "bicubic", (2, 2))[..., 6:-6, 6:-6], **close)
    assert float((plain - antialiased).abs().max()) > 0.01


@pytest.mark.parametrize("scale", [2, 4])
def test_the_inverse_haar_transform_is_pywavelets(scale: int) -> None:
    module = upsample.create("inverse_wavelet", scale**2, 1, scale, kernel_size=1).double()
    nn.init.dirac_(module.conv.weight)
    nn.init.zeros_(module.conv.bias)
    input = normal(1, scale**2, 5, 6)
    output = module(input)[0, 0].detach().numpy()
    bands = list(input[0].numpy())
    while len(bands) > 1:
        quarters = [bands[first : first + 4] for first in range(0, len(bands), 4)]
        bands = [pywt.idwt2((average, (rows, columns, both)), "haar") for average, rows, columns, both in quarters]
    np.testing.assert_allclose(output, bands[0], rtol=1e-12, atol=1e-12)
