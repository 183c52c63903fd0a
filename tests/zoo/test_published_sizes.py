"""The zoo's own networks at their published widths have as many parameters as published."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from examples.zoo import OWN
from examples.zoo.encoders import resnet101
from examples.zoo.segmentation import DeepLabV3, SegFormerHead


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def full(name: str) -> nn.Module:
    """A network at its published width, without memory for its weights."""
    make = OWN[name].full
    assert make is not None
    with torch.device("meta"):
        return make()


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("RRDBNet", 16_697_987),
        ("EDSR", 1_517_571),
        ("SRVGGNet", 621_424),
        ("RealCUGAN", 1_284_598),
        ("UNet, nearest + concatenation", 24_436_369),
        ("UNet, bilinear + concatenation", 17_262_977),
        ("UNet, transposed + concatenation", 31_037_633),
        ("DCGAN", 3_576_704),
        ("StyleGAN2", 30_370_060),
    ],
)
def test_a_network_has_the_published_size(name: str, published: int) -> None:
    """Of released weights, or of the public code where these are not.

    ESRGAN's generator; EDSR's baseline ×4; Real-ESRGAN's weights for anime videos; Real-CUGAN ×2; Segmentation Models'
    U-Net behind ResNet-34 for one class; Pytorch-UNet's two for one class; PyTorch's tutorial of DCGAN; StyleGAN2's
    configuration F for 1024×1024 with its mapping.
    """
    assert count(full(name)) == published


def test_fsrcnn_has_the_published_weights() -> None:
    """FSRCNN(56, 12, 4) is given without biases and slopes."""
    assert sum(parameter.numel() for parameter in full("FSRCNN").parameters() if parameter.dim() == 4) == 12_464


def test_linknet_has_the_published_size() -> None:
    """The paper says 11.5 million."""
    assert round(count(full("LinkNet")) / 1e6, 1) == 11.5


AUXILIARY = 1024 * 256 * 9 + 2 * 256 + 256 * 21 + 21
"""Of the second classifier that torchvision's DeepLabV3 has for training alone."""


def test_deeplabv3_has_the_published_size() -> None:
    """Torchvision gives the sizes of its weights for 21 classes, behind ResNet-50 and ResNet-101."""
    assert count(full("DeepLabV3")) == 42_004_074 - AUXILIARY
    with torch.device("meta"):
        assert count(DeepLabV3(resnet101(dilated=2))) == 60_996_202 - AUXILIARY


def test_deeplabv3_plus_is_deeplabv3_with_a_decoder() -> None:
    """The paper's decoder: 48 channels of the first stage's 256, and a further convolution of both."""
    convolution = 256 * 256 * 9 + 2 * 256
    decoder = (256 * 48 + 2 * 48) + ((256 + 48) * 256 * 9 + 2 * 256) + convolution
    assert count(full("DeepLabV3Plus")) == 60_996_202 - AUXILIARY - convolution + decoder


@pytest.mark.parametrize(
    ("widths", "embedding", "millions"),
    [((32, 64, 160, 256), 256, 0.4), ((64, 128, 320, 512), 256, 0.6), ((64, 128, 320, 512), 768, 3.3)],
    ids=["B0", "B1", "B5"],
)
def test_segformers_head_has_the_published_size(widths: tuple[int, ...], embedding: int, millions: float) -> None:
    """The paper gives the decoder's parameters for ADE20K's 150 classes."""
    with torch.device("meta"):
        assert round(count(SegFormerHead(widths, embedding)) / 1e6, 1) == millions
