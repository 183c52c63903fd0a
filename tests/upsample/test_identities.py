"""The identities of the field, each over random channels, scales, odd sizes, borders and batches."""

from __future__ import annotations

import einops
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import upsample
from upsample.resampling import Mode, interpolate, sampling_matrix
from upsample.transposed import Transposed, TransposedPhases, ZeroStuffing, zero_stuff

channels = st.integers(1, 5)
scales = st.sampled_from([2, 3, 4])
batches = st.integers(1, 3)
sizes = st.integers(1, 8)
seeds = st.integers(0, 2**32 - 1)
exactly = {"rtol": 1e-12, "atol": 1e-12}

case = given(n=batches, c=channels, o=channels, s=scales, h=sizes, w=sizes, seed=seeds)
quickly = settings(max_examples=40, deadline=None)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


@given(n=batches, c=channels, o=channels, h=sizes, w=sizes, seed=seeds)
@quickly
def test_a_a_4x4_stride_2_transposed_conv_is_four_2x2_convs_and_a_shuffle(
    n: int, c: int, o: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    input, weight = normal(n, c, h, w), normal(c, o, 4, 4)
    # The four kernels written out: output phase (a, b) meets the taps (a, a+2) and (b, b+2), flipped.
    four = [weight[:, :, a::2, b::2].flip(2, 3).transpose(0, 1) for a in (0, 1) for b in (0, 1)]
    phases = torch.stack([F.conv2d(input, kernel, padding=1) for kernel in four], dim=2).flatten(1, 2)
    cropped = upsample.pixel_shuffle(phases, 2)[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(cropped, F.conv_transpose2d(input, weight, stride=2, padding=1), **exactly)


@case
@quickly
def test_a_the_three_ways_of_transposed_convolution_agree_for_any_kernel(
    n: int, c: int, o: int, s: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    kernel_size = s + seed % (2 * s + 2)
    ways = [way(c, o, s, kernel_size=kernel_size).double() for way in (Transposed, ZeroStuffing, TransposedPhases)]
    for way in ways[1:]:
        way.load_state_dict(ways[0].state_dict())
    input = normal(n, c, h, w)
    with torch.no_grad():
        outputs = [way(input) for way in ways]
    assert outputs[0].shape == (n, o, s * h, s * w)
    torch.testing.assert_close(outputs[1], outputs[0], **exactly)
    torch.testing.assert_close(outputs[2], outputs[0], **exactly)


@case
@quickly
def test_b_shuffled_convolution_is_a_transposed_convolution_of_kernel_ks(
    n: int, c: int, o: int, s: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    k = (1, 3, 5)[seed % 3]
    input, weight = normal(n, c, h, w), normal(o * s**2, c, k, k)
    shuffled = upsample.pixel_shuffle(F.conv2d(input, weight, padding=k // 2), s)
    large = weight.reshape(o, s, s, c, k, k).flip(4, 5).permute(3, 0, 4, 1, 5, 2).reshape(c, o, k * s, k * s)
    transposed = F.conv_transpose2d(input, large, stride=s, padding=s * (k - 1) // 2)
    torch.testing.assert_close(shuffled, transposed, **exactly)


@case
@quickly
def test_c_nearest_then_conv_is_a_transposed_convolution_of_kernel_k_plus_s_minus_1(
    n: int, c: int, o: int, s: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    k = (1, 3, 5)[seed % 3]
    input, weight = normal(n, c, h, w), normal(o, c, k, k)
    usual = F.conv2d(interpolate(input, "nearest", (s, s)), weight, padding=k // 2)
    box = torch.ones(1, 1, s, s, dtype=torch.float64)
    widened = F.conv2d(weight.flip(2, 3).reshape(o * c, 1, k, k), box, padding=s - 1)
    widened = widened.reshape(o, c, k + s - 1, k + s - 1).transpose(0, 1)
    transposed = F.conv_transpose2d(input, widened, stride=s, padding=(k - 1) // 2)
    torch.testing.assert_close(usual, transposed, **exactly)


@case
@quickly
def test_d_zero_stuffing_then_flipped_conv_is_a_transposed_convolution(
    n: int, c: int, o: int, s: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    k = 1 + seed % 6
    input, weight = normal(n, c, h, w), normal(c, o, k, k)
    stuffed = F.conv2d(zero_stuff(input, s), weight.flip(2, 3).transpose(0, 1), padding=k - 1)
    torch.testing.assert_close(stuffed, F.conv_transpose2d(input, weight, stride=s), **exactly)


@case
@quickly
def test_e_icnr_makes_sub_pixel_convolution_equal_conv_then_nearest(
    n: int, c: int, o: int, s: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    subpixel = upsample.create("subpixel_icnr", c, o, s).double()
    small = upsample.create("conv_nearest", c, o, s).double()
    state = subpixel.state_dict()
    small.load_state_dict({name: tensor[:: s**2] for name, tensor in state.items()})
    input = normal(n, c, h, w)
    with torch.no_grad():
        torch.testing.assert_close(subpixel(input), small(input), **exactly)
        other_order = upsample.create("nearest_conv", c, o, s).double()
        other_order.load_state_dict(small.state_dict())
        if h > 2 and w > 2:
            assert not torch.allclose(subpixel(input), other_order(input))


def test_e_without_icnr_the_phases_start_different() -> None:
    torch.manual_seed(0)
    kernels = upsample.create("subpixel", 3, 2, 2).conv.weight.reshape(2, 4, -1)
    assert not torch.allclose(kernels[:, 0], kernels[:, 1])


def test_g_overlap_counts_of_all_ones_kernels() -> None:
    ones = torch.ones(1, 1, 8, 8)
    uneven = F.conv_transpose2d(ones, torch.ones(1, 1, 3, 3), stride=2)[0, 0]
    assert uneven[1, 2:8].tolist() == [2.0, 1.0, 2.0, 1.0, 2.0, 1.0]
    assert uneven[2:-2, 2:-2].max() / uneven[2:-2, 2:-2].min() == 4.0
    even = F.conv_transpose2d(ones, torch.ones(1, 1, 4, 4), stride=2)[0, 0]
    assert set(even[2:-2, 2:-2].flatten().tolist()) == {4.0}


@given(n=batches, c=channels, s=scales, h=sizes, w=sizes)
@quickly
def test_pixel_shuffle_from_its_definition_is_torchs_and_einops(n: int, c: int, s: int, h: int, w: int) -> None:
    input = normal(n, c * s**2, h, w)
    by_einops = einops.rearrange(input, "n (c dy dx) h w -> n c (h dy) (w dx)", dy=s, dx=s)
    assert torch.equal(upsample.pixel_shuffle(input, s), F.pixel_shuffle(input, s))
    assert torch.equal(upsample.pixel_shuffle(input, s), by_einops)


@given(c=channels, s=scales, h=sizes, w=sizes, data=st.data())
@quickly
def test_pixel_shuffle_channel_order_is_crd(c: int, s: int, h: int, w: int, data: st.DataObject) -> None:
    channel, dy, dx = (data.draw(st.integers(0, bound - 1)) for bound in (c, s, s))
    y, x = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    input = normal(1, c * s**2, h, w)
    output = upsample.pixel_shuffle(input, s)
    assert output[0, channel, s * y + dy, s * x + dx] == input[0, channel * s**2 + s * dy + dx, y, x]


def test_pixel_shuffle_3_maps_nine_channels_of_4x4_to_one_of_12x12() -> None:
    assert upsample.pixel_shuffle(torch.rand(1, 9, 4, 4), 3).shape == (1, 1, 12, 12)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
@given(s=st.sampled_from([2, 3, 4, 5, 7]), size=st.integers(1, 40))
@quickly
def test_sampling_matrices_are_what_torch_interpolates_with(mode: Mode, s: int, size: int) -> None:
    # Each column of the identity is one input sample; a plane of width 1 leaves the other axis out of it.
    basis = torch.eye(size, dtype=torch.float64).reshape(1, size, size, 1)
    rows = interpolate(basis, mode, (s, 1))[0, :, :, 0].T
    torch.testing.assert_close(sampling_matrix(mode, size, s), rows, **exactly)
    torch.testing.assert_close(rows.sum(1), torch.ones(size * s, dtype=torch.float64), **exactly)
