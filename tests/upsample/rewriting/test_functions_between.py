"""Functions between an upsampler and the convolution: those that commute move, and all others stay where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.upsample.rewriting.checking import assert_rewritten, model, up

SIZES = (((2, 4, 5, 6),), ((1, 4, 3, 4),), ((2, 4, 1, 1),))
FUNCTIONS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "relu": lambda m, x: F.relu(x),
    "in place": lambda m, x: F.leaky_relu(x, 0.2, inplace=True),
    "sigmoid": lambda m, x: torch.sigmoid(x),
    "gelu": lambda m, x: F.gelu(x, approximate="tanh"),
    "clamp": lambda m, x: x.clamp(-0.3, 0.4),
    "hardtanh": lambda m, x: F.hardtanh(x, -0.2, 0.5),
    "numbers": lambda m, x: 1 - 2 * x / 3 + 0.5,
    "reversed division": lambda m, x: 1 / (x.exp() + 1),
    "per channel": lambda m, x: x * m.conv.weight.mean((0, 2, 3))[None, :, None, None],
    "norm": lambda m, x: m.norm(x),
    "plain norm": lambda m, x: m.plain(x),
    "prelu of one": lambda m, x: m.one(x),
    "prelu of many": lambda m, x: m.many(x),
    "several": lambda m, x: m.norm(F.relu(m.many(x) + 1)),
    "dropped": lambda m, x: F.dropout2d(x, 0.5, m.training),
}


def layers() -> dict[str, nn.Module]:
    norms = {"norm": nn.BatchNorm2d(4), "plain": nn.BatchNorm2d(4, affine=False)}
    return {**norms, "one": nn.PReLU(), "many": nn.PReLU(4)}


MODULES = ["ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Hardswish", "Tanh"]
MODULES += ["Sigmoid", "Hardtanh", "Hardsigmoid", "Softplus", "LogSigmoid", "Identity", "Dropout2d"]


@pytest.mark.parametrize("name", MODULES)
def test_every_layer_that_is_such_a_function_is_gone_into(name: str) -> None:
    network = model(lambda m, x: m.conv(m.act(up(x))), act=getattr(nn, name)())
    assert_rewritten(network, "Upsample + Conv2d", *SIZES[:2], forms=["shuffled"])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_function_moves_before_nearest(name: str) -> None:
    network = model(lambda m, x: m.conv(FUNCTIONS[name](m, up(x))), **layers())
    assert_rewritten(network, "Upsample + Conv2d", *SIZES)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_function_moves_before_a_shuffle(name: str) -> None:
    network = model(lambda m, x: m.conv(FUNCTIONS[name](m, F.pixel_shuffle(m.before(x), 2))), **layers(), before=BEFORE)
    text = "PixelShuffle + Conv2d" if name != "dropped" else "Conv2d + PixelShuffle + Conv2d"
    assert_rewritten(network, text, *SIZES, forms=["shuffled"])


BEFORE = nn.Conv2d(4, 16, 1)


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, "bilinear") for name in ("numbers", "per channel", "norm", "plain norm", "dropped")]
    + [("norm", "bicubic")],
)
def test_what_is_affine_moves_before_every_interpolation(name: str, mode: str) -> None:
    network = model(lambda m, x: m.conv(FUNCTIONS[name](m, up(x, mode))), **layers())
    assert_rewritten(network, "Upsample + Conv2d", *SIZES)


@pytest.mark.parametrize(
    "function",
    [
        FUNCTIONS["relu"],
        FUNCTIONS["sigmoid"],
        FUNCTIONS["prelu of many"],
        FUNCTIONS["clamp"],
        FUNCTIONS["reversed division"],
    ],
)
def test_no_other_function_moves_before_bilinear(function: Callable[[Any, Tensor], Tensor]) -> None:
    network = model(lambda m, x: m.conv(function(m, up(x, "bilinear"))), **layers())
    assert_rewritten(network, "Upsample", *SIZES, forms=["shuffled"], some=None)


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: m.group(x),
        lambda m, x: F.softmax(x, 1),
        lambda m, x: x * torch.sigmoid(x),
        lambda m, x: x * x,
        lambda m, x: x + torch.arange(x.shape[3]).to(x),
        lambda m, x: x.flip(1),
        lambda m, x: F.dropout(x, 0.0, True) * x.amax(1, keepdim=True),
        lambda m, x: F.avg_pool2d(x, 3, 1, 1),
    ],
    ids=["group norm", "softmax", "swish by hand", "square", "positions", "channels moved", "maximum", "pool"],
)
def test_what_knows_more_than_a_value_and_its_channel_stays(function: Callable[[Any, Tensor], Tensor]) -> None:
    network = model(lambda m, x: m.conv(function(m, up(x))), group=nn.GroupNorm(2, 4))
    assert_rewritten(network, "Upsample", *SIZES, forms=["shuffled"], some=False)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_function_behind_padding_moves_if_it_keeps_the_padding(value: float) -> None:
    def padded(function: Callable[[Tensor], Tensor]) -> nn.Module:
        return model(lambda m, x: m.conv(function(F.pad(up(x), (1, 2, 0, 1), value=value))))

    keeps = F.gelu if value == 0 else (lambda x: x.clamp(-1, 1))
    assert_rewritten(padded(keeps), "Upsample + ConstantPad2d + Conv2d", *SIZES, forms=["phases"])
    assert_rewritten(padded(lambda x: torch.sigmoid(x) + 1), "Upsample", *SIZES, forms=["shuffled"], some=False)


def test_a_gate_for_every_channel_moves_with_its_channels() -> None:
    def forward(m: Any, x: Tensor, gate: Tensor) -> Any:
        return m.conv(torch.cat([gate.expand(-1, -1, 2 * x.shape[2], 2 * x.shape[3])[:, :2], up(x) * gate], 1))

    sizes = (((2, 4, 5, 6), (2, 4, 1, 1)), ((1, 4, 3, 4), (1, 4, 1, 1)))
    network = model(forward, nn.Conv2d(6, 3, 3, padding=1))
    assert_rewritten(network, "cat(Upsample, other) + Conv2d", *sizes)
    gated = model(lambda m, x, gate: m.conv(torch.cat([up(x), up(x)], 1) * gate), nn.Conv2d(8, 3, 3, padding=1))
    wider = (((2, 4, 5, 6), (2, 8, 1, 1)), ((1, 4, 3, 4), (1, 8, 1, 1)))
    assert_rewritten(gated, "cat(Upsample, Upsample) + Conv2d", *wider)
