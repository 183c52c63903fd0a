"""The zoo's own networks compute what the public code of the same networks computes with the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.zoo.cugan import RealCUGAN
from examples.zoo.encoders import resnet34, resnet50
from examples.zoo.generators import ModulatedConv, fir, zeros_between_and_filtered
from examples.zoo.package import installed, module
from examples.zoo.segmentation import DeepLabV3, PanopticFPN, SegFormerHead
from examples.zoo.super_resolution import RRDBNet, SRVGGNet, SwinIRTail
from examples.zoo.unets import NearestUNet
from tests.zoo.comparison import apart

of_other_packages = [pytest.mark.zoo, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def package(name: str) -> Any:
    """A module of another package, which must be there."""
    root = name.partition(".")[0]
    if not installed(root):
        pytest.skip(f"{root}, whose network is the one to compare with, is not installed.")
    return module(name)


def with_weights_of(ours: nn.Module, theirs: nn.Module) -> None:
    """Give our network the other's weights, tensor by tensor in their order, whatever their names."""
    before, after = theirs.state_dict(), ours.state_dict()
    assert [tuple(each.shape) for each in before.values()] == [tuple(each.shape) for each in after.values()]
    ours.load_state_dict(dict(zip(after, before.values(), strict=True)))


def assert_same(ours: nn.Module, theirs: nn.Module, input: Tensor) -> None:
    with_weights_of(ours, theirs)
    with torch.no_grad():
        expected = theirs.double().eval()(input.double())
        actual = ours.double().eval()(input.double())
    expected = expected["out"] if isinstance(expected, dict) else expected
    assert apart(expected, actual) <= 1e-10


class TestOtherPackages:
    pytestmark = of_other_packages

    def test_rrdbnet(self) -> None:
        theirs = package("spandrel.architectures.ESRGAN").ESRGAN(num_filters=8, num_blocks=2)
        assert_same(RRDBNet(2, 8, 32), theirs, torch.rand(1, 3, 12, 14))

    def test_srvggnet(self) -> None:
        theirs = package("spandrel.architectures.Compact").Compact(num_feat=8, num_conv=3)
        assert_same(SRVGGNet(8, 3), theirs, torch.rand(1, 3, 12, 14))

    @pytest.mark.parametrize("size", [(24, 28), (21, 28), (24, 27)])
    def test_real_cugan(self, size: tuple[int, int]) -> None:
        theirs = package("spandrel.architectures.RealCUGAN.__arch.upcunet_v3").UpCunet2x()
        assert_same(RealCUGAN(), theirs, torch.rand(1, 3, *size))

    @pytest.mark.parametrize(
        ("upsampler", "scale"),
        [
            ("pixelshuffle", 4),
            ("pixelshuffle", 3),
            ("pixelshuffledirect", 2),
            ("nearest+conv", 4),
        ],
    )
    def test_swinirs_ends(self, upsampler: Any, scale: int) -> None:
        """Behind no body on either side; what is left of theirs has the same names."""
        theirs = package("spandrel.architectures.SwinIR").SwinIR(
            img_size=16,
            embed_dim=12,
            depths=[1],
            num_heads=[2],
            window_size=8,
            upscale=scale,
            img_range=1.0,
            upsampler=upsampler,
        )
        theirs.forward_features = lambda features: features
        ours = SwinIRTail(upsampler, scale, 12, 64, blocks=0)
        weights = theirs.state_dict()
        ours.load_state_dict({name: weights[name] for name in ours.state_dict()})
        ends = ("patch_embed", "layers", "norm")
        assert {name for name in weights if not name.startswith(ends)} == set(ours.state_dict())
        for size in ((16, 24), (13, 19)):
            input = torch.rand(1, 3, *size)
            with torch.no_grad():
                assert apart(theirs.eval()(input), ours.eval()(input)) <= 1e-5

    def test_unet_with_nearest_and_concatenation(self) -> None:
        theirs = package("segmentation_models_pytorch").Unet("resnet34", encoder_weights=None)
        assert_same(NearestUNet(resnet34()), theirs, torch.rand(1, 3, 64, 96))

    def test_deeplabv3(self) -> None:
        theirs = package("torchvision.models.segmentation").deeplabv3_resnet50(
            weights=None, weights_backbone=None, num_classes=21
        )
        assert_same(DeepLabV3(resnet50(dilated=2)), theirs, torch.rand(1, 3, 65, 64))

    def test_the_feature_pyramid(self) -> None:
        channels = [8, 16, 32, 64]
        ours = PanopticFPN(resnet34(8), 24, 8)
        theirs = package("torchvision.ops").FeaturePyramidNetwork(channels, 24)
        features = [torch.rand(1, each, 32 // 2**level, 48 // 2**level) for level, each in enumerate(channels)]
        for level, lateral in enumerate([ours.p5, *(each.get_submodule("skip_conv") for each in ours.laterals)]):
            lateral.load_state_dict(theirs.inner_blocks[3 - level][0].state_dict())
            ours.smooth[level].load_state_dict(theirs.layer_blocks[3 - level][0].state_dict())
        with torch.no_grad():
            expected = list(theirs(dict(enumerate(features))).values())
            actual = ours.pyramid(features)
        for one, other in zip(reversed(expected), actual, strict=True):
            assert apart(one, other) <= 1e-5

    def test_segformers_head(self) -> None:
        transformers = package("transformers")
        configuration = transformers.SegformerConfig(hidden_sizes=[4, 8, 12, 16], decoder_hidden_size=8, num_labels=5)
        modelling = package("transformers.models.segformer.modeling_segformer")
        theirs = modelling.SegformerDecodeHead(configuration)
        ours = SegFormerHead((4, 8, 12, 16), 8, 5)
        with_weights_of(ours, theirs)
        features = [torch.rand(2, each, 16 // 2**level, 24 // 2**level) for level, each in enumerate((4, 8, 12, 16))]
        with torch.no_grad():
            assert apart(theirs.eval()(features), ours.eval()(features)) <= 1e-5


def styles_and_weights(conv: ModulatedConv, latent: Tensor) -> Iterator[Tensor]:
    """The weights of every image: modulated, and demodulated to one in all that a channel sums."""
    for style in conv.affine(latent):
        weight = conv.weight * conv.scale * style[None, :, None, None]
        yield weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()


@pytest.mark.parametrize("up", [False, True])
def test_stylegan2_modulates_weights(up: bool) -> None:
    """The paper's definition, image by image; ×2 is convolving between zeros, and the filter."""
    conv = ModulatedConv(4, 6, 3, 5, up).double()
    input, latent = torch.randn(3, 4, 7, 8).double(), torch.randn(3, 5).double()
    with torch.no_grad():
        for image, weight, actual in zip(input, styles_and_weights(conv, latent), conv(input, latent), strict=True):
            if not up:
                expected = F.conv2d(image, weight, padding=1)
            else:
                stuffed = torch.zeros(4, 15, 17).double()
                stuffed[:, 1:14:2, 1:16:2] = image
                convolved = F.conv2d(F.pad(stuffed, (1, 1, 1, 1)), weight.flip(2, 3))
                taps = 4 * fir().double()[None, None].repeat(6, 1, 1, 1)
                expected = F.conv2d(F.pad(convolved, (1, 1, 1, 1)), taps, groups=6)
            assert apart(expected, actual) <= 1e-6


def test_stylegan2_enlarges_an_image_by_quarters() -> None:
    """(1, 3, 3, 1) / 4 between zeros: every pixel is three quarters of the nearest and a quarter of the next."""
    row = torch.rand(1, 1, 1, 9)
    made = zeros_between_and_filtered(row.expand(1, 1, 9, 9), fir() * 4, up=2, pad=(2, 1))[0, 0, 8]
    row = row[0, 0, 0]
    torch.testing.assert_close(made[2:-2:2], 0.75 * row[1:-1] + 0.25 * row[:-2])
    torch.testing.assert_close(made[3:-1:2], 0.75 * row[1:-1] + 0.25 * row[2:])
