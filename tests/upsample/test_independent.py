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
from PIL import Image
from resize_right import interp_methods
from torch import Tensor, nn

import upsample
from upsample.families.transposed import zero_stuff
from upsample.resampling import Cubic, interpolate, interpolate_by_definition, sampling_matrix

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


@pytest.mark.parametrize("size", [(4, 4), (5, 7)])
def test_the_generators_doubling_is_the_filtered_convolution_but_for_the_outermost_ring(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    first, last = (upsample.create(name, 3, 5, 2).double() for name in ("transposed_filtered", "filtered_conv"))
    with torch.no_grad():
        last.conv.weight.copy_(first.stages[0].weight.transpose(0, 1).flip(2, 3))
        last.conv.bias.copy_(first.bias.normal_())
    input = normal(2, 3, *size)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    difference = (first(input) - last(input)).detach().abs()
    assert float(difference[inner].max()) < 1e-12
    assert float(difference.max()) > 1e-3


def test_the_generators_doubling_at_64_channels_takes_what_its_authors_take() -> None:
    both = [upsample.create(name, 64, 64, 2) for name in ("transposed_filtered", "filtered_conv")]
    assert [upsample.cost(module, (1, 64, 8, 8)).macs / 64 for module in both] == [40_960, 148_480]


def resized(rows: Tensor, scale: int, method: Any) -> Tensor:
    """The columns of a matrix enlarged by resize-right, the edge repeated."""
    image = rows.T.reshape(1, rows.shape[1], rows.shape[0], 1)
    enlarged = resize_right.resize(image, scale_factors=(scale, 1), interp_method=method, pad_mode="replicate")
    return enlarged[0, :, :, 0].T


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lanczos_is_resize_rights(scale: int) -> None:
    basis = torch.eye(9, dtype=torch.float64)
    theirs = resized(basis, scale, interp_methods.lanczos3)
    torch.testing.assert_close(sampling_matrix("lanczos", 9, scale), theirs, **single)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_matlabs_bicubic_is_resize_rights_of_the_mirrored_image(scale: int) -> None:
    mirrored = torch.from_numpy(np.pad(np.eye(9), ((4, 4), (0, 0)), mode="symmetric"))
    theirs = resized(mirrored, scale, interp_methods.cubic)[4 * scale : -4 * scale]
    torch.testing.assert_close(sampling_matrix("bicubic", 9, scale, cubic="matlab"), theirs, **single)


@pytest.mark.parametrize("size", [(1, 5), (2, 3), (9, 7)])
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("cubic", ["torch", "pil", "matlab"])
def test_each_bicubic_interpolation_is_its_definition(cubic: Cubic, scale: int, size: tuple[int, int]) -> None:
    input = normal(2, 3, *size)
    expected = interpolate_by_definition(input, "bicubic", (scale, scale), cubic)
    torch.testing.assert_close(interpolate(input, "bicubic", (scale, scale), cubic), expected, **close)


@pytest.mark.parametrize("factor", [2, 3, 2.5])
def test_pils_bicubic_is_pillows(factor: float) -> None:
    input = normal(1, 1, 8, 10).float()
    size = (int(10 * factor), int(8 * factor))
    theirs = Image.fromarray(input[0, 0].numpy()).resize(size, Image.Resampling.BICUBIC)
    ours = interpolate(input, "bicubic", (factor, factor), "pil")
    torch.testing.assert_close(ours[0, 0], torch.from_numpy(np.array(theirs)), **single)


def test_matlabs_bicubic_is_refused_at_a_fractional_scale() -> None:
    with pytest.raises(upsample.UnsupportedError, match="at whole scales only"):
        interpolate(normal(1, 1, 4, 4), "bicubic", (1.5, 1.5), "matlab")


@pytest.mark.parametrize("name", ["srcnn", "pre_upsampling"])
def test_a_network_takes_whose_bicubic_it_is_told(name: str) -> None:
    input = normal(1, 1, 6, 6)
    outputs = []
    for cubic in ("torch", "pil", "matlab"):
        torch.manual_seed(0)
        module = upsample.create(name, 1, 1, 2, cubic=cubic).double()
        torch.testing.assert_close(module(input), module.definition(input), **close)
        outputs.append(module(input))
    assert all(float((one - outputs[0]).detach().abs().max()) > 1e-4 for one in outputs[1:])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_fsrcnns_last_layer_is_the_authors(scale: int) -> None:
    """Padding 4 and output padding s - 1, as in the authors' model files."""
    module = upsample.create("fsrcnn", 1, 1, scale).double()
    theirs = nn.ConvTranspose2d(56, 1, 9, stride=scale, padding=4, output_padding=scale - 1).double()
    theirs.load_state_dict(module.last.state_dict())
    input = normal(1, 1, 5, 7)
    torch.testing.assert_close(module(input), theirs(module.layers(input)), **close)
    impulse = torch.zeros(1, 56, 5, 5, dtype=torch.float64)
    impulse[0, 0, 2, 2] = 1
    nn.init.zeros_(module.last.weight)
    with torch.no_grad():
        module.last.weight[0, 0, 4, 4] = 1
    # The kernel's centre lies on the first output of its input pixel.
    assert (module.last(impulse) - module.last.bias)[0, 0].nonzero().tolist() == [[2 * scale, 2 * scale]]


@pytest.mark.parametrize("scale", [3, 5])
@pytest.mark.parametrize("name", ["liif", "lte"])
def test_the_mix_is_continuous_through_the_last_pixels_centre(name: str, scale: int) -> None:
    torch.manual_seed(0)
    module = upsample.create(name, 4, 3, scale).double()
    # Its positions lie a little further in, beyond what counts as one pixel.
    beside = upsample.create(name, 4, 3, scale + 1e-5).double()
    beside.load_state_dict(module.state_dict())
    input = normal(1, 4, 4, 5)
    torch.testing.assert_close(module(input), beside(input), rtol=0, atol=1e-3)
    torch.testing.assert_close(module(input), module.definition(input), **close)


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
    matrix = sampling_matrix("bicubic", 12, 2, cubic="matlab")
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
