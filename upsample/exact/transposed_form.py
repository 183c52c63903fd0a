"""The form that is one transposed convolution, with the response to an impulse as its kernel."""

from __future__ import annotations

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.contract import UnsupportedError, Work
from upsample.exact.axis import Axis
from upsample.exact.blocks import channels_first, onednn_takes
from upsample.exact.exact_form import recording
from upsample.exact.normal_form import Kernels
from upsample.exact.polyphase import PolyphaseForm

LARGE_OUTPUT = 2**20
"""Values, 4 MiB in float32, which caches near a core do not hold."""


class TransposedForm(PolyphaseForm):
    """One transposed convolution with the response to an impulse as its kernel (identities B, C and D)."""

    title = "as one transposed conv"

    def _of_interior(self, kernels: Kernels) -> dict[str, Tensor | None]:
        kernel = kernels.interior.unflatten(0, (self.normal.groups, -1)).transpose(1, 2).flatten(0, 1)
        if kernels.bias is None or self._uniform:
            return {"kernel": kernel, "bias": None if kernels.bias is None else kernels.bias[:, 0, 0]}
        return {"kernel": kernel, "phase_bias": kernels.bias}

    @property
    def _uniform(self) -> bool:
        """Whether all phases have the same bias: nothing comes after it."""
        return all(getattr(layer, "bias", None) is None for layer in list(self.usual)[:-1])

    def _interior(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        (before_v, after_v, pad_v, out_v), (before_h, after_h, pad_h, out_h) = map(
            _transposed_padding, self.normal.axes
        )
        # Torch would bring the input into this layout by itself, and the output back in a way that takes longer than
        # the convolution where the output is large.
        by_pixel = input.is_contiguous() and onednn_takes(input) and self._spreads(input) and not recording()
        output = F.conv_transpose2d(
            input.contiguous(memory_format=torch.channels_last) if by_pixel else input,
            weights["kernel"],
            weights.get("bias"),
            (self.vertical.scale, self.horizontal.scale),
            (pad_v, pad_h),
            (out_v, out_h),
            self.normal.groups,
        )
        if any((before_v, after_v, before_h, after_h)):
            output = F.pad(output, (before_h, after_h, before_v, after_v))
        if "phase_bias" in weights:
            repeats = (1, -(-output.shape[2] // self.vertical.scale), -(-output.shape[3] // self.horizontal.scale))
            output = output + weights["phase_bias"].repeat(repeats)[:, : output.shape[2], : output.shape[3]]
        return channels_first(output) if by_pixel else output

    def _spreads(self, input: Tensor) -> bool:
        """Whether the output is large, and so much more than the input that what becomes of that matters little."""
        if self.normal.groups > 1 or any(axis.length >= 3 * axis.scale for axis in self.normal.axes):
            # There torch takes another layout, which costs less.
            return False
        for_each = prod(self._scales) * self.normal.out_channels
        large = input.numel() // self.normal.in_channels * for_each >= LARGE_OUTPUT
        return large and for_each > 4 * self.normal.in_channels

    def _interior_work(self, batch: int, height: int, width: int) -> Work:
        taps = self.vertical.length * self.horizontal.length
        added = 0
        if not self._uniform:
            added = prod(axis.output_size(size) for axis, size in zip(self.normal.axes, (height, width), strict=True))
        return Work(2 * batch * self._pairs() * height * width * taps, batch * self.normal.out_channels * added)

    def _prepare(self, channels: int | None) -> None:
        super()._prepare(channels)
        if any(max(_transposed_padding(axis)[:2]) > 0 for axis in self.normal.axes):
            raise UnsupportedError("some outputs lie beyond the reach of a transposed convolution.")


def _transposed_padding(axis: Axis) -> tuple[int, int, int, int]:
    """Zeros to add before and after a transposed convolution's output, negative to crop; padding; output padding."""
    after = axis.length - axis.scale - axis.origin - axis.extra
    padding = max(axis.origin, 0)
    if not 0 <= padding - after < axis.scale:
        padding = max(0, min(axis.origin, after))
        return padding - axis.origin, padding - after, padding, 0
    return padding - axis.origin, 0, padding, padding - after
