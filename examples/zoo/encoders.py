"""Encoders in front of the zoo's decoders: residual networks (He et al., CVPR 2016), without their classifier."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3×3 convolutions, or the 1×1, 3×3, 1×1 bottleneck, added to the input.

    Args:
        in_channels, width: of the input, and of the 3×3 convolution.
        stride, dilation: of the 3×3 convolution.
        bottleneck: whether there are four times as many channels at the end as within.
    """

    def __init__(self, in_channels: int, width: int, stride: int, dilation: int, bottleneck: bool) -> None:
        super().__init__()
        out_channels = 4 * width if bottleneck else width
        if bottleneck:
            self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(out_channels)
        else:
            self.conv1 = nn.Conv2d(in_channels, width, 3, stride, dilation, dilation, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.bottleneck, self.downsample = bottleneck, None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, input: Tensor) -> Tensor:
        identity = input
        out = self.relu(self.bn1(self.conv1(input)))
        out = self.bn2(self.conv2(out))
        if self.bottleneck:
            out = self.bn3(self.conv3(self.relu(out)))
        if self.downsample is not None:
            identity = self.downsample(input)
        out += identity
        output: Tensor = self.relu(out)
        return output


class ResNet(nn.Module):
    """Features of ``(N, 3, H, W)`` at 1/2, 1/4, 1/8, 1/16 and 1/32 of its size, or less deep where it is dilated.

    Args:
        layers: blocks of each of the four stages.
        width: channels of the first; 64 in the paper.
        bottleneck: as in ResNet-50 and deeper ones.
        dilated: how many of the last stages dilate instead of striding.
    """

    def __init__(self, layers: Sequence[int], width: int = 64, bottleneck: bool = False, dilated: int = 0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        expansion = 4 if bottleneck else 1
        self.channels = [width, *(width * 2**stage * expansion for stage in range(4))]
        self.stages = nn.ModuleList()
        channels, dilation = width, 1
        for stage, blocks in enumerate(layers):
            stride, before = (1 if stage == 0 else 2), dilation
            if stage >= 4 - dilated:
                dilation, stride = dilation * stride, 1
            row = [Residual(channels, width * 2**stage, stride, before, bottleneck)]
            channels = self.channels[stage + 1]
            row += [Residual(channels, width * 2**stage, 1, dilation, bottleneck) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*row))

    def forward(self, input: Tensor) -> list[Tensor]:
        x = self.relu(self.bn1(self.conv1(input)))
        features = [x]
        x = self.maxpool(x)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def resnet18(width: int = 64) -> ResNet:
    """Two blocks a stage."""
    return ResNet((2, 2, 2, 2), width)


def resnet34(width: int = 64) -> ResNet:
    """Three, four, six and three blocks."""
    return ResNet((3, 4, 6, 3), width)


def resnet50(width: int = 64, dilated: int = 0) -> ResNet:
    """The same of bottlenecks."""
    return ResNet((3, 4, 6, 3), width, bottleneck=True, dilated=dilated)


def resnet101(width: int = 64, dilated: int = 0) -> ResNet:
    """Three, four, twenty-three and three bottlenecks."""
    return ResNet((3, 4, 23, 3), width, bottleneck=True, dilated=dilated)


class PatchEmbedding(nn.Module):
    """SegFormer's overlapped patches (Xie et al., NeurIPS 2021): a strided convolution and layer normalisation."""

    def __init__(self, in_channels: int, out_channels: int, patch: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, out_channels, patch, stride, patch // 2)
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, input: Tensor) -> Tensor:
        x = self.proj(input)
        batch, _, height, width = x.shape
        x = self.norm(x.flatten(2).transpose(1, 2))
        output: Tensor = F.gelu(x.reshape(batch, height, width, -1).permute(0, 3, 1, 2).contiguous())
        return output
