"""Sub-pixel convolution: compute s² output channels per pixel at low resolution, then rearrange them in space.

``PixelShuffle(s)`` moves channel ``c·s² + s·dy + dx`` to pixel ``(dy, dx)`` of channel ``c`` (ONNX calls this order
CRD; TensorFlow's ``depth_to_space`` uses the other one, DCR). The convolution before it therefore holds one independent
kernel for each of the s² output phases.

Sources: Shi et al. (ESPCN), CVPR 2016; Lim et al. (EDSR), CVPR Workshops 2017, for stages; Aitken et al., "Checkerboard
artifact free sub-pixel convolution", 2017, for the ICNR initialisation; Tian et al. (DUpsampling), CVPR 2019; Luo et
al. (NCNet), ECCV Workshops (AIM) 2022.

Trap: with the default initialisation the s² kernels start different from each other, so that the output has a
checkerboard before the first training step; ICNR starts them equal.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import Card, Upsampler, Work, conv_work, same_padding, stage_factors
from upsample.registry import register
from upsample.resampling import interpolate_by_definition


def pixel_shuffle(input: Tensor, scale: int) -> Tensor:
    """Rearrange ``(N, C·s², H, W)`` to ``(N, C, s·H, s·W)`` from the definition: reshape, permute, reshape."""
    batch, channels, height, width = input.shape
    split = input.reshape(batch, channels // scale**2, scale, scale, height, width)
    interleaved = split.permute(0, 1, 4, 2, 5, 3)
    return interleaved.reshape(batch, channels // scale**2, height * scale, width * scale)


@torch.no_grad()
def icnr_(conv: nn.Conv2d, scale: int) -> None:
    """Make the s² kernels and biases of each output channel equal, in place (ICNR, Aitken et al. 2017).

    Before training, convolution + shuffle then equals a convolution followed by nearest upsampling (identity E).
    """
    conv.weight.copy_(conv.weight[:: scale**2].repeat_interleave(scale**2, dim=0))
    if conv.bias is not None:
        conv.bias.copy_(conv.bias[:: scale**2].repeat_interleave(scale**2, dim=0))


@register(
    Card(
        name="subpixel",
        family="subpixel",
        title="Sub-pixel conv, one stage",
        paper="Shi et al. (ESPCN), CVPR",
        year=2016,
        advice="All arithmetic at low resolution; initialise with ICNR, or the first outputs show a checkerboard.",
    ),
    Card(
        name="subpixel_icnr",
        family="subpixel",
        title="Sub-pixel conv, one stage, ICNR",
        paper="Aitken et al.",
        year=2017,
        advice="Runs exactly like subpixel; only the first weights differ, free of checkerboard.",
        preset="full",
        options={"icnr": True},
    ),
)
class SubPixel(Upsampler):
    """Convolution C→O·s² and one shuffle ("pixelshuffledirect"): k²·s²·C·O multiply-accumulates per pixel.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
        kernel_size: odd side of the convolution's kernel.
        icnr: start the s² kernels of each output channel equal.
    """

    def __init__(
        self, in_channels: int, out_channels: int, scale: int, kernel_size: int = 3, icnr: bool = False
    ) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.conv = nn.Conv2d(in_channels, out_channels * scale**2, kernel_size, padding=same_padding(kernel_size))
        if icnr:
            icnr_(self.conv, scale)

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(self.conv(input), self.scale)

    def linear_layers(self) -> list[nn.Module]:
        return [self.conv, nn.PixelShuffle(self.scale)]

    def definition(self, input: Tensor) -> Tensor:
        return pixel_shuffle(self.conv(input), self.scale)

    def work(self, batch: int, height: int, width: int) -> Work:
        out_channels = self.out_channels * self.scale**2
        return conv_work(batch, self.in_channels, out_channels, height * width, self.conv.kernel_size[0])


@register(
    Card(
        name="subpixel_staged",
        family="subpixel",
        title="Sub-pixel conv, staged",
        paper="Lim et al. (EDSR), CVPRW",
        year=2017,
        advice="EDSR's upsampler: stages of ×2 at full width and a last convolution; most parameters of its family.",
    )
)
class SubPixelStaged(Upsampler):
    """Stages of convolution C→4C + shuffle 2 (one stage C→9C + shuffle 3 at scale 3), then a convolution C→O.

    36·C², 81·C² and 180·C² multiply-accumulates per low-resolution pixel at scales 2, 3 and 4, and 9·O·s²·C for the
    last convolution. Scales: powers of two, and 3.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
        icnr: start the kernels of each stage equal per output channel.
    """

    stages_of = (2, 3)

    def __init__(self, in_channels: int, out_channels: int, scale: int, icnr: bool = False) -> None:
        super().__init__(in_channels, out_channels, scale)
        factors = stage_factors(scale, self.stages_of)
        self.stage_scale = factors[0]
        self.stages = nn.ModuleList(nn.Conv2d(in_channels, in_channels * factor**2, 3, padding=1) for factor in factors)
        self.last = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        if icnr:
            for stage in self.stages:
                assert isinstance(stage, nn.Conv2d)
                icnr_(stage, self.stage_scale)

    def forward(self, input: Tensor) -> Tensor:
        features = input
        for stage in self.stages:
            features = F.pixel_shuffle(stage(features), self.stage_scale)
        output: Tensor = self.last(features)
        return output

    def linear_layers(self) -> list[nn.Module]:
        stages = [each for stage in self.stages for each in (stage, nn.PixelShuffle(self.stage_scale))]
        return [*stages, self.last]

    def definition(self, input: Tensor) -> Tensor:
        features = input
        for stage in self.stages:
            features = pixel_shuffle(stage(features), self.stage_scale)
        output: Tensor = self.last(features)
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        work, positions = Work(), height * width
        for _ in self.stages:
            work += conv_work(batch, self.in_channels, self.in_channels * self.stage_scale**2, positions, 3)
            positions *= self.stage_scale**2
        return work + conv_work(batch, self.in_channels, self.out_channels, positions, 3)


@register(
    Card(
        name="dupsampling",
        family="subpixel",
        title="DUpsampling",
        paper="Tian et al., CVPR",
        year=2019,
        advice="One matrix turns a pixel's features into an s×s patch: s²·C·O MACs, blind to neighbours.",
        preset="full",
    )
)
class DUpsampling(Upsampler):
    """Data-dependent upsampling: a 1×1 convolution C→O·s² without bias, and the shuffle; ``s²·C·O`` MACs a pixel.

    The rows of the matrix are in the order of :func:`pixel_shuffle`, which public code orders differently. The paper's
    softmax temperature belongs to the loss.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.project = nn.Conv2d(in_channels, out_channels * scale**2, 1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(self.project(input), self.scale)

    def definition(self, input: Tensor) -> Tensor:
        matrix = self.project.weight.view(self.out_channels, self.scale, self.scale, self.in_channels)
        patches = torch.einsum("oyxc,nchw->nohywx", matrix, input)
        return patches.reshape(self.output_shape(input.shape))

    def work(self, batch: int, height: int, width: int) -> Work:
        return conv_work(batch, self.in_channels, self.out_channels * self.scale**2, height * width, 1)


@register(
    Card(
        name="nearest_shuffle_conv",
        family="subpixel",
        title="Nearest as frozen 1×1 conv + shuffle, conv",
        paper="Luo et al. (NCNet), ECCVW",
        year=2022,
        advice="Nearest + conv for accelerators that are slow at resizing; elsewhere the copies waste s²·C² MACs.",
        preset="full",
    )
)
class NearestShuffleConv(Upsampler):
    """NearestConv: a frozen 1×1 convolution copies each channel s² times, the shuffle spreads them, a conv follows.

    NCNet adds the copies of the image to its features; here a convolution stands behind them, so that the two ways of
    enlarging can be compared. The same output as nearest + conv, for ``s²·C²`` more multiply-accumulates a pixel.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
        kernel_size: odd side of the convolution's kernel.
    """

    repeat: Tensor

    def __init__(self, in_channels: int, out_channels: int, scale: int, kernel_size: int = 3) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=same_padding(kernel_size))
        copies = torch.eye(in_channels).repeat_interleave(scale**2, dim=0)
        self.register_buffer("repeat", copies[:, :, None, None], persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.conv(F.pixel_shuffle(F.conv2d(input, self.repeat), self.scale))
        return output

    def definition(self, input: Tensor) -> Tensor:
        output: Tensor = self.conv(interpolate_by_definition(input, "nearest", self.factors))
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        positions = height * width
        copy = conv_work(batch, self.in_channels, self.in_channels * self.scale**2, positions, 1)
        outputs = positions * self.scale**2
        return copy + conv_work(batch, self.in_channels, self.out_channels, outputs, self.conv.kernel_size[0])
