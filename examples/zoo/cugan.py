"""Real-CUGAN ×2 (Bilibili AI Lab, 2022): two U-nets that lose their margins, the first of which doubles the size.

Its weights are public and no paper is; the network goes back to waifu2x's UpCUNet (nagadomi, 2018).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.zoo.entry import Entry, sizes


class SqueezeExcite(nn.Module):
    """Channels weighed by what is in the whole image (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels // reduction, 1, 1, 0, bias=True)
        self.conv2 = nn.Conv2d(channels // reduction, channels, 1, 1, 0, bias=True)

    def forward(self, input: Tensor) -> Tensor:
        if "Half" in input.type():
            weight = torch.mean(input.float(), dim=(2, 3), keepdim=True).half()
        else:
            weight = torch.mean(input, dim=(2, 3), keepdim=True)
        weight = F.relu(self.conv1(weight), inplace=True)
        return torch.mul(input, torch.sigmoid(self.conv2(weight)))


class ValidConvs(nn.Module):
    """Two convolutions without padding, ``(N, C, H, W)`` to ``(N, C', H - 4, W - 4)``."""

    def __init__(self, in_channels: int, mid_channels: int, out_channels: int, excite: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, 3, 1, 0),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(mid_channels, out_channels, 3, 1, 0),
            nn.LeakyReLU(0.1, inplace=True),
        )
        self.seblock = SqueezeExcite(out_channels) if excite else None

    def forward(self, input: Tensor) -> Tensor:
        features: Tensor = self.conv(input)
        if self.seblock is not None:
            features = self.seblock(features)
        return features


def bottom(features: int, out_channels: int, doubled: bool) -> nn.Module:
    """The last layer of a U-net: a transposed convolution that doubles the size, or a convolution that does not."""
    if doubled:
        return nn.ConvTranspose2d(features, out_channels, 4, 2, 3)
    return nn.Conv2d(features, out_channels, 3, 1, 0)


class ShallowUNet(nn.Module):
    """One level down and up: ``(N, 3, H, W)`` to ``(N, 3, 2H - 36, 2W - 36)`` where the size is doubled.

    Args:
        features: 64 in the public weights.
        doubled: whether its last layer doubles the size.
    """

    def __init__(self, features: int, doubled: bool) -> None:
        super().__init__()
        self.conv1 = ValidConvs(3, features // 2, features, False)
        self.conv1_down = nn.Conv2d(features, features, 2, 2, 0)
        self.conv2 = ValidConvs(features, 2 * features, features, True)
        self.conv2_up = nn.ConvTranspose2d(features, features, 2, 2, 0)
        self.conv3 = nn.Conv2d(features, features, 3, 1, 0)
        self.conv_bottom = bottom(features, 3, doubled)

    def forward(self, input: Tensor) -> Tensor:
        first = self.conv1(input)
        second = F.leaky_relu(self.conv1_down(first), 0.1, inplace=True)
        second = self.conv2(second)
        second = F.leaky_relu(self.conv2_up(second), 0.1, inplace=True)
        first = F.pad(first, (-4, -4, -4, -4))
        third = F.leaky_relu(self.conv3(first + second), 0.1, inplace=True)
        output: Tensor = self.conv_bottom(third)
        return output


class DeepUNet(nn.Module):
    """Two levels down and up: ``(N, 3, H, W)`` to ``(N, 3, H - 40, W - 40)`` where the size is not doubled.

    Args:
        features: 64 in the public weights.
        doubled: whether its last layer doubles the size.
    """

    def __init__(self, features: int, doubled: bool) -> None:
        super().__init__()
        self.conv1 = ValidConvs(3, features // 2, features, False)
        self.conv1_down = nn.Conv2d(features, features, 2, 2, 0)
        self.conv2 = ValidConvs(features, features, 2 * features, True)
        self.conv2_down = nn.Conv2d(2 * features, 2 * features, 2, 2, 0)
        self.conv3 = ValidConvs(2 * features, 4 * features, 2 * features, True)
        self.conv3_up = nn.ConvTranspose2d(2 * features, 2 * features, 2, 2, 0)
        self.conv4 = ValidConvs(2 * features, features, features, True)
        self.conv4_up = nn.ConvTranspose2d(features, features, 2, 2, 0)
        self.conv5 = nn.Conv2d(features, features, 3, 1, 0)
        self.conv_bottom = bottom(features, 3, doubled)

    def forward(self, input: Tensor) -> Tensor:
        first = self.conv1(input)
        second = F.leaky_relu(self.conv1_down(first), 0.1, inplace=True)
        second = self.conv2(second)
        third = F.leaky_relu(self.conv2_down(second), 0.1, inplace=True)
        third = self.conv3(third)
        third = F.leaky_relu(self.conv3_up(third), 0.1, inplace=True)
        second = F.pad(second, (-4, -4, -4, -4))
        fourth = self.conv4(second + third)
        fourth = F.leaky_relu(self.conv4_up(fourth), 0.1, inplace=True)
        first = F.pad(first, (-16, -16, -16, -16))
        fifth = F.leaky_relu(self.conv5(first + fourth), 0.1, inplace=True)
        output: Tensor = self.conv_bottom(fifth)
        return output


class RealCUGAN(nn.Module):
    """Real-CUGAN ×2: ``(N, 3, H, W)`` to ``(N, 3, 2H, 2W)``, of at least 19 by 19 pixels, as it reflects its margin.

    Args:
        features: 64 in the public weights.
    """

    def __init__(self, features: int = 64) -> None:
        super().__init__()
        self.unet1 = ShallowUNet(features, doubled=True)
        self.unet2 = DeepUNet(features, doubled=False)

    def forward(self, input: Tensor) -> Tensor:
        _, _, height, width = input.shape
        even_height = ((height - 1) // 2 + 1) * 2
        even_width = ((width - 1) // 2 + 1) * 2
        padded = F.pad(input, (18, 18 + even_width - width, 18, 18 + even_height - height), "reflect")
        coarse = self.unet1(padded)
        fine = self.unet2(coarse)
        coarse = F.pad(coarse, (-20, -20, -20, -20))
        output: Tensor = torch.add(coarse, fine)
        if width != even_width or height != even_height:
            output = output[:, :, : height * 2, : width * 2]
        return output


EXAMPLE, OTHERS = sizes(3, (24, 28), (21, 27), (32, 20))

ENTRIES: dict[str, Entry] = {
    "RealCUGAN": Entry(lambda: RealCUGAN(8), EXAMPLE, OTHERS, "Bilibili AI Lab, Real-CUGAN, 2022", full=RealCUGAN),
}
"""At a small width, and as published."""
