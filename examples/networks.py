"""Public networks, written from their papers' definitions, whose upsamplers are rewritten by ``rewrite_networks.py``.

Only their shapes matter here; weights are random.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees all features before it, added to the input with weight 0.2."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        grown = [features + number * growth for number in range(5)]
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, growth if number < 4 else features, 3, padding=1)
            for number, channels in enumerate(grown)
        )

    def forward(self, input: Tensor) -> Tensor:
        features = [input]
        for conv in self.convs[:4]:
            features.append(F.leaky_relu(conv(torch.cat(features, 1)), 0.2))
        return input + 0.2 * self.convs[4](torch.cat(features, 1))


class ResidualInResidual(nn.Module):
    """Three dense blocks, added to the input with weight 0.2."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(features, growth) for _ in range(3)))

    def forward(self, input: Tensor) -> Tensor:
        return input + 0.2 * self.blocks(input)


class RRDBNet(nn.Module):
    """ESRGAN's generator, ×4 by two stages of nearest + convolution (Wang et al., ECCV Workshops 2018).

    Args:
        blocks: 23 in the paper.
        features, growth: channels of the trunk, and of a dense block's convolutions.
    """

    def __init__(self, blocks: int = 23, features: int = 64, growth: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, features, 3, padding=1)
        self.trunk = nn.Sequential(*(ResidualInResidual(features, growth) for _ in range(blocks)))
        self.trunk_conv = nn.Conv2d(features, features, 3, padding=1)
        self.up1 = nn.Conv2d(features, features, 3, padding=1)
        self.up2 = nn.Conv2d(features, features, 3, padding=1)
        self.full_resolution = nn.Conv2d(features, features, 3, padding=1)
        self.last = nn.Conv2d(features, 3, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        features = self.first(input)
        features = features + self.trunk_conv(self.trunk(features))
        features = F.leaky_relu(self.up1(F.interpolate(features, scale_factor=2, mode="nearest")), 0.2)
        features = F.leaky_relu(self.up2(F.interpolate(features, scale_factor=2, mode="nearest")), 0.2)
        output: Tensor = self.last(F.leaky_relu(self.full_resolution(features), 0.2))
        return output


class ResidualBlock(nn.Module):
    """Two convolutions without normalisation, added to the input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = input + self.second(F.relu(self.first(input)))
        return output


class EDSR(nn.Module):
    """EDSR's baseline, ×4 by two sub-pixel stages and a last convolution (Lim et al., CVPR Workshops 2017).

    Args:
        blocks: 16 in the paper's baseline.
        features: 64 there.
    """

    def __init__(self, blocks: int = 16, features: int = 64) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, features, 3, padding=1)
        body = [*(ResidualBlock(features) for _ in range(blocks)), nn.Conv2d(features, features, 3, padding=1)]
        self.body = nn.Sequential(*body)
        stages = [
            layer for _ in range(2) for layer in (nn.Conv2d(features, 4 * features, 3, padding=1), nn.PixelShuffle(2))
        ]
        self.tail = nn.Sequential(*stages, nn.Conv2d(features, 3, 3, padding=1))

    def forward(self, input: Tensor) -> Tensor:
        features = self.head(input)
        output: Tensor = self.tail(features + self.body(features))
        return output


class FSRCNN(nn.Module):
    """FSRCNN on the luma channel, ×3 by a 9×9 transposed convolution (Dong et al., ECCV 2016).

    Args:
        features, shrunk, maps: d, s and m of the paper.
        scale: the transposed convolution's stride.
    """

    def __init__(self, features: int = 56, shrunk: int = 12, maps: int = 4, scale: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, features, 5, padding=2), nn.PReLU(features)]
        layers += [nn.Conv2d(features, shrunk, 1), nn.PReLU(shrunk)]
        for _ in range(maps):
            layers += [nn.Conv2d(shrunk, shrunk, 3, padding=1), nn.PReLU(shrunk)]
        layers += [nn.Conv2d(shrunk, features, 1), nn.PReLU(features)]
        self.layers = nn.Sequential(*layers)
        self.deconvolution = nn.ConvTranspose2d(features, 1, 9, scale, 4, scale - 1)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.deconvolution(self.layers(input))
        return output


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two convolutions with ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """U-Net (Ronneberger et al., MICCAI 2015), padded, with bilinear + convolution (Odena et al., 2016) to go up.

    Args:
        features: channels of the first level; they double with each.
        levels: how often the size is halved.
        classes: channels of the output.
    """

    def __init__(self, features: int = 32, levels: int = 3, classes: int = 2) -> None:
        super().__init__()
        widths = [features * 2**level for level in range(levels + 1)]
        self.down = nn.ModuleList(
            double_conv(before, after) for before, after in zip([3, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.Conv2d(2 * width, width, 3, padding=1),
            )
            for width in reversed(widths[:-1])
        )
        self.merge = nn.ModuleList(double_conv(2 * width, width) for width in reversed(widths[:-1]))
        self.classify = nn.Conv2d(features, classes, 1)

    def forward(self, input: Tensor) -> Tensor:
        features, skips = self.down[0](input), []
        for down in self.down[1:]:
            skips.append(features)
            features = down(F.max_pool2d(features, 2))
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            features = merge(torch.cat([skip, up(features)], 1))
        output: Tensor = self.classify(features)
        return output
