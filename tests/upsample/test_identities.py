"""The identities of the field, each over random channels, scales, odd sizes, borders and batches."""

from __future__ import annotations

import einops
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import upsample
from upsample.families import reassembly
from upsample.families.reassembly import (
    Border,
    affinity,
    affinity_by_definition,
    reassemble,
    reassemble_by_definition,
)
from upsample.families.transposed import Transposed, TransposedPhases, ZeroStuffing, zero_stuff
from upsample.resampling import Mode, interpolate, sampling_matrix

channels = st.integers(1, 5)
scales = st.sampled_from([2, 3, 4])
batches = st.integers(1, 3)
sizes = st.integers(1, 8)
seeds = st.integers(0, 2**32 - 1)
exactly = {"rtol": 1e-12, "atol": 1e-12}

case = given(n=batches, c=channels, o=channels, s=scales, h=sizes, w=sizes, seed=seeds)
quickly = settings(max_examples=40)


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


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@given(s=st.sampled_from([1.5, 2.7, 1.1, 3.3, 5.25]), size=st.integers(10, 60))
@quickly
def test_sampling_matrices_are_what_torch_interpolates_with_at_fractional_scales(
    mode: Mode, s: float, size: int
) -> None:
    basis = torch.eye(size, dtype=torch.float64).reshape(1, size, size, 1)
    rows = interpolate(basis, mode, (s, 1))[0, :, :, 0].T
    torch.testing.assert_close(sampling_matrix(mode, size, s), rows, **exactly)


@pytest.mark.parametrize("name", ["dysample_lp", "dysample_pl", "dysample_lp_plus", "dysample_pl_plus"])
@given(n=batches, s=scales, h=sizes, w=sizes, seed=seeds)
@quickly
def test_f_dysample_without_offsets_is_bilinear(name: str, n: int, s: int, h: int, w: int, seed: int) -> None:
    torch.manual_seed(seed)
    channels = 4 * s**2
    module = upsample.create(name, channels, channels, s).double()
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    input = normal(n, channels, h, w)
    torch.testing.assert_close(module(input), interpolate(input, "bilinear", (s, s)), **exactly)


@pytest.mark.parametrize("k", [3, 4])
def test_g_overlap_of_a_stride_2_kernel_of_ones(k: int) -> None:
    overlap = F.conv_transpose2d(torch.ones(1, 1, 1, 6), torch.ones(1, 1, 1, k), stride=2)[0, 0, 0]
    expected = {3: [1, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 1], 4: [1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1]}
    assert overlap.tolist() == expected[k]
    plane = F.conv_transpose2d(torch.ones(1, 1, 6, 6), torch.ones(1, 1, k, k), stride=2)[0, 0]
    inner = plane[k - 1 : 1 - k, k - 1 : 1 - k]
    assert (float(plane.max()), float(inner.min())) == (4, {3: 1, 4: 4}[k])


@case
@quickly
def test_a_kernel_that_holds_only_its_centre_reassembles_to_nearest(
    n: int, c: int, o: int, s: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    kernels = torch.zeros(n, 25, h, s, w, s, dtype=torch.float64)
    kernels[:, 12] = 1
    input = normal(n, c, h, w)
    torch.testing.assert_close(reassemble(input, kernels, 5), interpolate(input, "nearest", (s, s)), **exactly)


@given(n=batches, c=channels, k=st.sampled_from([1, 3, 5, 7]), s=st.integers(1, 3), h=sizes, w=sizes, seed=seeds)
@quickly
def test_reassembly_and_affinity_need_no_unfolding(n: int, c: int, k: int, s: int, h: int, w: int, seed: int) -> None:
    torch.manual_seed(seed)
    input, kernels, query = normal(n, c, h, w), normal(n, k**2, h, s, w, s), normal(n, c, s * h, s * w)
    borders: list[Border] = ["constant", "reflect"] if min(h, w) > k // 2 else ["constant"]
    for border in borders:
        torch.testing.assert_close(
            reassemble(input, kernels, k, border), reassemble_by_definition(input, kernels, k, border), **exactly
        )
        torch.testing.assert_close(
            affinity(query, input, k, border), affinity_by_definition(query, input, k, border), **exactly
        )


def test_reassembly_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    input, kernels = normal(2, 7, 5, 6), normal(2, 25, 5, 2, 6, 2)
    whole = reassemble(input, kernels, 5)
    monkeypatch.setattr(reassembly, "BLOCK_VALUES", 3 * 2 * 5 * 6)
    assert torch.equal(reassemble(input, kernels, 5), whole)


@case
@quickly
def test_nearest_by_a_frozen_convolution_and_a_shuffle_is_nearest(
    n: int, c: int, o: int, s: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    shuffled, resized = (upsample.create(name, c, o, s).double() for name in ("nearest_shuffle_conv", "nearest_conv"))
    resized.load_state_dict(shuffled.state_dict())
    input = normal(n, c, h, w)
    torch.testing.assert_close(shuffled(input), resized(input), **exactly)


@case
@quickly
def test_away_from_the_border_the_generators_filter_is_bilinear(
    n: int, c: int, o: int, s: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    module = upsample.create("filtered_conv", c, c, 2, kernel_size=1).double()
    nn.init.dirac_(module.conv.weight)
    nn.init.zeros_(module.conv.bias)
    input = normal(n, c, h + 2, w + 2)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(module(input)[inner], interpolate(input, "bilinear", (2, 2))[inner], **exactly)


@case
@quickly
def test_at_whole_scales_meta_sr_is_sub_pixel_convolution_with_predicted_kernels(
    n: int, c: int, o: int, s: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    module = upsample.create("meta_sr", c, o, s, width=4).double()
    places = [phase / s for phase in range(s)]
    kernels = module.kernels(places, places).permute(2, 0, 1, 3, 4, 5).reshape(o * s**2, c, 3, 3)
    input = normal(n, c, h, w)
    shuffled = upsample.pixel_shuffle(F.conv2d(input, kernels, padding=1), s)
    torch.testing.assert_close(module(input), shuffled, **exactly)


@case
@quickly
def test_unpooling_undoes_pooling_where_the_maxima_were(
    n: int, c: int, o: int, s: int, h: int, w: int, seed: int
) -> None:
    torch.manual_seed(seed)
    features = normal(n, c, s * h, s * w)
    pooled = F.max_pool2d(features, s)
    module = upsample.create("max_unpooling", c, c, s)
    unpooled = module(pooled, module.guide_from(features))
    assert torch.equal(unpooled[unpooled != 0], features[unpooled != 0])
    assert torch.equal(F.max_pool2d(unpooled.clamp(min=0), s), pooled.clamp(min=0))


@given(n=batches, c=channels, s=st.sampled_from([2, 4]), h=sizes, w=sizes, seed=seeds)
@quickly
def test_the_inverse_haar_transform_keeps_energy(n: int, c: int, s: int, h: int, w: int, seed: int) -> None:
    torch.manual_seed(seed)
    module = upsample.create("inverse_wavelet", c * s**2, c, s, kernel_size=1).double()
    nn.init.dirac_(module.conv.weight)
    nn.init.zeros_(module.conv.bias)
    input = normal(n, c * s**2, h, w)
    torch.testing.assert_close(module(input).square().sum(), input.square().sum(), **exactly)


def test_one_pixel_attends_to_itself_in_liif() -> None:
    # Where all four corners are the same pixel, their answers are mixed with weights that sum to one.
    torch.manual_seed(0)
    module = upsample.create("liif", 2, 3, 3, width=4, depth=1).double()
    nn.init.zeros_(module.mlp[0].weight)
    output = module(normal(1, 2, 1, 1))
    torch.testing.assert_close(output, output[:, :, :1, :1].expand_as(output), **exactly)


@pytest.mark.parametrize("gate", [-40.0, 40.0])
def test_fades_gate_chooses_between_reassembly_and_guide(gate: float) -> None:
    torch.manual_seed(0)
    module = upsample.create("fade", 3, 3, 2).double()
    nn.init.zeros_(module.gate.weight)
    nn.init.constant_(module.gate.bias, gate)
    nn.init.zeros_(module.encode.weight)
    input, guide = normal(1, 3, 8, 8), normal(1, 3, 16, 16)
    # Scores that are all equal make the mean over 5x5.
    blurred = interpolate(F.avg_pool2d(input, 5, 1, 2), "nearest", (2, 2))
    torch.testing.assert_close(module(input, guide), guide if gate > 0 else blurred, **exactly)
