"""Networks that go down and up again, with a skip at every level: four U-nets and LinkNet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.zoo.encoders import ResNet, resnet18, resnet34
from examples.zoo.entry import Entry, sizes


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


class ConvNormReLU(nn.Sequential):
    """A 3×3 convolution, batch normalisation and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class NearestLevel(nn.Module):
    """One level up: nearest ×2, concatenated with the skip where there is one, and two convolutions."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNormReLU(in_channels + skip_channels, out_channels)
        self.conv2 = ConvNormReLU(out_channels, out_channels)

    def forward(self, input: Tensor, skip: Tensor | None = None) -> Tensor:
        x = F.interpolate(input, scale_factor=2, mode="nearest")
        if skip is not None:
            x = torch.cat([x, skip], dim=1)
        x = self.conv1(x)
        output: Tensor = self.conv2(x)
        return output


class NearestUNet(nn.Module):
    """U-Net (Ronneberger et al., MICCAI 2015) with nearest + concatenation to go up behind a residual network.

    The decoder is that of Segmentation Models (Iakubovskii, 2019). Sizes are multiples of 32.

    Args:
        encoder: features at 1/2 to 1/32 of the size.
        widths: channels of the decoder's levels.
        classes: channels of the output.
    """

    def __init__(self, encoder: ResNet, widths: Sequence[int] = (256, 128, 64, 32, 16), classes: int = 1) -> None:
        super().__init__()
        self.encoder = encoder
        *skips, deepest = encoder.channels
        self.blocks = nn.ModuleList(
            NearestLevel(before, skip, after)
            for before, skip, after in zip([deepest, *widths], [*reversed(skips), 0], widths, strict=False)
        )
        self.head = nn.Conv2d(widths[-1], classes, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        features = self.encoder(input)[::-1]
        x, skips = features[0], features[1:]
        for level, block in enumerate(self.blocks):
            skip = skips[level] if level < len(skips) else None
            x = block(x, skip)
        output: Tensor = self.head(x)
        return output


class DoubleConv(nn.Sequential):
    """Two convolutions, each with batch normalisation and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, mid_channels: int | None = None) -> None:
        mid_channels = mid_channels or out_channels
        super().__init__(*ConvNormReLU(in_channels, mid_channels), *ConvNormReLU(mid_channels, out_channels))


class PaddedUp(nn.Module):
    """Bilinear with aligned corners or transposed, padded to the skip's size, concatenated, and convolved twice."""

    def __init__(self, in_channels: int, out_channels: int, bilinear: bool) -> None:
        super().__init__()
        self.up: nn.Module
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(in_channels, out_channels, in_channels // 2)
        else:
            self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
            self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        below = self.up(below)
        rows = skip.size()[2] - below.size()[2]
        columns = skip.size()[3] - below.size()[3]
        below = F.pad(below, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        output: Tensor = self.conv(torch.cat([skip, below], dim=1))
        return output


class PaddedUNet(nn.Module):
    """U-Net (Ronneberger et al., MICCAI 2015) as in Pytorch-UNet (milesial, 2017): for images of any size.

    Args:
        features: channels of the first level; 64 in the paper.
        classes: channels of the output.
        bilinear: whether it goes up by bilinear with aligned corners, or by transposed convolutions.
    """

    def __init__(self, features: int = 64, classes: int = 1, bilinear: bool = True) -> None:
        super().__init__()
        halved = 2 if bilinear else 1
        widths = [features * 2**level for level in range(5)]
        widths[-1] //= halved
        self.inc = DoubleConv(3, features)
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), DoubleConv(before, after)) for before, after in pairwise(widths)
        )
        ups = [*(width // halved for width in reversed(widths[1:-1])), features]
        self.up = nn.ModuleList(
            PaddedUp(features * 2 ** (4 - level), width, bilinear) for level, width in enumerate(ups)
        )
        self.outc = nn.Conv2d(features, classes, kernel_size=1)

    def forward(self, input: Tensor) -> Tensor:
        skips = [self.inc(input)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.up:
            x = up(x, skips.pop())
        output: Tensor = self.outc(x)
        return output


class LinkBlock(nn.Module):
    """1×1 convolution to a quarter of the channels, transposed 3×3 that doubles the size, and 1×1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        mid_channels = in_channels // 4
        self.conv1 = nn.Conv2d(in_channels, mid_channels, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(mid_channels)
        self.deconv2 = nn.ConvTranspose2d(
            mid_channels, mid_channels, 3, stride=stride, padding=1, output_padding=stride - 1, bias=False
        )
        self.norm2 = nn.BatchNorm2d(mid_channels)
        self.conv3 = nn.Conv2d(mid_channels, out_channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, input: Tensor) -> Tensor:
        x = self.relu(self.norm1(self.conv1(input)))
        x = self.relu(self.norm2(self.deconv2(x)))
        output: Tensor = self.relu(self.norm3(self.conv3(x)))
        return output


class LinkNet(nn.Module):
    """LinkNet (Chaurasia and Culurciello, VCIP 2017): transposed convolutions, and skips that are added.

    Sizes are multiples of 32.

    Args:
        width: channels of the first stage; 64 in the paper.
        classes: channels of the output.
    """

    def __init__(self, width: int = 64, classes: int = 20) -> None:
        super().__init__()
        self.encoder = resnet18(width)
        widths = self.encoder.channels
        self.blocks = nn.ModuleList(
            LinkBlock(before, after, 2 if level < 3 else 1)
            for level, (before, after) in enumerate(pairwise(reversed(widths)))
        )
        half = width // 2
        self.full1 = nn.Sequential(
            nn.ConvTranspose2d(width, half, 3, stride=2, padding=1, output_padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
        )
        self.conv2 = ConvNormReLU(half, half)
        self.full3 = nn.ConvTranspose2d(half, classes, 2, stride=2)

    def forward(self, input: Tensor) -> Tensor:
        _, *skips, x = self.encoder(input)
        for block, skip in zip(self.blocks, reversed(skips), strict=False):
            x = block(x) + skip
        x = self.blocks[-1](x)
        output: Tensor = self.full3(self.conv2(self.full1(x)))
        return output


EXAMPLE, OTHERS = sizes(3, (32, 48), (24, 16), (40, 32))
ANY, OTHER_ANY = sizes(3, (36, 40), (33, 47), (50, 35))
MULTIPLES, OTHER_MULTIPLES = sizes(3, (64, 96), (96, 64), (32, 128))

ENTRIES: dict[str, Entry] = {
    "UNet": Entry(
        lambda: UNet(4, 2), EXAMPLE, OTHERS, "Ronneberger et al., MICCAI 2015; Odena et al., 2016", full=UNet
    ),
    "UNet, nearest + concatenation": Entry(
        lambda: NearestUNet(resnet34(8), (16, 8, 8, 4, 4)),
        MULTIPLES,
        OTHER_MULTIPLES,
        "Ronneberger et al., MICCAI 2015; Iakubovskii, Segmentation Models, 2019",
        full=lambda: NearestUNet(resnet34()),
    ),
    "UNet, bilinear + concatenation": Entry(
        lambda: PaddedUNet(4),
        ANY,
        OTHER_ANY,
        "Ronneberger et al., MICCAI 2015; milesial, Pytorch-UNet, 2017",
        full=PaddedUNet,
    ),
    "UNet, transposed + concatenation": Entry(
        lambda: PaddedUNet(4, bilinear=False),
        ANY,
        OTHER_ANY,
        "Ronneberger et al., MICCAI 2015; milesial, Pytorch-UNet, 2017",
        full=lambda: PaddedUNet(bilinear=False),
    ),
    "LinkNet": Entry(
        lambda: LinkNet(16, 3), MULTIPLES, OTHER_MULTIPLES, "Chaurasia and Culurciello, VCIP 2017", full=LinkNet
    ),
}
"""At small widths, and as published."""
