"""The count of operators: equal to closed forms forward and backward, in every mode, and loud about the unknown."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import upsample
from tests.specimens import inputs_of, supported, trained
from upbench.meters.opcount import Count, OperatorCounter, UnknownOperatorError, count_operators
from upsample.exact.layers import usual_work
from upsample.families.filtered import FilteredConv
from upsample.families.interpolation import InterpolateConv
from upsample.families.subpixel import NearestShuffleConv
from upsample.families.wavelet import InverseWavelet

names = pytest.mark.parametrize("name", upsample.names())


@names
@pytest.mark.parametrize("mode", [nullcontext, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_count_is_the_same_in_every_mode_and_on_meta(name: str, mode: type, device: str) -> None:
    in_channels, out_channels, scale = supported(name, (2,))[-1]
    with torch.device(device), mode():
        module = upsample.create(name, in_channels, out_channels, scale)
        inputs = inputs_of(module, 2, 5, 7)
        counted = count_operators(module, *inputs)
    stated = upsample.cost(module, inputs[0].shape)
    assert (counted.flops, counted.elementwise) == (stated.flops, stated.elementwise)


CHAINS: dict[str, list[nn.Module]] = {
    "nearest": [nn.Upsample(scale_factor=3), nn.Conv2d(4, 6, 3, padding=1)],
    "bilinear": [nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 6, 5, padding=1, bias=False)],
    "circular": [nn.Upsample(scale_factor=2), nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular")],
    "grouped": [nn.Upsample(scale_factor=(2, 3), mode="bilinear"), nn.Conv2d(4, 6, 3, groups=2)],
    "alone": [nn.Upsample(scale_factor=2, mode="bicubic")],
    "transposed": [nn.ConvTranspose2d(4, 6, 9, 3, 4, 2, groups=2)],
    "shuffled": [nn.Conv2d(4, 16, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(4, 3, 3, padding=1)],
}


@pytest.mark.parametrize("chain", CHAINS)
def test_an_exact_form_does_the_work_that_it_states(chain: str) -> None:
    input, forms = torch.rand(2, 4, 11, 9), upsample.exact_forms(CHAINS[chain], 4)
    for name, form in {**forms, "usual": nn.Sequential(*CHAINS[chain])}.items():
        with torch.no_grad():
            counted = count_operators(form, input)
        stated = usual_work(CHAINS[chain], input) if name == "usual" else form.work(2, 11, 9)
        assert (counted.flops, counted.elementwise) == (stated.flops, stated.elementwise), name


BACKWARD_IS_NO_MULTIPLE = {
    # The multiply-accumulates over neighbourhoods and corners go back as separate products and sums.
    *("carafe", "sapa_b", "fade", "joint_bilateral", "lda_aqu", "liif", "lte"),
    # The positions that its kernels are predicted from need no gradient.
    "meta_sr",
    # Positions have a gradient beside that of the values.
    *("dysample_lp", "dysample_pl", "dysample_lp_plus", "dysample_pl_plus"),
}


@names
def test_backward_costs_two_passes_over_weights_and_one_over_interpolation(name: str) -> None:
    # One pass back to the input and one to the weights for a convolution or a matrix; interpolation and fixed filters
    # have no weights, so that theirs is only repeated.
    in_channels, out_channels, scale = supported(name, (2,))[-1]
    module = trained(upsample.create(name, in_channels, out_channels, scale))
    input, *guide = inputs_of(module, 2, 5, 7)
    with OperatorCounter() as forward:
        output = module(input.requires_grad_(), *guide)
    with OperatorCounter() as backward:
        output.backward(torch.ones_like(output))
    if name in BACKWARD_IS_NO_MULTIPLE:
        assert backward.total.flops > 0
        return
    fixed = sum(count.flops for operator, count in forward.by_operator.items() if "upsample" in operator)
    fixed += frozen_filter_flops(module, 2 * 5 * 7)
    assert backward.total.flops == 2 * (forward.total.flops - fixed) + fixed


def frozen_filter_flops(module: upsample.AnyUpsampler, pixels: int) -> int:
    """FLOPs of convolutions whose kernels are no parameters, at scale 2."""
    channels, out_channels = module.in_channels, module.out_channels
    match module:
        case FilteredConv():
            return 2 * 16 * channels * pixels
        case InverseWavelet():
            return 2 * 16 * out_channels * pixels
        case NearestShuffleConv():
            return 2 * 4 * channels**2 * pixels
        case InterpolateConv(mode="lanczos"):
            return 2 * 7 * channels * pixels * (2 + 4)
        case _:
            return 0


@given(c=st.integers(1, 3), o=st.integers(1, 3), k=st.integers(1, 4), s=st.integers(1, 3), g=st.integers(1, 3))
@settings(max_examples=40)
def test_convolutions_of_any_groups_agree_with_their_closed_form(c: int, o: int, k: int, s: int, g: int) -> None:
    with torch.device("meta"):
        conv = nn.Conv2d(c * g, o * g, k, stride=s, groups=g)
        transposed = nn.ConvTranspose2d(c * g, o * g, k, stride=s, groups=g)
        input = torch.empty(2, c * g, 9, 8)
        output = conv(input)
        assert count_operators(conv, input).flops == 2 * 2 * o * g * c * k * k * output.shape[2] * output.shape[3]
        assert count_operators(transposed, input).flops == 2 * 2 * c * g * o * k * k * 9 * 8


def test_the_gradient_of_a_grouped_convolution_counts_its_groups() -> None:
    conv = nn.Conv2d(8, 8, 3, groups=4)
    input = torch.randn(1, 8, 6, 6, requires_grad=True)
    with OperatorCounter() as forward:
        output = conv(input)
    with OperatorCounter() as backward:
        output.backward(torch.ones_like(output))
    assert backward.total.flops == 2 * forward.total.flops


@pytest.mark.parametrize("name", ["transposed", "subpixel", "nearest_conv", "subpixel_staged", "post_upsampling"])
def test_torchs_own_counter_agrees_where_it_has_formulas(name: str) -> None:
    module, input = upsample.create(name, 6, 4, 2), torch.randn(2, 6, 5, 7)
    with FlopCounterMode(display=False) as theirs:
        module(input)
    assert count_operators(module, input).flops == theirs.get_total_flops()


def test_torchs_own_counter_misses_bilinear_and_ours_does_not() -> None:
    input = torch.randn(1, 3, 4, 4)

    def interpolate(x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear")

    with FlopCounterMode(display=False) as theirs:
        interpolate(input)
    with OperatorCounter() as ours:
        interpolate(input)
    assert (theirs.get_total_flops(), ours.total) == (0, Count(flops=8 * 3 * 64))


def test_area_counts_only_windows_of_more_than_one_value() -> None:
    input = torch.rand(1, 2, 6, 6)
    with OperatorCounter() as counter:
        F.interpolate(input, size=(3, 3), mode="area")
        F.interpolate(input, size=(12, 12), mode="area")
    assert counter.total == Count(elementwise=2 * 36)


def test_an_operator_without_a_formula_is_named() -> None:
    input = torch.rand(3)
    with pytest.raises(UnknownOperatorError, match=r"aten\.erfinv"), OperatorCounter():
        input.erfinv()
