"""Heads and decoders of semantic segmentation that merge features of several sizes: FPN, DeepLab and SegFormer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.zoo.encoders import PatchEmbedding, ResNet, resnet18, resnet34, resnet50, resnet101
from examples.zoo.entry import Entry, sizes


class Lateral(nn.Module):
    """One level down the pyramid: nearest ×2, added to the skip behind a 1×1 convolution."""

    def __init__(self, pyramid: int, skip_channels: int) -> None:
        super().__init__()
        self.skip_conv = nn.Conv2d(skip_channels, pyramid, kernel_size=1)

    def forward(self, input: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(input, scale_factor=2, mode="nearest")
        output: Tensor = x + self.skip_conv(skip)
        return output


class GroupNormBlock(nn.Module):
    """A 3×3 convolution, group normalisation and ReLU, and bilinear ×2 with aligned corners where asked for."""

    def __init__(self, in_channels: int, out_channels: int, upsample: bool) -> None:
        super().__init__()
        self.upsample = upsample
        self.block = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, (3, 3), stride=1, padding=1, bias=False),
            nn.GroupNorm(min(32, out_channels // 2), out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, input: Tensor) -> Tensor:
        x: Tensor = self.block(input)
        if self.upsample:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return x


class SegmentationBlock(nn.Sequential):
    """As many blocks as doublings, and at least one."""

    def __init__(self, in_channels: int, out_channels: int, doublings: int) -> None:
        blocks = [GroupNormBlock(in_channels, out_channels, upsample=bool(doublings))]
        blocks += [GroupNormBlock(out_channels, out_channels, upsample=True) for _ in range(1, doublings)]
        super().__init__(*blocks)


class PanopticFPN(nn.Module):
    """Feature pyramid (Lin et al., CVPR 2017) with Panoptic FPN's semantic branch (Kirillov et al., CVPR 2019).

    ``(N, 3, H, W)`` to ``(N, classes, H, W)``; sizes are multiples of 32.

    Args:
        encoder: features at 1/4 to 1/32 of the size.
        pyramid, branch: channels of the pyramid and of the branch; 256 and 128 in the papers.
        classes: channels of the output.
    """

    def __init__(self, encoder: ResNet, pyramid: int = 256, branch: int = 128, classes: int = 19) -> None:
        super().__init__()
        self.encoder = encoder
        _, *skips, deepest = encoder.channels
        self.p5 = nn.Conv2d(deepest, pyramid, kernel_size=1)
        self.laterals = nn.ModuleList(Lateral(pyramid, channels) for channels in reversed(skips))
        self.smooth = nn.ModuleList(nn.Conv2d(pyramid, pyramid, 3, padding=1) for _ in range(4))
        self.seg_blocks = nn.ModuleList(SegmentationBlock(pyramid, branch, doublings) for doublings in (3, 2, 1, 0))
        self.dropout = nn.Dropout2d(p=0.2, inplace=True)
        self.head = nn.Sequential(nn.Conv2d(branch, classes, kernel_size=1), nn.UpsamplingBilinear2d(scale_factor=4))

    def pyramid(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Of features at 1/4 to 1/32 of the size: from the smallest to the largest, all of the same channels."""
        *skips, deepest = features
        levels = [self.p5(deepest)]
        for lateral, skip in zip(self.laterals, reversed(skips), strict=True):
            levels.append(lateral(levels[-1], skip))
        return [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]

    def forward(self, input: Tensor) -> Tensor:
        pyramid = self.pyramid(self.encoder(input)[1:])
        features = [block(level) for block, level in zip(self.seg_blocks, pyramid, strict=True)]
        merged = sum(features[1:], features[0])
        output: Tensor = self.head(self.dropout(merged))
        return output


class ConvBNReLU(nn.Sequential):
    """A convolution that keeps the size, batch normalisation and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, 1, dilation * (kernel // 2), dilation, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class ImagePooling(nn.Sequential):
    """The whole image's mean behind a 1×1 convolution, interpolated to the features' size."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *ConvBNReLU(in_channels, out_channels))

    def forward(self, input: Tensor) -> Tensor:
        size = input.shape[-2:]
        for module in self:
            input = module(input)
        return F.interpolate(input, size=size, mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: a 1×1 and three dilated convolutions and the image's mean, projected."""

    def __init__(self, in_channels: int, out_channels: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                ConvBNReLU(in_channels, out_channels),
                *(ConvBNReLU(in_channels, out_channels, 3, rate) for rate in rates),
                ImagePooling(in_channels, out_channels),
            ]
        )
        self.project = nn.Sequential(
            *ConvBNReLU(len(self.convs) * out_channels, out_channels),
            nn.Dropout(0.5),
        )

    def forward(self, input: Tensor) -> Tensor:
        found = []
        for conv in self.convs:
            found.append(conv(input))
        output: Tensor = self.project(torch.cat(found, dim=1))
        return output


class DeepLabV3(nn.Module):
    """DeepLabV3 (Chen et al., 2017) behind a network dilated to 1/8: ``(N, 3, H, W)`` to ``(N, classes, H, W)``.

    Args:
        encoder: its last features are used.
        features: of the head; 256 in the paper.
        classes: channels of the output.
        rates: of the dilated convolutions; the paper's for 1/8.
    """

    def __init__(
        self, encoder: ResNet, features: int = 256, classes: int = 21, rates: Sequence[int] = (12, 24, 36)
    ) -> None:
        super().__init__()
        self.backbone = encoder
        self.classifier = nn.Sequential(
            ASPP(encoder.channels[-1], features, rates),
            *ConvBNReLU(features, features, 3),
            nn.Conv2d(features, classes, 1),
        )

    def forward(self, input: Tensor) -> Tensor:
        input_shape = input.shape[-2:]
        x = self.classifier(self.backbone(input)[-1])
        return F.interpolate(x, size=input_shape, mode="bilinear", align_corners=False)


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+ (Chen et al., ECCV 2018): bilinear to the low-level features' size, concatenated, two convolutions.

    ``(N, 3, H, W)`` to ``(N, classes, H, W)``.

    Args:
        encoder: dilated to 1/16; its features at 1/4 are the low-level ones.
        features, low_level: 256 and 48 in the paper.
        classes: channels of the output.
        rates: of the dilated convolutions; the paper's for 1/16.
    """

    def __init__(
        self,
        encoder: ResNet,
        features: int = 256,
        low_level: int = 48,
        classes: int = 21,
        rates: Sequence[int] = (6, 12, 18),
    ) -> None:
        super().__init__()
        self.backbone = encoder
        self.aspp = ASPP(encoder.channels[-1], features, rates)
        self.reduce = ConvBNReLU(encoder.channels[1], low_level)
        self.last_conv = nn.Sequential(
            *ConvBNReLU(features + low_level, features, 3),
            nn.Dropout(0.5),
            *ConvBNReLU(features, features, 3),
            nn.Dropout(0.1),
            nn.Conv2d(features, classes, kernel_size=1, stride=1),
        )

    def forward(self, input: Tensor) -> Tensor:
        features = self.backbone(input)
        low_level = self.reduce(features[1])
        x = self.aspp(features[-1])
        x = F.interpolate(x, size=low_level.size()[2:], mode="bilinear", align_corners=True)
        x = torch.cat((x, low_level), dim=1)
        x = self.last_conv(x)
        return F.interpolate(x, size=input.size()[2:], mode="bilinear", align_corners=True)


class Projection(nn.Module):
    """A linear layer on every position: ``(N, C, H, W)`` to ``(N, H * W, C')``."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_channels, out_channels)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.proj(input.flatten(2).transpose(1, 2))
        return output


class SegFormerHead(nn.Module):
    """SegFormer's decoder of linear layers alone (Xie et al., NeurIPS 2021).

    Args:
        in_channels: of the features at 1/4, 1/8, 1/16 and 1/32 of the size.
        embedding: 256 for the paper's B0 and B1, and 768 for the others.
        classes: channels of the output, which has the size of the first features.
    """

    def __init__(self, in_channels: Sequence[int], embedding: int = 256, classes: int = 150) -> None:
        super().__init__()
        self.projections = nn.ModuleList(Projection(channels, embedding) for channels in in_channels)
        self.linear_fuse = ConvBNReLU(4 * embedding, embedding)
        self.dropout = nn.Dropout2d(0.1)
        self.linear_pred = nn.Conv2d(embedding, classes, kernel_size=1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        batch = features[0].shape[0]
        projected = []
        for projection, each in zip(self.projections, features, strict=True):
            x = projection(each).permute(0, 2, 1).reshape(batch, -1, each.shape[2], each.shape[3])
            projected.append(F.interpolate(x, size=features[0].size()[2:], mode="bilinear", align_corners=False))
        fused = self.linear_fuse(torch.cat(projected[::-1], dim=1))
        output: Tensor = self.linear_pred(self.dropout(fused))
        return output


class SegFormer(nn.Module):
    """SegFormer's head behind its overlapped patch embeddings; its transformer blocks do not matter here.

    ``(N, 3, H, W)`` to ``(N, classes, H, W)``.

    Args:
        widths: of the four stages; the paper's B0.
        embedding, classes: of the head.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 160, 256), embedding: int = 256, classes: int = 150) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            PatchEmbedding(before, after, *((7, 4) if stage == 0 else (3, 2)))
            for stage, (before, after) in enumerate(zip([3, *widths], widths, strict=False))
        )
        self.decode_head = SegFormerHead(widths, embedding, classes)

    def forward(self, input: Tensor) -> Tensor:
        x, features = input, []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        logits = self.decode_head(features)
        return F.interpolate(logits, size=input.shape[2:], mode="bilinear", align_corners=False)


EXAMPLE, OTHERS = sizes(3, (64, 48), (57, 65), (40, 72))
MULTIPLES, OTHER_MULTIPLES = sizes(3, (64, 96), (96, 64), (32, 128))

ENTRIES: dict[str, Entry] = {
    "PanopticFPN": Entry(
        lambda: PanopticFPN(resnet18(8), 16, 8, 5),
        MULTIPLES,
        OTHER_MULTIPLES,
        "Lin et al., CVPR 2017; Kirillov et al., CVPR 2019",
        full=lambda: PanopticFPN(resnet34()),
    ),
    "DeepLabV3": Entry(
        lambda: DeepLabV3(resnet50(4, dilated=2), 8, 5),
        EXAMPLE,
        OTHERS,
        "Chen et al., DeepLabV3, 2017",
        full=lambda: DeepLabV3(resnet50(dilated=2)),
    ),
    "DeepLabV3Plus": Entry(
        lambda: DeepLabV3Plus(resnet50(4, dilated=1), 8, 4, 5),
        EXAMPLE,
        OTHERS,
        "Chen et al., DeepLabV3+, ECCV 2018",
        full=lambda: DeepLabV3Plus(resnet101(dilated=1)),
    ),
    "SegFormer": Entry(
        lambda: SegFormer((4, 8, 12, 16), 8, 5),
        EXAMPLE,
        OTHERS,
        "Xie et al., SegFormer, NeurIPS 2021; its head behind patch embeddings alone",
        full=SegFormer,
    ),
}
"""At small widths, and as published."""
