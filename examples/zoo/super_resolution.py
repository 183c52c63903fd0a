"""Super-resolution networks, written from their papers' definitions and spelt as their public code spells them."""

from __future__ import annotations

from math import log2
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.zoo.entry import Entry, sizes


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
        output: Tensor = input + 0.2 * self.convs[4](torch.cat(features, 1))
        return output


class ResidualInResidual(nn.Module):
    """Three dense blocks, added to the input with weight 0.2."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(features, growth) for _ in range(3)))

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = input + 0.2 * self.blocks(input)
        return output


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


class SRVGGNet(nn.Module):
    """Real-ESRGAN's compact network: plain convolutions, one sub-pixel stage, added to the enlarged input.

    Wang et al., "Real-ESRGAN", ICCV Workshops 2021; of its weights for anime videos.

    Args:
        features, convs: 64 and 16 there.
        scale: of the output; 4 there.
    """

    def __init__(self, features: int = 64, convs: int = 16, scale: int = 4) -> None:
        super().__init__()
        self.scale = scale
        self.body = nn.ModuleList([nn.Conv2d(3, features, 3, 1, 1), nn.PReLU(features)])
        for _ in range(convs):
            self.body.append(nn.Conv2d(features, features, 3, 1, 1))
            self.body.append(nn.PReLU(features))
        self.body.append(nn.Conv2d(features, 3 * scale**2, 3, 1, 1))
        self.upsampler = nn.PixelShuffle(scale)

    def forward(self, input: Tensor) -> Tensor:
        out: Tensor = input
        for layer in self.body:
            out = layer(out)
        out = self.upsampler(out)
        base = F.interpolate(input, scale_factor=self.scale, mode="nearest")
        out += base
        return out


class Stages(nn.Sequential):
    """Sub-pixel stages of 2, or one of 3, as in EDSR."""

    def __init__(self, scale: int, features: int) -> None:
        layers: list[nn.Module] = []
        if scale & (scale - 1) == 0:
            for _ in range(int(log2(scale))):
                layers += [nn.Conv2d(features, 4 * features, 3, 1, 1), nn.PixelShuffle(2)]
        elif scale == 3:
            layers += [nn.Conv2d(features, 9 * features, 3, 1, 1), nn.PixelShuffle(3)]
        else:
            raise ValueError(f"The scale is 3 or a power of two, not {scale}.")
        super().__init__(*layers)


class SwinIRTail(nn.Module):
    """SwinIR's three ends (Liang et al., ICCV Workshops 2021) behind residual blocks instead of its transformer.

    What is in front does not matter here: the ends are SwinIR's, with its padding to whole windows, its mean, which is
    an attribute and no buffer, and its crop.

    Args:
        upsampler: ``pixelshuffle`` for classical, ``pixelshuffledirect`` for light and ``nearest+conv`` for real-world
            super-resolution.
        scale: of the output.
        embedding, features: channels of the body and of the end; 180 and 64 in the paper, the light one has 60.
        blocks: residual blocks of the body.
        window: whose multiple the size of the features is.
    """

    def __init__(
        self,
        upsampler: Literal["pixelshuffle", "pixelshuffledirect", "nearest+conv"],
        scale: int = 4,
        embedding: int = 180,
        features: int = 64,
        blocks: int = 2,
        window: int = 8,
    ) -> None:
        super().__init__()
        self.upscale, self.upsampler, self.window_size, self.img_range = scale, upsampler, window, 1.0
        self.mean = torch.tensor((0.4488, 0.4371, 0.4040)).view(1, 3, 1, 1)
        self.conv_first = nn.Conv2d(3, embedding, 3, 1, 1)
        self.layers = nn.ModuleList(ResidualBlock(embedding) for _ in range(blocks))
        self.conv_after_body = nn.Conv2d(embedding, embedding, 3, 1, 1)
        if self.upsampler == "pixelshuffledirect":
            self.upsample = nn.Sequential(nn.Conv2d(embedding, scale**2 * 3, 3, 1, 1), nn.PixelShuffle(scale))
            return
        self.conv_before_upsample = nn.Sequential(nn.Conv2d(embedding, features, 3, 1, 1), nn.LeakyReLU(inplace=True))
        if self.upsampler == "pixelshuffle":
            self.upsample = Stages(scale, features)
        else:
            self.conv_up1 = nn.Conv2d(features, features, 3, 1, 1)
            if self.upscale == 4:
                self.conv_up2 = nn.Conv2d(features, features, 3, 1, 1)
            self.conv_hr = nn.Conv2d(features, features, 3, 1, 1)
            self.lrelu = nn.LeakyReLU(negative_slope=0.2, inplace=True)
        self.conv_last = nn.Conv2d(features, 3, 3, 1, 1)

    def padded(self, input: Tensor) -> Tensor:
        """The image, reflected at the right and below to whole windows."""
        _, _, height, width = input.size()
        below = (self.window_size - height % self.window_size) % self.window_size
        right = (self.window_size - width % self.window_size) % self.window_size
        return F.pad(input, (0, right, 0, below), "reflect")

    def body(self, features: Tensor) -> Tensor:
        x = features
        for layer in self.layers:
            x = layer(x)
        return x

    def forward(self, input: Tensor) -> Tensor:
        height, width = input.shape[2:]
        x = self.padded(input)
        self.mean = self.mean.type_as(x)
        x = (x - self.mean) * self.img_range
        x = self.conv_first(x)
        x = self.conv_after_body(self.body(x)) + x
        if self.upsampler == "pixelshuffle":
            x = self.conv_before_upsample(x)
            x = self.conv_last(self.upsample(x))
        elif self.upsampler == "pixelshuffledirect":
            x = self.upsample(x)
        else:
            x = self.conv_before_upsample(x)
            x = self.lrelu(self.conv_up1(F.interpolate(x, scale_factor=2, mode="nearest")))
            if self.upscale == 4:
                x = self.lrelu(self.conv_up2(F.interpolate(x, scale_factor=2, mode="nearest")))
            x = self.conv_last(self.lrelu(self.conv_hr(x)))
        x = x / self.img_range + self.mean
        output: Tensor = x[:, :, : height * self.upscale, : width * self.upscale]
        return output


EXAMPLE, OTHERS = sizes(3, (12, 16), (9, 13), (17, 8))
LUMA, OTHER_LUMA = sizes(1, (12, 16), (9, 13), (17, 8))

ENTRIES: dict[str, Entry] = {
    "RRDBNet": Entry(
        lambda: RRDBNet(1, 8, 4), EXAMPLE, OTHERS, "Wang et al., ESRGAN, ECCV Workshops 2018", full=RRDBNet
    ),
    "EDSR": Entry(lambda: EDSR(1, 8), EXAMPLE, OTHERS, "Lim et al., CVPR Workshops 2017", full=EDSR),
    "FSRCNN": Entry(lambda: FSRCNN(8, 4, 1), LUMA, OTHER_LUMA, "Dong et al., ECCV 2016", full=FSRCNN),
    "SRVGGNet": Entry(
        lambda: SRVGGNet(8, 2), EXAMPLE, OTHERS, "Wang et al., Real-ESRGAN, ICCV Workshops 2021", full=SRVGGNet
    ),
    "SwinIR, pixelshuffle ×4": Entry(
        lambda: SwinIRTail("pixelshuffle", 4, 12, 8),
        EXAMPLE,
        OTHERS,
        "Liang et al., SwinIR, ICCV Workshops 2021, classical; its end alone",
        full=lambda: SwinIRTail("pixelshuffle"),
    ),
    "SwinIR, pixelshuffle ×3": Entry(
        lambda: SwinIRTail("pixelshuffle", 3, 12, 8),
        EXAMPLE,
        OTHERS,
        "Liang et al., SwinIR, ICCV Workshops 2021, classical; its end alone",
        full=lambda: SwinIRTail("pixelshuffle", 3),
    ),
    "SwinIR, pixelshuffledirect": Entry(
        lambda: SwinIRTail("pixelshuffledirect", 2, 12),
        EXAMPLE,
        OTHERS,
        "Liang et al., SwinIR, ICCV Workshops 2021, lightweight; its end alone",
        full=lambda: SwinIRTail("pixelshuffledirect", 2, 60),
    ),
    "SwinIR, nearest+conv": Entry(
        lambda: SwinIRTail("nearest+conv", 4, 12, 8),
        EXAMPLE,
        OTHERS,
        "Liang et al., SwinIR, ICCV Workshops 2021, real-world; its end alone",
        full=lambda: SwinIRTail("nearest+conv"),
    ),
}
"""At small widths, and as published."""
