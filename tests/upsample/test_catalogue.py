"""Every upsampler of the catalogue: its definition, its shapes, its closed-form cost, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import upsample
from bench.opcount import count_operators


@dataclass(frozen=True)
class Expected:
    """Multiply-accumulates per low-resolution pixel and parameters, as the papers state them; interpolation apart.

    Every function takes C, O, s; ``border`` marks forms that also compute a cropped border.
    """

    macs: Callable[[int, int, int], float]
    params: Callable[[int, int, int], int]
    border: bool = False


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

names = pytest.mark.parametrize("name", upsample.names())
shapes = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(2, 7), st.integers(2, 7))


def supported_scales(name: str) -> list[int]:
    return [scale for scale in (2, 3, 4) if upsample.refusal(name, scale) is None]


def test_the_table_has_a_row_for_every_upsampler() -> None:
    assert set(TABLE) == set(upsample.names())


@names
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_the_output_is_what_the_definition_says(name: str, data: st.DataObject) -> None:
    shape, out_channels = data.draw(shapes), data.draw(st.integers(1, 4))
    scale = data.draw(st.sampled_from(supported_scales(name)))
    torch.manual_seed(data.draw(st.integers(0, 2**32 - 1)))
    module = upsample.create(name, shape[1], out_channels, scale).double()
    input = torch.randn(shape, dtype=torch.float64)
    with torch.no_grad():
        output, expected = module(input), module.definition(input)
    assert output.shape == module.output_shape(shape) == (shape[0], out_channels, shape[2] * scale, shape[3] * scale)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


@names
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_the_cost_is_the_published_closed_form_and_what_really_runs(name: str, data: st.DataObject) -> None:
    shape, out_channels = data.draw(shapes), data.draw(st.integers(1, 4))
    scale = data.draw(st.sampled_from(supported_scales(name)))
    batch, channels, height, width = shape
    with torch.device("meta"):
        module = upsample.create(name, channels, out_channels, scale)
        counted = count_operators(module, torch.empty(shape))
    cost = upsample.cost(module, shape)
    pixels = batch * height * width
    if TABLE[name].border:
        pixels = batch * (height + 1) * (width + 1)
    assert cost.macs == TABLE[name].macs(channels, out_channels, scale) * pixels
    assert cost.params == TABLE[name].params(channels, out_channels, scale)
    assert (cost.flops, cost.elementwise) == (counted.flops, counted.elementwise)
    assert cost.flops == 2 * cost.macs
    values = batch * channels * height * width + cost.params + batch * out_channels * height * width * scale**2
    assert cost.min_bytes == 4 * values


@names
def test_gradients_are_those_of_the_function(name: str) -> None:
    torch.manual_seed(0)
    options = {"width": 2, "depth": 1} if upsample.card(name).kind == "network" else {}
    module = upsample.create(name, 2, 1, 2, **options).double()
    input = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (input,))


@names
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_dtype_and_memory_layout_do_not_change_the_answer(name: str, dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    module = upsample.create(name, 8, 4, 2).to(dtype)
    input = torch.randn(2, 8, 9, 11, dtype=dtype)
    with torch.no_grad():
        plain = module(input)
        last = module.to(memory_format=torch.channels_last)(input.contiguous(memory_format=torch.channels_last))
        exact = module.double().definition(input.double())
    for output in (plain, last):
        assert float((output.double() - exact).abs().max() / exact.abs().max()) < tolerance


def test_float64_costs_twice_the_bytes() -> None:
    module = upsample.create("subpixel", 4, 3, 2)
    single = upsample.cost(module, (1, 4, 5, 6)).min_bytes
    assert upsample.cost(module.double(), (1, 4, 5, 6)).min_bytes == 2 * single


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("pixelshufle", (4, 4, 2), "no upsampler is named 'pixelshufle'; known are: nearest_conv, "),
        ("subpixl", (4, 4, 2), "did you mean 'subpixel'?"),
        ("subpixel", (4, 4, 1), "SubPixel takes whole scales of at least 2; got 1."),
        ("subpixel", (4, 4, 2.5), "got 2.5."),
        ("subpixel", (0, 4, 2), "in_channels must be a whole number of at least 1; got 0."),
        ("subpixel", (4, "3", 2), "out_channels must be a whole number of at least 1; got '3'."),
        ("subpixel_staged", (4, 4, 5), "scales 2, 3, 4, 8, …; got 5."),
        ("nearest_conv_staged", (4, 4, 3), "scales 2, 4, 8, …; got 3."),
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
    assert upsample.refusal("transposed_9x9", 9) is None
    assert "needs a kernel of at least 10; got 9" in str(upsample.refusal("transposed_9x9", 10))


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
