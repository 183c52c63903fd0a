"""Generators of generative adversarial networks: DCGAN, and StyleGAN2's synthesis network with FIR-filtered ×2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.zoo.entry import Entry, Example


class DCGAN(nn.Module):
    """DCGAN's generator (Radford et al., ICLR 2016): ``(N, latent, 1, 1)`` to ``(N, 3, 64, 64)``.

    Spelt as in PyTorch's own tutorial: without biases, all of it in one sequence.

    Args:
        latent: 100 in the paper.
        features: channels before the last layer, an eighth of the first layer's; the tutorial's 64 is half the paper's.
    """

    def __init__(self, latent: int = 100, features: int = 64) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(latent, features * 8, 4, 1, 0, bias=False),
            nn.BatchNorm2d(features * 8),
            nn.ReLU(True),
            nn.ConvTranspose2d(features * 8, features * 4, 4, 2, 1, bias=False),
            nn.BatchNorm2d(features * 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(features * 4, features * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(features * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(features * 2, features, 4, 2, 1, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(True),
            nn.ConvTranspose2d(features, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.main(input)
        return output


def fir(taps: Sequence[float] = (1.0, 3.0, 3.0, 1.0)) -> Tensor:
    """The separable filter ``(T, T)`` of these taps, whose weights sum to one."""
    row = torch.tensor(taps)
    kernel = row[:, None] * row[None, :]
    return kernel / kernel.sum()


def zeros_between_and_filtered(input: Tensor, kernel: Tensor, up: int, pad: tuple[int, int]) -> Tensor:
    """Put ``up - 1`` zeros behind every pixel, pad and filter every channel: the public code's ``upfirdn2d``.

    Args:
        input: ``(N, C, H, W)``.
        kernel: ``(T, T)``; it is convolved with, so that it is flipped for a correlation.
        up: factor in both directions.
        pad: zeros before and behind, in both directions.
    """
    _, channels, height, width = input.shape
    x = input.reshape(-1, 1, height, 1, width, 1)
    x = F.pad(x, [0, up - 1, 0, 0, 0, up - 1])
    x = x.reshape(-1, channels, height * up, width * up)
    x = F.pad(x, [pad[0], pad[1], pad[0], pad[1]])
    weight = torch.flip(kernel, [0, 1])[None, None].repeat(channels, 1, 1, 1).to(x.dtype)
    return F.conv2d(x, weight, groups=channels)


class EqualLinear(nn.Module):
    """A linear layer whose weights are scaled as they are used (Karras et al., ICLR 2018)."""

    def __init__(self, in_features: int, out_features: int, bias: float = 0.0, activated: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.full((out_features,), bias))
        self.scale, self.activated = in_features**-0.5, activated

    def forward(self, input: Tensor) -> Tensor:
        out = F.linear(input, self.weight * self.scale, self.bias)
        return F.leaky_relu(out, 0.2) * 2**0.5 if self.activated else out


class ModulatedConv(nn.Module):
    """A convolution that the style modulates and demodulates, by scaling its input and its output.

    ×2 is a transposed convolution with stride 2 and a filter behind it (Karras et al., CVPR 2020).
    """

    resample_filter: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, style: int, up: bool, demodulate: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.affine = EqualLinear(style, in_channels, bias=1.0)
        self.scale, self.up, self.demodulate = (in_channels * kernel_size**2) ** -0.5, up, demodulate
        self.register_buffer("resample_filter", fir())

    def forward(self, input: Tensor, latent: Tensor) -> Tensor:
        styles = self.affine(latent)
        weight = self.weight * self.scale
        x = input * styles[:, :, None, None]
        if self.up:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = zeros_between_and_filtered(x, self.resample_filter * 4, up=1, pad=(1, 1))
        else:
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            norm: Tensor = (weight[None] * styles[:, None, :, None, None]).square().sum(dim=[2, 3, 4])
            x = x * (norm + 1e-8).rsqrt()[:, :, None, None]
        return x


class StyledConv(nn.Module):
    """A modulated convolution, noise, bias and leaky ReLU, to features of ``size`` by ``size`` pixels."""

    noise_const: Tensor

    def __init__(self, in_channels: int, out_channels: int, style: int, size: int, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, out_channels, 3, style, up)
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("noise_const", torch.randn(size, size))

    def forward(self, input: Tensor, latent: Tensor) -> Tensor:
        x = self.conv(input, latent)
        x = x + self.noise_const * self.noise_strength
        return F.leaky_relu(x + self.bias[None, :, None, None], 0.2) * 2**0.5


class ToRGB(nn.Module):
    """A modulated 1×1 convolution to an image, added to the smaller image, enlarged by a filter."""

    resample_filter: Tensor

    def __init__(self, in_channels: int, style: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, 3, 1, style, up=False, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.register_buffer("resample_filter", fir())

    def forward(self, input: Tensor, latent: Tensor, skip: Tensor | None = None) -> Tensor:
        out: Tensor = self.conv(input, latent) + self.bias
        if skip is not None:
            out = out + zeros_between_and_filtered(skip, self.resample_filter * 4, up=2, pad=(2, 1))
        return out


class StyleGAN2(nn.Module):
    """StyleGAN2's generator with skips (Karras et al., CVPR 2020): ``(N, style)`` to ``(N, 3, size, size)``.

    Args:
        size: of the image, a power of two; 1024 for faces.
        style: 512 in the paper, and the most channels of any layer.
        base: channels times size of the large layers; 32768 in the paper's configuration F.
        depth: of the mapping network; 8 in the paper.
    """

    def __init__(self, size: int = 1024, style: int = 512, base: int = 32768, depth: int = 8) -> None:
        super().__init__()
        sizes = [2**level for level in range(2, size.bit_length())]
        widths = [min(style, base // each) for each in sizes]
        self.mapping = nn.Sequential(*(EqualLinear(style, style, activated=True) for _ in range(depth)))
        self.const = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.conv1 = StyledConv(widths[0], widths[0], style, 4)
        self.to_rgb1 = ToRGB(widths[0], style)
        self.ups, self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for before, after, each in zip(widths, widths[1:], sizes[1:], strict=False):
            self.ups.append(StyledConv(before, after, style, each, up=True))
            self.convs.append(StyledConv(after, after, style, each))
            self.to_rgbs.append(ToRGB(after, style))

    def forward(self, input: Tensor) -> Tensor:
        latent = self.mapping(input * (input.square().mean(1, keepdim=True) + 1e-8).rsqrt())
        x = self.conv1(self.const.repeat(input.shape[0], 1, 1, 1), latent)
        skip: Tensor = self.to_rgb1(x, latent)
        for up, conv, to_rgb in zip(self.ups, self.convs, self.to_rgbs, strict=True):
            x = conv(up(x, latent), latent)
            skip = to_rgb(x, latent, skip)
        return skip


def latents(*shape: int) -> Example:
    """Normally distributed latent codes of ``shape``."""
    return lambda: (torch.randn(shape),)


ENTRIES: dict[str, Entry] = {
    "DCGAN": Entry(
        lambda: DCGAN(12, 4),
        latents(2, 12, 1, 1),
        (latents(3, 12, 1, 1), latents(2, 12, 2, 3)),
        "Radford et al., ICLR 2016",
        full=DCGAN,
    ),
    "StyleGAN2": Entry(
        lambda: StyleGAN2(32, 16, 128, 2),
        latents(2, 16),
        (latents(1, 16), latents(3, 16)),
        "Karras et al., CVPR 2020",
        full=StyleGAN2,
    ),
}
"""At small widths, and as published."""
