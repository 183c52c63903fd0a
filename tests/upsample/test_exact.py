"""Every exact form against the layers that it stands for, whatever their settings, borders included."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from upsample import UnsupportedError
from upsample.exact import NormalForm, NotPeriodicError, ZeroStuff, exact_forms
from upsample.exact.forms import FORMS, each_form
from upsample.exact.ring import as_difference

TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5}

PAGE = Path(__file__).parents[2] / "docs" / "exact_forms.md"

PERIODIC_MODES = ("nearest", "nearest-exact", "bilinear", "bicubic", "area")


@st.composite
def convolutions(draw: st.DrawFn, in_channels: int, out_channels: int | None = None) -> nn.Conv2d:
    """A convolution of stride 1 with any kernel, padding, dilation, groups and bias."""
    groups = 1 if out_channels else draw(st.sampled_from([1, in_channels]))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"]))
    same = draw(st.booleans())
    padding = "same" if same else tuple(draw(st.integers(0, 3)) for _ in range(2))
    return nn.Conv2d(
        in_channels,
        out_channels or in_channels * draw(st.integers(1, 2)),
        kernel,
        padding=padding,
        dilation=draw(st.integers(1, 2)),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=mode,
    )


@st.composite
def interpolated(draw: st.DrawFn) -> list[nn.Module]:
    mode, scale = draw(st.sampled_from(PERIODIC_MODES)), draw(st.tuples(st.integers(1, 4), st.integers(2, 4)))
    align = False if mode in ("bilinear", "bicubic") else None
    return [nn.Upsample(scale_factor=scale, mode=mode, align_corners=align), draw(convolutions(2))]


@st.composite
def transposed(draw: st.DrawFn) -> list[nn.Module]:
    stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    layer = nn.ConvTranspose2d(
        2,
        draw(st.sampled_from([2, 4])),
        draw(st.tuples(st.integers(1, 9), st.integers(1, 9))),
        stride,
        draw(st.integers(0, 4)),
        draw(st.integers(0, max(stride, dilation) - 1)),
        groups=draw(st.sampled_from([1, 2])),
        bias=draw(st.booleans()),
        dilation=dilation,
    )
    return [layer]


@st.composite
def shuffled(draw: st.DrawFn) -> list[nn.Module]:
    scale = draw(st.integers(2, 3))
    layers: list[nn.Module] = [draw(convolutions(2, 2 * scale**2)), nn.PixelShuffle(scale)]
    if draw(st.booleans()):
        layers.append(draw(convolutions(2, 3)))
    return layers[draw(st.integers(0, 1)) * (len(layers) - 2) :]


@st.composite
def stuffed(draw: st.DrawFn) -> list[nn.Module]:
    return [ZeroStuff(draw(st.integers(2, 4))), draw(convolutions(2))]


def output_of(module: nn.Module, input: Tensor) -> Tensor:
    """The output, or no test where torch itself refuses the input."""
    try:
        output: Tensor = module(input)
    except RuntimeError:
        assume(False)
        raise
    assume(output.numel() > 0)
    return output


def check(layers: Sequence[nn.Module], input: Tensor, channels: int | None = None) -> None:
    usual = nn.Sequential(*layers).to(input.dtype)
    with torch.no_grad():
        expected = output_of(usual, input)
        for name, form in exact_forms(layers, channels).items():
            actual = form(input)
            assert actual.shape == expected.shape, name
            largest = max(1.0, expected.abs().max().item())
            assert (actual - expected).abs().max().item() <= TOLERANCES[input.dtype] * largest, name


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@settings(max_examples=300)
@given(
    layers=st.one_of(interpolated(), transposed(), shuffled(), stuffed()),
    size=st.tuples(st.integers(1, 13), st.integers(1, 13)),
    dtype=st.sampled_from([torch.float64, torch.float32]),
)
def test_a_form_has_the_layers_output(layers: list[nn.Module], size: tuple[int, int], dtype: torch.dtype) -> None:
    try:
        channels = NormalForm(layers).in_channels
    except NotPeriodicError:
        assume(False)
    check(layers, torch.randn(2, channels, *size, dtype=dtype))


def decoder(mode: str, scale: int, in_channels: int = 2, out_channels: int = 3) -> list[nn.Module]:
    return [nn.Upsample(scale_factor=scale, mode=mode), nn.Conv2d(in_channels, out_channels, 3, padding=1)]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_nearest_and_a_convolution_are_one_transposed_convolution(kernel: int, scale: int) -> None:
    """Identity C: the kernel is the convolution's, flipped, summed over boxes of s."""
    conv = nn.Conv2d(2, 3, kernel, padding=kernel // 2).double()
    normal = NormalForm([nn.Upsample(scale_factor=scale), conv])
    box = torch.ones(6, 1, scale, scale, dtype=torch.float64)
    padded = nn.functional.pad(conv.weight.flip(2, 3).flatten(0, 1)[None], [scale - 1] * 4)
    summed = nn.functional.conv2d(padded, box, groups=6).unflatten(1, (3, 2))[0]
    torch.testing.assert_close(normal.kernels().interior, summed, rtol=0, atol=1e-12)
    assert [axis.ring for axis in normal.axes] == [(0, 0), (0, 0)]
    assert normal.axes[0].length == kernel + scale - 1


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_bilinear_and_a_convolution_differ_from_a_zero_border_by_the_outermost_input(kernel: int, scale: int) -> None:
    conv = nn.Conv2d(1, 1, kernel, padding=kernel // 2)
    axis = NormalForm([nn.Upsample(scale_factor=scale, mode="bilinear"), conv]).axes[0]
    difference = as_difference(axis)
    assert difference.sources == (1, 1)
    for size in range(difference.least, difference.least + 9):
        rows, columns = axis.ends(axis.output_size(size), axis.ring), axis.ends(size, difference.sources)
        made = replace(axis, ring=(0, 0), sources=(0, 0), edge=axis.edge[:, :0, :0]).matrices(size)
        made[:, rows[:, None], columns] += difference.edge
        torch.testing.assert_close(made, axis.matrices(size), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_a_form_keeps_the_layout(mode: str, layout: torch.memory_format) -> None:
    layers = [layer.to(memory_format=layout) for layer in decoder(mode, 3, in_channels=4)]
    input = torch.randn(2, 4, 9, 7).contiguous(memory_format=layout)
    with torch.no_grad():
        for name, form in exact_forms(layers).items():
            output = form(input)
            assert output.is_contiguous(memory_format=layout), name
            torch.testing.assert_close(output, nn.Sequential(*layers)(input), rtol=1e-5, atol=1e-5)


def test_aligned_corners_do_not_repeat() -> None:
    up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    with pytest.raises(NotPeriodicError, match="do not repeat with the scale 2"):
        NormalForm([up, nn.Conv2d(2, 3, 3)])


@settings(max_examples=50)
@given(
    mode=st.sampled_from(["bilinear", "bicubic", "nearest"]),
    factor=st.sampled_from([1.5, 2, 2.7, 3]),
    align=st.booleans(),
    conv=convolutions(2, 3),
    size=st.tuples(st.integers(2, 9), st.integers(2, 9)),
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_channels_can_be_mixed_first_whatever_the_interpolation(
    mode: str, factor: float, align: bool, conv: nn.Conv2d, size: tuple[int, int]
) -> None:
    up = nn.Upsample(scale_factor=factor, mode=mode, align_corners=None if mode == "nearest" else align)
    check([up, conv], torch.randn(1, 2, *size, dtype=torch.float64))


def test_layers_of_which_none_is_linear_have_no_form() -> None:
    with pytest.raises(UnsupportedError, match="ReLU is not known to be linear"):
        exact_forms([nn.Upsample(scale_factor=2), nn.ReLU()], channels=2)


def test_the_pages_table_is_what_the_forms_do() -> None:
    lines = re.findall(r"^\| (nearest|bilinear) ×(\d) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) == 6
    for mode, scale, cells in lines:
        assert [int(cell) for cell in cells.split("|")] == macs_inside(mode, int(scale))


def macs_inside(mode: str, scale: int) -> list[int]:
    """MACs for each further input pixel in both directions, which no border has a part in."""
    forms = exact_forms(decoder(mode, scale))
    named = [forms.get(name, forms["shuffled"]) for name in ("shuffled", "shuffled_in_place", "transposed", "phases")]
    work = [
        [form.work(1, height, width).flops for height, width in ((20, 20), (21, 20), (20, 21), (21, 21))]
        for form in named
    ]
    return [9 * scale**2, *((d - b - c + a) // (2 * 2 * 3) for a, b, c, d in work)]


def test_the_pages_shares_of_mixing_first_are_those_of_the_forms() -> None:
    for mode in ("nearest", "bilinear"):
        shares = []
        for scale in (2, 3, 4):
            forms = exact_forms(decoder(mode, scale, in_channels=64))
            mixed, shuffled = (forms[name].work(1, 96, 96).flops for name in ("mixed_shuffled", "shuffled"))
            shares.append(f"{mixed / shuffled:.2f}")
        assert f"- {mode} ×2, ×3, ×4: {', '.join(shares)}\n" in PAGE.read_text()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_form_is_compiled_as_one_graph(mode: str, form: str) -> None:
    torch._dynamo.reset()
    forms = exact_forms([nn.Upsample(scale_factor=3, mode=mode), nn.Conv2d(2, 3, 3, padding=1)])
    module, input = forms[form], torch.randn(1, 2, 7, 9)
    with torch.no_grad():
        made = torch.compile(module, fullgraph=True, backend="aot_eager")(input)
        torch.testing.assert_close(made, module(input))


@pytest.mark.parametrize("form", ["mixed_shuffled", "mixed_first"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_form_that_mixes_a_large_image_is_compiled_as_one_graph(form: str) -> None:
    torch._dynamo.reset()
    module = exact_forms(decoder("nearest", 2, in_channels=64))[form]
    input = torch.randn(1, 64, 64, 65).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        made = torch.compile(module, fullgraph=True, backend="aot_eager")(input)
        torch.testing.assert_close(made, module(input), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("padding", "scale"), [(1, 2), (0, 2), ((3, 2), 2), (1, (2, 3))])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
def test_the_older_exporter_to_onnx_takes_every_form_at_every_size(form: str, padding: Any, scale: Any) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    layers = [nn.Upsample(scale_factor=scale, mode="bilinear"), nn.Conv2d(4, 3, 3, padding=padding)]
    module = dict(each_form(layers))[form]
    if isinstance(module, UnsupportedError):
        pytest.skip(str(module))
    file, axes = io.BytesIO(), {"input": {2: "height", 3: "width"}}
    input = torch.randn(1, 4, 7, 9)
    torch.onnx.export(module.eval(), (input,), file, dynamo=False, input_names=["input"], dynamic_axes=axes)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for other in (input, torch.randn(1, 4, 6, 5)):
        (made,) = session.run(None, {"input": other.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(made), module(other), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
def test_the_older_exporter_writes_the_weights_of_after_training() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    for form in ("mixed_first", "shuffled"):
        layers = [nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 3, padding=1)]
        module, input, file = exact_forms(layers)[form], torch.randn(1, 4, 7, 9), io.BytesIO()
        with torch.no_grad():
            module(input)
            for parameter in layers[1].parameters():
                parameter += 1
        torch.onnx.export(module, (input,), file, dynamo=False, input_names=["input"])
        session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
        (made,) = session.run(None, {"input": input.numpy()})
        expected = nn.Sequential(*layers)(input).detach()
        torch.testing.assert_close(torch.from_numpy(made), expected, rtol=1e-4, atol=1e-4)


def test_channels_mixed_first_refuse_what_is_too_small_as_the_layers_do() -> None:
    layers = [nn.Upsample(scale_factor=2), nn.Conv2d(2, 1, 3)]
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        exact_forms(layers)["mixed_first"](torch.randn(1, 2, 1, 4))


CIRCULAR = [
    nn.Conv2d(2, 18, 5, padding="same", padding_mode="circular"),
    nn.PixelShuffle(3),
    nn.Conv2d(2, 3, 3, padding=(2, 3), dilation=2, padding_mode="circular"),
]
"""Few channels, but a wide ring: its kernels took 13 GB and 44 s to work out."""


@pytest.mark.parametrize(
    "layers",
    [[nn.Conv2d(64, 4 * 64, 5, padding=2), nn.PixelShuffle(2), nn.Conv2d(64, 64, 5, padding=2)], CIRCULAR],
    ids=["many channels", "a wide ring"],
)
def test_a_bank_too_large_to_keep_is_no_form(layers: list[nn.Module]) -> None:
    refused = dict(each_form(layers))["mixed_shuffled"]
    assert str(refused) == "a bank with an input for each tap and output channel would be too large."


def test_a_bank_between_many_channels_with_an_ordinary_ring_is_a_form() -> None:
    bilinear = [nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(64, 64, 3, padding=1)]
    assert not isinstance(dict(each_form(bilinear, ready=False))["mixed_shuffled"], UnsupportedError)


def test_channels_are_not_mixed_first_where_groups_keep_them_apart() -> None:
    refused = dict(each_form([nn.ConvTranspose2d(4, 4, 4, 2, 1, groups=2)]))["mixed_shuffled"]
    assert str(refused) == "channels are mixed first where all of them meet, without groups."
