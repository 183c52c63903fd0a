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
from bench.opcount import Count, OperatorCounter, UnknownOperatorError, count_operators

names = pytest.mark.parametrize("name", upsample.names())


@names
@pytest.mark.parametrize("mode", [nullcontext, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_count_is_the_same_in_every_mode_and_on_meta(name: str, mode: type, device: str) -> None:
    with torch.device(device), mode():
        module = upsample.create(name, 6, 4, 2)
        counted = count_operators(module, torch.empty(2, 6, 5, 7))
    stated = upsample.cost(module, (2, 6, 5, 7))
    assert (counted.flops, counted.elementwise) == (stated.flops, stated.elementwise)


@names
def test_forward_and_backward_together_are_three_times_the_forward(name: str) -> None:
    # One pass back to the input and one to the weights for a convolution; interpolation has no weights, so that its
    # FLOPs are only doubled.
    module = upsample.create(name, 6, 4, 2)
    input = torch.randn(2, 6, 5, 7, requires_grad=True)
    with OperatorCounter() as forward:
        output = module(input)
    with OperatorCounter() as backward:
        output.backward(torch.ones_like(output))
    interpolation = sum(count.flops for name, count in forward.by_operator.items() if "upsample" in name)
    convolution = forward.total.flops - interpolation
    assert backward.total.flops == 2 * convolution + interpolation


@given(c=st.integers(1, 3), o=st.integers(1, 3), k=st.integers(1, 4), s=st.integers(1, 3), g=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
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
