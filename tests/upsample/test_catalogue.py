"""Every upsampler of the catalogue: its definition, its shapes, its closed-form cost, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import upsample
from tests.specimens import FRACTIONAL, inputs_of, small_options, supported, trained
from upbench.meters.opcount import count_operators


@dataclass(frozen=True)
class Expected:
    """Multiply-accumulates per low-resolution pixel and parameters, as the papers state them.

    Every function takes C, O, s; ``border`` marks forms that also compute a cropped border, ``once`` is what a call
    costs whatever the size of its input.
    """

    macs: Callable[[int, int, int], float]
    params: Callable[[int, int, int], int]
    border: bool = False
    once: Callable[[int, int, int], float] = lambda c, o, s: 0


def stages(scale: int) -> int:
    return scale.bit_length() - 1


def staged_subpixel_macs(c: int, o: int, s: int) -> float:
    body = 81 * c**2 if s == 3 else sum(36 * c**2 * 4**stage for stage in range(stages(s)))
    return body + 9 * o * s**2 * c


def staged_subpixel_params(c: int, o: int, s: int) -> int:
    body = 81 * c**2 + 9 * c if s == 3 else stages(s) * (36 * c**2 + 4 * c)
    return body + 9 * c * o + o


def conv3(c: int, o: int) -> int:
    return 9 * c * o + o


WIDTH, DEPTH = 64, 3
BACKBONE_PARAMS = DEPTH * conv3(WIDTH, WIDTH)


def backbone_macs(c: int) -> int:
    return 9 * c * WIDTH + DEPTH * 9 * WIDTH**2


def lp(c: int, s: int) -> int:
    """DySample's 1×1 convolution, groups of 4, before the shuffle."""
    return 2 * 4 * s**2 * c


def carafe_macs(c: int, o: int, s: int) -> float:
    return 64 * c + 14400 * s**2 + 25 * s**2 * c


CARAFE = Expected(carafe_macs, lambda c, o, s: 64 * c + 64 + 14400 * s**2 + 25 * s**2)


def transposed_filtered_macs(c: int, o: int, s: int) -> float:
    """The transposed 3×3 of each doubling, and 16 taps for each of its four outputs."""
    outputs = [c] * (stages(s) - 1) + [o]
    return sum(4**stage * (9 * c * each + 4 * 16 * each) for stage, each in enumerate(outputs))


def dysample_last_macs(c: int, o: int, s: int) -> float:
    groups, channels = o if s % 2 else 4, o * s**2
    return 9 * c * channels + 2 * (2 * groups * s**2 * channels) + 4 * s**2 * channels + s**2 * channels * o


def dysample_last_params(c: int, o: int, s: int) -> int:
    groups, channels = o if s % 2 else 4, o * s**2
    return conv3(c, channels) + 2 * (2 * groups * s**2 * channels) + 2 * groups * s**2 + channels * o + o


def fade_macs(c: int, o: int, s: int) -> float:
    return (1 + s**2) * (64 * c + 9 * 64 * 25) + c + 25 * s**2 * c


def bilateral_stage_macs(c: int) -> float:
    """Per pixel of the stage's output: projection, affinity, correction, bicubic and reassembly."""
    return 3 * 32 + 32**2 + 49 * 32 + 52 * 49 + 49**2 + 16 * c + 49 * c


def lda_macs(c: int, o: int, s: int) -> float:
    d = c // 4
    # Query and key; per output pixel: the query, its offsets in 2 groups, and 9 samples of keys and values.
    return 2 * c * d + s**2 * (4 * d + 9 * d + 9 * d * 18 + 9 * (4 + 1) * (d + c))


def liif_macs(c: int, o: int, s: int) -> float:
    return 4 * s**2 * ((9 * c + 4) * 256 + 3 * 256**2 + 256 * o + o)


def lte_macs(c: int, o: int, s: int) -> float:
    return 9 * c * 512 + 4 * s**2 * (3 * 256**2 + 256 * o + o)


def pixel_attention_macs(c: int, o: int, s: int) -> float:
    factors = [3] if s == 3 else [2] * stages(s)
    pixels = list(accumulate((factor**2 for factor in factors), mul))
    return sum(19 * c**2 * each for each in pixels) + 9 * s**2 * c * o


def lapsrn_macs(c: int, o: int, s: int) -> float:
    level = 10 * 9 * 64**2 + 9 * 64**2 + 16 * c**2 + 4 * 9 * 64 * c
    return 9 * c * 64 + sum(level * 4**stage for stage in range(stages(s)))


INTERPOLATE_FIRST = Expected(lambda c, o, s: 9 * s**2 * c * o, lambda c, o, s: conv3(c, o))

TABLE: dict[str, Expected] = {
    "transposed": Expected(lambda c, o, s: 4 * s**2 * c * o, lambda c, o, s: 4 * s**2 * c * o + o),
    "transposed_9x9": Expected(lambda c, o, s: 81 * c * o, lambda c, o, s: 81 * c * o + o),
    "zero_stuffing": Expected(lambda c, o, s: 4 * s**4 * c * o, lambda c, o, s: 4 * s**2 * c * o + o),
    "transposed_phases": Expected(lambda c, o, s: 4 * s**2 * c * o, lambda c, o, s: 4 * s**2 * c * o + o, border=True),
    "subpixel": Expected(lambda c, o, s: 9 * s**2 * c * o, lambda c, o, s: conv3(c, o * s**2)),
    "subpixel_icnr": Expected(lambda c, o, s: 9 * s**2 * c * o, lambda c, o, s: conv3(c, o * s**2)),
    "subpixel_staged": Expected(staged_subpixel_macs, staged_subpixel_params),
    "nearest_conv": INTERPOLATE_FIRST,
    "nearest_exact_conv": INTERPOLATE_FIRST,
    "area_conv": INTERPOLATE_FIRST,
    "bilinear_conv": Expected(lambda c, o, s: 9 * s**2 * c * o + 4 * s**2 * c, lambda c, o, s: conv3(c, o)),
    "bicubic_conv": Expected(lambda c, o, s: 9 * s**2 * c * o + 16 * s**2 * c, lambda c, o, s: conv3(c, o)),
    "conv_nearest": Expected(lambda c, o, s: 9 * c * o, lambda c, o, s: conv3(c, o)),
    "conv_bilinear": Expected(lambda c, o, s: 9 * c * o + 4 * s**2 * o, lambda c, o, s: conv3(c, o)),
    "conv_bicubic": Expected(lambda c, o, s: 9 * c * o + 16 * s**2 * o, lambda c, o, s: conv3(c, o)),
    "nearest_conv_staged": Expected(
        lambda c, o, s: 9 * c**2 * (sum(4**stage for stage in range(1, stages(s) + 1)) + s**2) + 9 * s**2 * c * o,
        lambda c, o, s: (stages(s) + 1) * conv3(c, c) + conv3(c, o),
    ),
    "pre_upsampling": Expected(
        lambda c, o, s: s**2 * (16 * c + backbone_macs(c) + 9 * WIDTH * o),
        lambda c, o, s: conv3(c, WIDTH) + BACKBONE_PARAMS + conv3(WIDTH, o),
    ),
    "post_upsampling": Expected(
        lambda c, o, s: backbone_macs(c) + 9 * s**2 * WIDTH * o,
        lambda c, o, s: conv3(c, WIDTH) + BACKBONE_PARAMS + conv3(WIDTH, o * s**2),
    ),
}

TABLE |= {
    "lanczos_conv": Expected(lambda c, o, s: 9 * s**2 * c * o + 7 * c * (s + s**2), lambda c, o, s: conv3(c, o)),
    "bilinear_additive": Expected(lambda c, o, s: 9 * c * o + 4 * c, lambda c, o, s: conv3(c // s**2, o)),
    "dupsampling": Expected(lambda c, o, s: s**2 * c * o, lambda c, o, s: s**2 * c * o),
    "nearest_shuffle_conv": Expected(lambda c, o, s: s**2 * c**2 + 9 * s**2 * c * o, lambda c, o, s: conv3(c, o)),
    "blur_shuffle": Expected(lambda c, o, s: s**2 * c * o, lambda c, o, s: s**2 * (c * o + o)),
    "filtered_conv": Expected(
        lambda c, o, s: 16 * c * sum(4**stage for stage in range(stages(s))) + 9 * s**2 * c * o,
        lambda c, o, s: conv3(c, o),
    ),
    "transposed_filtered": Expected(
        transposed_filtered_macs,
        lambda c, o, s: 9 * c * (c * (stages(s) - 1) + o) + o,
    ),
    "inverse_wavelet": Expected(
        lambda c, o, s: 9 * s**2 * c * o + 4 * s**2 * o * stages(s), lambda c, o, s: conv3(c, o * s**2)
    ),
    "pixel_attention": Expected(
        pixel_attention_macs,
        lambda c, o, s: (1 if s == 3 else stages(s)) * (19 * c**2 + 3 * c) + conv3(c, o),
    ),
    "dysample_lp": Expected(lambda c, o, s: lp(c, s) + 4 * s**2 * c, lambda c, o, s: lp(c, s) + 8 * s**2),
    "dysample_lp_plus": Expected(lambda c, o, s: 2 * lp(c, s) + 4 * s**2 * c, lambda c, o, s: 2 * lp(c, s) + 8 * s**2),
    "dysample_pl": Expected(lambda c, o, s: 8 * c + 4 * s**2 * c, lambda c, o, s: 8 * c // s**2 + 8),
    "dysample_pl_plus": Expected(lambda c, o, s: 16 * c + 4 * s**2 * c, lambda c, o, s: 16 * c // s**2 + 8),
    "dysample_last": Expected(dysample_last_macs, dysample_last_params),
    "carafe": CARAFE,
    "carafe_unfolded": CARAFE,
    "sapa_b": Expected(
        lambda c, o, s: (1 + s**2) * c * 32 + 25 * s**2 * (32 + c), lambda c, o, s: 2 * (32 * c + 32) + 4 * c
    ),
    "fade": Expected(fade_macs, lambda c, o, s: 2 * 64 * c + 64 + 9 * 64 * 25 + 25 + c + 1),
    "joint_bilateral": Expected(
        lambda c, o, s: sum(bilateral_stage_macs(c) * 4**stage for stage in range(1, stages(s) + 1)),
        lambda c, o, s: stages(s) * (3 * 32 + 32 + 32**2 + 32 + 52 * 49 + 49 + 49**2 + 49 + 2),
    ),
    "max_unpooling": Expected(lambda c, o, s: 0, lambda c, o, s: 0),
    "lda_aqu": Expected(
        lda_macs, lambda c, o, s: 2 * c + 2 * c * (c // 4) + (9 + 2 + 9 * 18) * (c // 8) + 18 + 9 * (c // 4)
    ),
    "liif": Expected(liif_macs, lambda c, o, s: (9 * c + 4) * 256 + 256 + 3 * (256**2 + 256) + 256 * o + o),
    "lte": Expected(
        lte_macs,
        lambda c, o, s: 2 * (9 * c * 256 + 256) + 256 + 3 * (256**2 + 256) + 256 * o + o,
        once=lambda c, o, s: 4 * 2 * 128,
    ),
    "meta_sr": Expected(
        lambda c, o, s: 9 * s**2 * c * o,
        lambda c, o, s: 3 * 256 + 256 + 256 * 9 * c * o + 9 * c * o,
        once=lambda c, o, s: s**2 * (3 * 256 + 256 * 9 * c * o),
    ),
    "srcnn": Expected(
        lambda c, o, s: s**2 * (16 * c + 81 * c * 64 + 64 * 32 + 25 * 32 * o),
        lambda c, o, s: 81 * c * 64 + 64 + 64 * 32 + 32 + 25 * 32 * o + o,
    ),
    "fsrcnn": Expected(
        lambda c, o, s: 25 * c * 56 + 2 * 56 * 12 + 4 * 9 * 12**2 + 81 * 56 * o,
        lambda c, o, s: 25 * c * 56 + 2 * 56 * 12 + 4 * 9 * 12**2 + 81 * 56 * o + 2 * (2 * 56 + 5 * 12) + o,
    ),
    "lapsrn": Expected(
        lapsrn_macs,
        lambda c, o, s: 9 * c * 64 + 64 + stages(s) * (11 * (9 * 64**2 + 64) + 9 * 64 * c + c + 16 * c**2),
    ),
}

names = pytest.mark.parametrize("name", upsample.names())
sizes = st.tuples(st.integers(1, 3), st.integers(2, 7), st.integers(2, 7))
fractional_names = pytest.mark.parametrize("name", [name for name in upsample.names() if supported(name, FRACTIONAL)])


def test_the_table_has_a_row_for_every_upsampler() -> None:
    assert set(TABLE) == set(upsample.names())


@names
@given(data=st.data())
@settings(max_examples=12)
def test_the_output_is_what_the_definition_says(name: str, data: st.DataObject) -> None:
    in_channels, out_channels, scale = data.draw(st.sampled_from(supported(name)))
    check_definition(name, in_channels, out_channels, scale, data)


@fractional_names
@given(data=st.data())
@settings(max_examples=12)
def test_the_output_at_fractional_scales_is_what_the_definition_says(name: str, data: st.DataObject) -> None:
    in_channels, out_channels, scale = data.draw(st.sampled_from(supported(name, FRACTIONAL)))
    check_definition(name, in_channels, out_channels, scale, data)


def check_definition(name: str, in_channels: int, out_channels: int, scale: Any, data: st.DataObject) -> None:
    batch, height, width = data.draw(sizes)
    torch.manual_seed(data.draw(st.integers(0, 2**32 - 1)))
    module = trained(upsample.create(name, in_channels, out_channels, scale, **small_options(name)).double())
    inputs = inputs_of(module, batch, height, width, dtype=torch.float64)
    with torch.no_grad():
        output, expected = module(*inputs), module.definition(*inputs)
    vertical, horizontal = scale if isinstance(scale, tuple) else (scale, scale)
    assert output.shape == (batch, out_channels, int(height * vertical), int(width * horizontal))
    assert output.shape == module.output_shape(inputs[0].shape)
    torch.testing.assert_close(output, expected, rtol=1e-11, atol=1e-11)


@names
@given(data=st.data())
@settings(max_examples=12)
def test_the_cost_is_the_published_closed_form_and_what_really_runs(name: str, data: st.DataObject) -> None:
    in_channels, out_channels, scale = data.draw(st.sampled_from(supported(name)))
    batch, height, width = data.draw(sizes)
    cost, inputs = check_count(name, in_channels, out_channels, scale, (batch, height, width))
    pixels = batch * height * width
    if TABLE[name].border:
        pixels = batch * (height + 1) * (width + 1)
    arguments = (in_channels, out_channels, scale)
    assert cost.macs == TABLE[name].macs(*arguments) * pixels + TABLE[name].once(*arguments)
    assert cost.params == TABLE[name].params(*arguments)
    outputs = batch * out_channels * height * width * scale**2
    read = sum(tensor.numel() * tensor.element_size() for tensor in inputs)
    assert cost.min_bytes == read + 4 * (cost.params + outputs)


@fractional_names
@given(data=st.data())
@settings(max_examples=12)
def test_the_cost_at_fractional_scales_is_what_really_runs(name: str, data: st.DataObject) -> None:
    in_channels, out_channels, scale = data.draw(st.sampled_from(supported(name, FRACTIONAL)))
    check_count(name, in_channels, out_channels, scale, data.draw(sizes))


def check_count(
    name: str, in_channels: int, out_channels: int, scale: Any, size: tuple[int, int, int]
) -> tuple[upsample.Cost, list[Tensor]]:
    with torch.device("meta"):
        module = upsample.create(name, in_channels, out_channels, scale)
        inputs = inputs_of(module, *size)
        counted = count_operators(module, *inputs)
    cost = upsample.cost(module, inputs[0].shape)
    assert (cost.flops, cost.elementwise) == (counted.flops, counted.elementwise)
    assert cost.flops == 2 * cost.macs
    return cost, inputs


@names
def test_gradients_are_those_of_the_function(name: str) -> None:
    torch.manual_seed(0)
    channels = min(c for c, o, s in supported(name) if s == 2 and c >= 2 and c in (o, 1, 2, 3, 5, 8, 16))
    kept = upsample.refusal(name, channels, 1, 2) is not None
    out_channels = channels if kept else 1
    module = trained(upsample.create(name, channels, out_channels, 2, **small_options(name)).double())
    input, *guide = inputs_of(module, 1, 3, 4, dtype=torch.float64)
    if name == "max_unpooling":
        assert torch.autograd.gradcheck(module, (input.requires_grad_(), *guide))
        return
    tensors = [tensor.requires_grad_() for tensor in (input, *guide)]
    assert torch.autograd.gradcheck(module, tensors, fast_mode=True)
    parameters = [parameter for parameter in module.parameters() if parameter.numel()]

    def of_parameters(*values: Tensor) -> Tensor:
        names_of = [own for own, _ in module.named_parameters()]
        output: Tensor = torch.func.functional_call(module, dict(zip(names_of, values, strict=True)), tuple(tensors))
        return output

    assert torch.autograd.gradcheck(of_parameters, [p.detach().requires_grad_() for p in parameters], fast_mode=True)


TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 3e-2}
WIDER = {"lda_aqu": 10}
"""LDA-AQU multiplies its predictions by 11 pixels, and so their rounding."""


@names
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_dtype_and_memory_layout_do_not_change_the_answer(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    channels = (16, 4) if upsample.refusal(name, 16, 4, 2) is None else (16, 16)
    module = trained(upsample.create(name, *channels, 2)).to(dtype)
    inputs = [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in inputs_of(module, 2, 9, 11)]
    with torch.no_grad():
        plain = module(*inputs)
        last = module.to(memory_format=torch.channels_last)(
            *[tensor.contiguous(memory_format=torch.channels_last) for tensor in inputs]
        )
        exact = module.double().definition(*[t.double() if t.is_floating_point() else t for t in inputs])
    for output in (plain, last):
        assert output.dtype == dtype
        assert float((output.double() - exact).abs().max() / exact.abs().max()) < TOLERANCE[dtype] * WIDER.get(name, 1)


@pytest.mark.parametrize("name", ["liif", "lte"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_corners_that_fall_together_have_weights_in_half_precision_too(name: str, dtype: torch.dtype) -> None:
    # At scale 3 the last centre lies on the last pixel, so that all four distances are zero.
    torch.manual_seed(0)
    module = upsample.create(name, 4, 3, 3, width=8).to(dtype)
    with torch.no_grad():
        assert bool(torch.isfinite(module(torch.randn(1, 4, 6, 6, dtype=dtype))).all())


def test_float64_costs_twice_the_bytes() -> None:
    module = upsample.create("subpixel", 4, 3, 2)
    single = upsample.cost(module, (1, 4, 5, 6)).min_bytes
    assert upsample.cost(module.double(), (1, 4, 5, 6)).min_bytes == 2 * single


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("qqq", (4, 4, 2), "no upsampler is named 'qqq'; known are: transposed, "),
        ("subpixl", (4, 4, 2), "did you mean 'subpixel'?"),
        ("subpixel", (4, 4, 1), "SubPixel takes whole scales of at least 2; got 1."),
        ("subpixel", (4, 4, 2.5), "got 2.5."),
        ("subpixel", (0, 4, 2), "in_channels must be a whole number of at least 1; got 0."),
        ("subpixel", (4, "3", 2), "out_channels must be a whole number of at least 1; got '3'."),
        ("subpixel_staged", (4, 4, 5), "scales 2, 3, 4, 8, …; got 5."),
        ("nearest_conv_staged", (4, 4, 3), "scales 2, 4, 8, …; got 3."),
        ("meta_sr", (4, 4, 10 / 3), "for at most 64 along an axis; the scale 3.33"),
        ("liif", (4, 4, 1.0), "Liif takes scales above 1, or a pair of them; got 1.0."),
        ("carafe", (4, 3, 2), "Carafe keeps the number of channels; got 4 in and 3 out."),
        ("dysample_lp", (6, 6, 2), "samples in 4 groups of channels; got 6 channels."),
    ],
)
def test_a_wrong_argument_gives_one_clear_sentence(name: str, arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(upsample.UpsampleError) as caught:
        upsample.create(name, *arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_option_names_the_upsampler() -> None:
    with pytest.raises(upsample.UpsampleError, match="subpixel does not take these options"):
        upsample.create("subpixel", 4, 4, 2, kernel=5)


@pytest.mark.parametrize("name", ["subpixel", "nearest_conv", "conv_bilinear"])
def test_an_even_kernel_would_change_the_size_and_is_refused(name: str) -> None:
    with pytest.raises(upsample.UpsampleError, match="kernel_size must be odd"):
        upsample.create(name, 4, 4, 2, kernel_size=4)


def test_a_refusal_knows_the_options_of_the_card() -> None:
    assert upsample.refusal("transposed_9x9", 1, 1, 9) is None
    assert "needs a kernel of at least 10; got 9" in str(upsample.refusal("transposed_9x9", 1, 1, 10))


def test_a_kernel_smaller_than_the_scale_is_refused() -> None:
    with pytest.raises(upsample.UnsupportedError, match="needs a kernel of at least 4; got 3"):
        upsample.create("transposed", 4, 4, 4, kernel_size=3)


def test_cost_refuses_a_shape_that_does_not_fit_and_a_foreign_module() -> None:
    with pytest.raises(upsample.UpsampleError, match=r"must be \(N, 4, H, W\)"):
        upsample.cost(upsample.create("subpixel", 4, 4, 2), (1, 3, 8, 8))
    with pytest.raises(upsample.UpsampleError, match="got Conv2d"):
        upsample.cost(torch.nn.Conv2d(3, 3, 3), (1, 3, 8, 8))


def test_published_figures_per_pixel_at_256_channels() -> None:
    # CARAFE (Wang et al. 2019), table of costs: FLOPs per low-resolution pixel and parameters without bias at C = 256.
    def per_pixel(name: str, **options: int) -> tuple[float, int]:
        with torch.device("meta"):
            module = upsample.create(name, 256, 256, 2, **options)
        weights = sum(p.numel() for p in module.parameters() if p.dim() > 1)
        return upsample.cost(module, (1, 256, 1, 1)).flops, weights

    assert per_pixel("nearest_conv") == (pytest.approx(4.7e6, rel=0.01), pytest.approx(590e3, rel=0.01))
    assert per_pixel("transposed", kernel_size=3) == (pytest.approx(1.2e6, rel=0.02), pytest.approx(590e3, rel=0.01))
    assert per_pixel("subpixel") == (pytest.approx(4.7e6, rel=0.01), pytest.approx(2.4e6, rel=0.02))


def test_real_esrgan_upsampler_has_its_published_arithmetic() -> None:
    with torch.device("meta"):
        module = upsample.create("nearest_conv_staged", 64, 3, 4)
    assert upsample.cost(module, (1, 64, 1, 1)).macs == 324 * 64**2 + 432 * 64


def weights(module: upsample.AnyUpsampler) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.dim() > 1)


def test_carafe_has_its_published_cost_at_256_channels() -> None:
    # Wang et al. 2019: 199,496 FLOPs per low-resolution pixel, the additions of biases counted, and 74,148 parameters.
    with torch.device("meta"):
        module = upsample.create("carafe", 256, 256, 2)
    cost = upsample.cost(module, (1, 256, 1, 1))
    biases = sum(parameter.numel() for parameter in module.parameters() if parameter.dim() == 1)
    assert (cost.macs, biases, cost.params) == (99_584, 164, 74_148)
    assert 2 * (cost.macs + biases) == 199_496


def test_dysample_adds_its_published_parameters() -> None:
    # Liu et al. 2023, for the four upsamplers of a detector with 256 channels: +32.7 K, with dynamic range +65.5 K.
    with torch.device("meta"):
        plain, dynamic = (upsample.create(f"dysample_lp{plus}", 256, 256, 2) for plus in ("", "_plus"))
    assert (4 * weights(plain), 4 * weights(dynamic)) == (32_768, 65_536)


def test_networks_have_their_published_weights() -> None:
    # Dong et al. 2016: FSRCNN(56, 12, 4) has 12,464, SRCNN (9-1-5) 8,032; Lai et al. 2017: LapSRN at scale 4 812 K.
    with torch.device("meta"):
        found = {name: weights(upsample.create(name, 1, 1, 4)) for name in ("fsrcnn", "srcnn", "lapsrn")}
    assert found == {"fsrcnn": 12_464, "srcnn": 8_032, "lapsrn": pytest.approx(812_000, rel=0.001)}
