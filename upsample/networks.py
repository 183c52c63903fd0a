"""The same small network with its upsampler first or last.

Pre-upsampling interpolates the image and runs the whole backbone at high resolution; post-upsampling runs the backbone
at low resolution and upsamples its features in the last layer. Both share the backbone: convolutions of ``width``
channels with ReLU between them. The backbone of the first costs s² times that of the second, in time and in memory.

Sources: Dong et al. (SRCNN), ECCV 2014, and Kim et al. (VDSR), CVPR 2016, for the upsampler first; Shi et al. (ESPCN),
CVPR 2016, and Dong et al. (FSRCNN), ECCV 2016, for the upsampler last.
"""

from __future__ import annotations

from torch import Tensor, nn

from upsample.catalogue import create, register
from upsample.contract import Card, Upsampler, Work, conv_work
from upsample.interpolation import interpolate, interpolate_by_definition, interpolation_work


class _Network(Upsampler):
    """A head convolution in→width and ``depth`` convolutions width→width, each followed by ReLU.

    Args:
        in_channels, out_channels: channels of the images, 3 for photographs.
        scale: see :class:`~upsample.Upsampler`.
        width: channels of the backbone.
        depth: convolutions of the backbone after the head.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int, width: int = 64, depth: int = 3) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.width, self.depth = width, depth
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.backbone = nn.Sequential(*layers)

    def backbone_work(self, batch: int, positions: int) -> Work:
        """Work of the backbone when it runs over ``positions`` pixels."""
        head = conv_work(batch, self.in_channels, self.width, positions, 3)
        body = conv_work(batch, self.width, self.width, positions, 3)
        activations = (self.depth + 1) * batch * self.width * positions
        return Work(head.flops + self.depth * body.flops, activations)


@register(
    Card(
        name="pre_upsampling",
        family="networks",
        title="Network, upsampling first",
        paper="Dong et al. (SRCNN), ECCV",
        year=2014,
        advice="The whole backbone at high resolution: s² times the work and memory of upsampling last.",
        kind="network",
    )
)
class PreUpsampling(_Network):
    """Bicubic interpolation of the image, then the backbone and a convolution width→O at high resolution."""

    def __init__(self, in_channels: int, out_channels: int, scale: int, width: int = 64, depth: int = 3) -> None:
        super().__init__(in_channels, out_channels, scale, width, depth)
        self.last = nn.Conv2d(width, out_channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.last(self.backbone(interpolate(input, "bicubic", self.scale)))
        return output

    def definition(self, input: Tensor) -> Tensor:
        output: Tensor = self.last(self.backbone(interpolate_by_definition(input, "bicubic", self.scale)))
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        positions = height * width * self.scale**2
        interpolation = interpolation_work("bicubic", batch, self.in_channels, positions)
        last = conv_work(batch, self.width, self.out_channels, positions, 3)
        return interpolation + self.backbone_work(batch, positions) + last


@register(
    Card(
        name="post_upsampling",
        family="networks",
        title="Network, upsampling last",
        paper="Shi et al. (ESPCN), CVPR",
        year=2016,
        advice="The backbone at low resolution and the upsampler last: the default order of super-resolution.",
        kind="network",
    )
)
class PostUpsampling(_Network):
    """The backbone at low resolution, then an upsampler width→O from the catalogue, sub-pixel unless named."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        width: int = 64,
        depth: int = 3,
        upsampler: str = "subpixel",
    ) -> None:
        super().__init__(in_channels, out_channels, scale, width, depth)
        self.last = create(upsampler, width, out_channels, scale)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.last(self.backbone(input))
        return output

    def definition(self, input: Tensor) -> Tensor:
        return self.last.definition(self.backbone(input))

    def work(self, batch: int, height: int, width: int) -> Work:
        return self.backbone_work(batch, height * width) + self.last.work(batch, height, width)
