"""Convolutions of values side by side, some of them upsampled: any order, any number, any layers around."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.upsample.rewriting.checking import ALL, FEW, assert_rewritten, model, up

SIZES = (((2, 4, 5, 6), (2, 4, 10, 12)), ((1, 4, 3, 4), (1, 4, 6, 8)), ((2, 4, 1, 1), (2, 4, 2, 2)))
TWO = (((2, 4, 4, 6), (2, 4, 2, 3)), ((1, 4, 6, 2), (1, 4, 3, 1)), ((2, 4, 2, 2), (2, 4, 1, 1)))


def conv(channels: int, **settings: Any) -> nn.Conv2d:
    return nn.Conv2d(channels, 3, 3, **{"padding": 1, **settings})


@pytest.mark.parametrize(
    ("join", "channels", "text"),
    [
        (lambda u, k: torch.cat([u, k], 1), 8, "cat(Upsample, other) + Conv2d"),
        (lambda u, k: torch.cat([k, u], 1), 8, "cat(Upsample, other) + Conv2d"),
        (lambda u, k: torch.cat([k, u], dim=-3), 8, "cat(Upsample, other) + Conv2d"),
        (lambda u, k: torch.concat([k, u, k[:, :2]], 1), 10, "cat(Upsample, other, other) + Conv2d"),
        (lambda u, k: torch.cat([torch.cat([k, u], 1), k], 1), 12, "cat(Upsample, other, other) + Conv2d"),
        (lambda u, k: F.relu(torch.cat([k, F.silu(u)], 1)), 8, "cat(Upsample, other) + Conv2d"),
    ],
    ids=["first", "last", "negative axis", "three", "nested", "functions"],
)
def test_the_order_does_not_matter(join: Callable[..., Tensor], channels: int, text: str) -> None:
    network = model(lambda m, x, k: m.conv(join(up(x), k)), conv(channels))
    assert_rewritten(network, text, *SIZES, forms=ALL if channels == 12 else FEW)


@pytest.mark.parametrize("modes", [("nearest", "nearest"), ("bilinear", "nearest"), ("bilinear", "bicubic")])
def test_several_may_be_upsampled_by_other_factors(modes: tuple[str, str]) -> None:
    network = model(lambda m, x, y: m.conv(torch.cat([up(x, modes[0]), up(y, modes[1], 4)], 1)), conv(8))
    assert_rewritten(network, "cat(Upsample, Upsample) + Conv2d", *TWO, forms=["shuffled"])


def test_two_and_a_skip() -> None:
    def forward(m: Any, x: Tensor, y: Tensor) -> Any:
        return m.conv(torch.cat([up(x), up(x).mul(0.5)[:, :1], up(y, scale=4)], 1))

    network = model(forward, conv(9))
    # A slice of what is upsampled is nothing that is gone through.
    assert_rewritten(network, ["Upsample", "cat(Upsample, Upsample, other) + Conv2d"], *TWO)


@pytest.mark.parametrize("form", ALL)
def test_the_same_value_may_stand_there_twice(form: str) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        u = up(x)
        return m.conv(torch.cat([u, u], 1))

    network = model(forward, conv(8))
    sizes = (((2, 4, 5, 6),), ((1, 4, 3, 2),))
    assert_rewritten(network, "cat(Upsample, Upsample) + Conv2d", *sizes, forms=[form], some=None)


@pytest.mark.parametrize("grows", ["transposed", "shuffle"])
def test_layers_that_grow_may_stand_beside_a_skip(grows: str) -> None:
    def forward(m: Any, x: Tensor, k: Tensor) -> Any:
        made = m.up(x) if grows == "transposed" else F.pixel_shuffle(m.up(x), 2)
        return m.conv(torch.cat([made, k], 1))

    layer = nn.ConvTranspose2d(4, 4, 4, 2, 1) if grows == "transposed" else nn.Conv2d(4, 16, 3, padding=1)
    text = "ConvTranspose2d" if grows == "transposed" else "Conv2d + PixelShuffle"
    assert_rewritten(model(forward, conv(8), up=layer), f"cat({text}, other) + Conv2d", *SIZES)


@pytest.mark.parametrize(
    "settings",
    [{"dilation": 2, "padding": 2}, {"padding_mode": "circular"}, {"padding": "same"}, {"padding": 0}, {"bias": False}],
    ids=str,
)
def test_the_convolution_may_have_any_settings_but_groups(settings: dict[str, Any]) -> None:
    network = model(lambda m, x, k: m.conv(torch.cat([up(x), k], 1)), conv(8, **settings))
    pads = " + CircularPad2d" if "padding_mode" in settings else ""
    sizes = SIZES[:2] if settings.get("padding") == 0 else SIZES
    assert_rewritten(network, f"cat(Upsample{pads}, other) + Conv2d", *sizes)


def test_with_groups_the_upsampler_is_by_itself() -> None:
    network = model(lambda m, x, k: m.conv(torch.cat([up(x), k], 1)), nn.Conv2d(8, 4, 3, padding=1, groups=2))
    assert_rewritten(network, "Upsample", *SIZES, forms=["shuffled"], some=False)
