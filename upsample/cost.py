"""The exact cost of an upsampler in closed form, and the counting convention that every formula follows.

Convention: one multiply-accumulate is 2 FLOPs; bias, copies and pure data movement (nearest, shuffles, zero-stuffing)
count 0; bilinear interpolation is 8 FLOPs per output value and bicubic 32; activations and other element-wise work
are counted apart. Nothing here is measured: ``bench`` counts the operators that really run and must agree exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import nn

from upsample.contract import UpsampleError, Upsampler, Work


@dataclass(frozen=True)
class Cost:
    """What one forward pass costs.

    Attributes:
        macs: multiply-accumulates, half of ``flops``.
        flops: floating-point operations of convolutions and interpolations.
        elementwise: activations and other element-wise operations, not contained in ``flops``.
        params: parameters, biases included.
        min_bytes: the fewest bytes that must move: input and parameters read once, output written once.
    """

    macs: int
    flops: int
    elementwise: int
    params: int
    min_bytes: int


def cost(module: nn.Module, input_shape: Sequence[int]) -> Cost:
    """Return the exact cost of ``module`` on one input of ``input_shape``, from its closed form.

    Args:
        module: an :class:`~upsample.Upsampler`; its parameters' dtype decides the bytes.
        input_shape: ``(N, C_in, H, W)``.

    Raises:
        UpsampleError: ``module`` is not an upsampler of this library, or the shape does not fit it.
    """
    if not isinstance(module, Upsampler):
        raise UpsampleError(
            f"cost() knows the closed form of upsample.Upsampler modules only; got {type(module).__name__}."
        )
    batch, channels, height, width = _checked_shape(module, input_shape)
    work: Work = module.work(batch, height, width)
    params = sum(parameter.numel() for parameter in module.parameters())
    values = batch * channels * height * width + params + prod(module.output_shape(input_shape))
    element_size = next((p.element_size() for p in module.parameters()), torch.float32.itemsize)
    return Cost(
        macs=work.flops // 2,
        flops=work.flops,
        elementwise=work.elementwise,
        params=params,
        min_bytes=values * element_size,
    )


def _checked_shape(module: Upsampler, shape: Sequence[int]) -> tuple[int, int, int, int]:
    if len(shape) != 4 or min(shape) < 1 or shape[1] != module.in_channels:
        raise UpsampleError(
            f"the input shape must be (N, {module.in_channels}, H, W) with positive sizes; got {tuple(shape)}."
        )
    batch, channels, height, width = shape
    return batch, channels, height, width
