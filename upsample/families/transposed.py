"""Transposed convolution: one operator, written three ways.

With stride s, a transposed convolution writes ``input[i] * kernel[t]`` to output position ``i*s - p + t`` and sums what
overlaps. The same output comes from (1) the framework's operator, (2) its definition — insert s-1 zeros between the
inputs and run an ordinary convolution with the flipped kernel — and (3) s² small low-resolution convolutions, one per
output phase, whose results are shuffled periodically.

Sources: Zeiler et al., CVPR 2010; Dumoulin & Visin, "A guide to convolution arithmetic", 2016; Shi et al., "Is the
deconvolution layer the same as a convolutional layer?", 2016, for the split into phases.

Trap: where the kernel is not divisible by the stride, neighbouring outputs are summed from different numbers of
inputs, which shows as a checkerboard (Odena et al., Distill 2016).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import Card, UnsupportedError, Upsampler, Work, conv_work
from upsample.registry import register


def exact_padding(kernel_size: int, scale: int) -> tuple[int, int]:
    """Return ``(padding, output_padding)`` that make the output exactly ``scale`` times the input.

    The size of a transposed convolution is ``(H-1)*s - 2*p + k + op``; it equals ``s*H`` for ``2*p - op = k - s``.
    For the usual k = 2s this gives padding (s+1)//2, with output_padding 1 for odd scales.

    Raises:
        UnsupportedError: the kernel is smaller than the scale, so that some outputs would get no input at all.
    """
    if kernel_size < scale:
        raise UnsupportedError(
            f"a transposed convolution at scale {scale} needs a kernel of at least {scale}; got {kernel_size}."
        )
    padding = (kernel_size - scale + 1) // 2
    return padding, 2 * padding - (kernel_size - scale)


def zero_stuff(input: Tensor, scale: int) -> Tensor:
    """Insert ``scale - 1`` zeros between neighbours: ``(N, C, H, W)`` to ``(N, C, (H-1)s + 1, (W-1)s + 1)``."""
    batch, channels, height, width = input.shape
    stuffed = input.new_zeros(batch, channels, (height - 1) * scale + 1, (width - 1) * scale + 1)
    stuffed[:, :, ::scale, ::scale] = input
    return stuffed


def zero_stuffed_conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    scale: int = 2,
    padding: int = 0,
    output_padding: int = 0,
) -> Tensor:
    """What ``conv_transpose2d`` computes, from its definition: zeros between the inputs, then the flipped kernel.

    Args:
        input: ``(N, C, H, W)``.
        weight: ``(C, O, k, k)``, as a transposed convolution has it.
        bias: ``(O,)``.
        scale: the stride.
        padding: rows and columns cut off on every side.
        output_padding: rows and columns given back at the bottom and right.
    """
    before = weight.shape[2] - 1 - padding
    after = before + output_padding
    stuffed = F.pad(zero_stuff(input, scale), (before, after, before, after))
    return F.conv2d(stuffed, weight.flip(2, 3).transpose(0, 1), bias)


class _TransposedKernel(Upsampler):
    """The weights shared by the three ways: ``weight`` is ``(in_channels, out_channels, k, k)``, one bias a channel."""

    def __init__(self, in_channels: int, out_channels: int, scale: int, kernel_size: int | None = None) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.kernel_size = 2 * scale if kernel_size is None else kernel_size
        self.padding, self.output_padding = exact_padding(self.kernel_size, scale)
        # nn.ConvTranspose2d knows the field's default initialisation; only its parameters are kept.
        initialised = nn.ConvTranspose2d(in_channels, out_channels, self.kernel_size, stride=scale)
        self.weight = initialised.weight
        assert initialised.bias is not None
        self.bias = initialised.bias

    def transposed(self, input: Tensor) -> Tensor:
        """The framework's operator."""
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.scale, self.padding, output_padding=self.output_padding
        )

    def zero_stuffed(self, input: Tensor) -> Tensor:
        """The definition: zeros between the inputs, then a convolution with the kernel flipped in space."""
        return zero_stuffed_conv(input, self.weight, self.bias, self.scale, self.padding, self.output_padding)


@register(
    Card(
        name="transposed",
        family="transposed",
        title="Transposed conv, k = 2s",
        paper="Zeiler et al., CVPR",
        year=2010,
        advice="Few MACs; starts with uneven gain per output phase, and its speed depends much on the runtime.",
    ),
    Card(
        name="transposed_9x9",
        family="transposed",
        title="Transposed conv 9×9",
        paper="Dong et al. (FSRCNN), ECCV",
        year=2016,
        advice="FSRCNN's last layer: meant for few channels; the kernel is not divisible by any usual stride.",
        preset="full",
        options={"kernel_size": 9},
    ),
)
class Transposed(_TransposedKernel):
    """Transposed convolution, k²·C·O multiply-accumulates per low-resolution pixel.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`.
        kernel_size: k, at least ``scale``; 2·scale unless given, so that every output sums the same number of inputs.
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.transposed(input)

    def linear_layers(self) -> list[nn.Module]:
        layer = nn.ConvTranspose2d(
            self.in_channels,
            self.out_channels,
            self.kernel_size,
            self.scale,
            self.padding,
            self.output_padding,
            device="meta",
        )
        layer.weight, layer.bias = self.weight, self.bias
        return [layer]

    def definition(self, input: Tensor) -> Tensor:
        return self.zero_stuffed(input)

    def work(self, batch: int, height: int, width: int) -> Work:
        return conv_work(batch, self.in_channels, self.out_channels, height * width, self.kernel_size)


@register(
    Card(
        name="zero_stuffing",
        family="transposed",
        title="Zero-stuffing + conv",
        paper="Dumoulin & Visin",
        year=2016,
        advice="The textbook definition of transposed convolution, s² times its work: a control, not a choice.",
        kind="definition",
        preset="full",
    )
)
class ZeroStuffing(_TransposedKernel):
    """The definition run as it stands: a dense convolution over a grid that is mostly zeros, s²·k²·C·O MACs a pixel."""

    def forward(self, input: Tensor) -> Tensor:
        return self.zero_stuffed(input)

    def definition(self, input: Tensor) -> Tensor:
        return self.transposed(input)

    def work(self, batch: int, height: int, width: int) -> Work:
        positions = height * width * self.scale**2
        return conv_work(batch, self.in_channels, self.out_channels, positions, self.kernel_size)


@register(
    Card(
        name="transposed_phases",
        family="transposed",
        title="Transposed conv as s² small kernels",
        paper="Shi et al.",
        year=2016,
        advice="The same output as the transposed convolution from low-resolution convolutions and a shuffle.",
    )
)
class TransposedPhases(_TransposedKernel):
    """A transposed convolution as s² low-resolution convolutions followed by periodic shuffling (identity A).

    Output phase φ of a k×k kernel only ever meets the taps φ, φ+s, φ+2s …, so that a 4×4 stride-2 kernel falls apart
    into four 2×2 kernels. They run here as one convolution with s²·O outputs over the input padded by m-1, where
    m = ceil(k/s); the border that the transposed convolution would crop is cropped after the shuffle. The weights stay
    those of the transposed convolution, so that every call rearranges them first.
    """

    def forward(self, input: Tensor) -> Tensor:
        bias = self.bias.repeat_interleave(self.scale**2)
        phases = F.conv2d(input, self.phase_kernels(), bias, padding=self.taps - 1)
        start, end = self.padding, (self.taps - 1) * self.scale - self.padding
        return F.pad(F.pixel_shuffle(phases, self.scale), (-start, -end, -start, -end))

    def definition(self, input: Tensor) -> Tensor:
        return self.zero_stuffed(input)

    @property
    def taps(self) -> int:
        """Side of one phase's kernel, ceil(k/s)."""
        return -(-self.kernel_size // self.scale)

    def phase_kernels(self) -> Tensor:
        """Rearrange the k×k kernel into ``(O·s², C, m, m)``, channel ``o·s² + s·φ_y + φ_x``, taps flipped."""
        missing = self.taps * self.scale - self.kernel_size
        weight = F.pad(self.weight, (0, missing, 0, missing))
        weight = weight.reshape(self.in_channels, self.out_channels, self.taps, self.scale, self.taps, self.scale)
        kernels = weight.permute(1, 3, 5, 0, 2, 4).flip(4, 5)
        return kernels.reshape(self.out_channels * self.scale**2, self.in_channels, self.taps, self.taps)

    def work(self, batch: int, height: int, width: int) -> Work:
        positions = (height + self.taps - 1) * (width + self.taps - 1)
        return conv_work(batch, self.in_channels, self.out_channels * self.scale**2, positions, self.taps)
