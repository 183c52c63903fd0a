"""Layers between and beside: padding of every kind, a blur, 1×1 convolutions, every mode and factor."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.upsample.rewriting.checking import ALL, FEW, assert_rewritten, model, up

SIZES = (((2, 4, 5, 6),), ((1, 4, 3, 4),), ((2, 4, 1, 1),))
LARGER = SIZES[:2]
"""Where torch itself refuses to pad a single pixel."""

PADS: list[tuple[str, nn.Module]] = [
    ("ReflectionPad2d", nn.ReflectionPad2d((1, 2, 1, 0))),
    ("ReplicationPad2d", nn.ReplicationPad2d((1, 2, 3, 0))),
    ("CircularPad2d", nn.CircularPad2d(1)),
    ("ConstantPad2d", nn.ZeroPad2d((1, 2, 0, 1))),
    ("ConstantPad2d", nn.ConstantPad2d((1, 2, 0, 1), 0.7)),
    ("ConstantPad2d", nn.ConstantPad2d((-1, 2, 3, -2), 0.0)),
]


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize(("text", "pad"), PADS, ids=lambda each: str(each))
def test_padding_before_the_convolution_is_a_part_of_it(text: str, pad: nn.Module, mode: str) -> None:
    network = model(lambda m, x: m.conv(m.pad(up(x, mode))), nn.Conv2d(4, 3, 3), pad=pad)
    sizes = SIZES if text in ("ReplicationPad2d", "ConstantPad2d") and "-1" not in str(pad) else LARGER
    if text == "CircularPad2d":
        # Torch makes it of copies, in which no padding is seen.
        assert_rewritten(network, "Upsample", *sizes, forms=["shuffled"], some=None)
    else:
        forms = ALL if text == "ReflectionPad2d" and mode == "nearest" else FEW
        assert_rewritten(network, f"Upsample + {text} + Conv2d", *sizes, forms=forms)


@pytest.mark.parametrize("padding_mode", ["reflect", "replicate", "circular"])
def test_the_convolution_may_pad_by_itself(padding_mode: str) -> None:
    conv = nn.Conv2d(4, 3, 3, padding=1, padding_mode=padding_mode)
    network = model(lambda m, x: m.conv(up(x)), conv)
    kinds = {"reflect": "ReflectionPad2d", "replicate": "ReplicationPad2d", "circular": "CircularPad2d"}
    assert_rewritten(network, f"Upsample + {kinds[padding_mode]} + Conv2d", *LARGER)


class Blur(nn.Module):
    """As in StyleGAN: every channel is smoothed by the same kernel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        kernel = torch.tensor([1.0, 2.0, 1.0])
        kernel = kernel[:, None] * kernel / 16
        self.register_buffer("kernel", kernel.repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel, padding=1, groups=self.kernel.shape[0])


def test_a_blur_may_stand_before_the_convolution() -> None:
    network = model(lambda m, x: m.conv(m.blur(up(x))), blur=Blur(4))
    assert_rewritten(network, "Upsample + Conv2d + Conv2d", *SIZES, forms=["shuffled", "transposed", "phases"])
    joined = model(lambda m, x: m.conv(torch.cat([m.blur(up(x)), up(x)], 1)), nn.Conv2d(8, 3, 3), blur=Blur(4))
    # The blur is a convolution after an upsampler, too, and the first of them.
    assert_rewritten(joined, ["Upsample + Conv2d", "cat(Upsample, other) + Conv2d"], *LARGER)


@pytest.mark.parametrize("conv", [nn.Conv2d(4, 3, 3, padding=1), nn.ConvTranspose2d(4, 3, 3, 2, 1, 1)], ids=["up", "t"])
def test_a_blur_may_stand_after_it(conv: nn.Module) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return m.blur(m.conv(up(x) if isinstance(m.conv, nn.Conv2d) else x))

    first = "Upsample + Conv2d" if isinstance(conv, nn.Conv2d) else "ConvTranspose2d"
    network = model(forward, conv, blur=Blur(3))
    assert_rewritten(network, f"{first} + Conv2d", *SIZES, forms=["shuffled", "transposed", "phases"])


@pytest.mark.parametrize("scale", [2, 3, 1.5, 2.7])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_a_convolution_of_one_pixel_may_come_before_any_interpolation(mode: str, scale: float) -> None:
    network = model(lambda m, x: m.conv(up(x, mode, scale)), nn.Conv2d(4, 2, 1))
    assert_rewritten(network, "Upsample + Conv2d", *SIZES, forms=["mixed_first"])


@pytest.mark.parametrize(
    "arguments",
    [
        {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
        {"scale_factor": 1.5, "mode": "bicubic", "align_corners": True},
        {"scale_factor": (1.5, 2.5), "mode": "nearest", "recompute_scale_factor": True},
        {"scale_factor": 1.4, "mode": "bilinear", "recompute_scale_factor": True},
        {"size": (9, 13), "mode": "bilinear"},
    ],
    ids=str,
)
def test_whatever_the_call_says_is_what_it_does(arguments: dict[str, Any]) -> None:
    network = model(lambda m, x: m.conv(F.interpolate(x, **arguments)))
    assert_rewritten(network, "Upsample + Conv2d", *SIZES, forms=["mixed_first"], some=None)


@pytest.mark.parametrize("groups", [2, 4])
def test_convolutions_with_groups_are_sites_as_well(groups: int) -> None:
    network = model(lambda m, x: m.point(m.conv(up(x))), nn.Conv2d(4, 4, 3, 1, 1, 1, groups), point=nn.Conv2d(4, 6, 1))
    assert_rewritten(network, "Upsample + Conv2d + Conv2d", *SIZES, forms=["shuffled", "transposed"], some=None)
