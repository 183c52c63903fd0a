"""The exact cost of an upsampler in closed form, and the counting convention that every formula follows.

Convention: one multiply-accumulate is 2 FLOPs; bias, copies and pure data movement (nearest, shuffles, zero-stuffing)
count 0; bilinear interpolation and sampling at arbitrary positions are 8 FLOPs per output value, bicubic 32.
Activations and other element-wise work are counted apart: one operation a value, three for a mix of two, five for a
softmax, seven for a layer norm. Nothing here is measured: ``upbench`` counts the operators that really run, and the
two must agree exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import nn

from upsample.contract import AnyUpsampler, GuidedUpsampler, UpsampleError, Work


@dataclass(frozen=True)
class Cost:
    """What one forward pass costs.

    Attributes:
        macs: multiply-accumulates, half of ``flops``.
        flops: floating-point operations of convolutions and interpolations.
        elementwise: activations and other element-wise operations, not contained in ``flops``.
        params: parameters, biases included.
        min_bytes: the fewest bytes that must move: input, guide and parameters read once, output written
            once.
    """

    macs: int
    flops: int
    elementwise: int
    params: int
    min_bytes: int


def cost(module: nn.Module, input_shape: Sequence[int], work: Work | None = None) -> Cost:
    """Return the exact cost of ``module`` on one input of ``input_shape``.

    Args:
        module: an :class:`~upsample.Upsampler` or :class:`~upsample.GuidedUpsampler`; the dtype of its parameters
            decides the bytes.
        input_shape: ``(N, C_in, H, W)``.
        work: its arithmetic, where it was counted; from the module's closed form unless given.

    Raises:
        UpsampleError: ``module`` is not an upsampler of this library, or the shape does not fit it.
    """
    if not isinstance(module, AnyUpsampler):
        raise UpsampleError(
            f"cost() knows the closed form of upsample.Upsampler modules only; got {type(module).__name__}."
        )
    batch, channels, height, width = _checked_shape(module, input_shape)
    if work is None:
        work = module.work(batch, height, width)
    params = sum(parameter.numel() for parameter in module.parameters())
    output_shape = module.output_shape(input_shape)
    values = batch * channels * height * width + params + prod(output_shape)
    dtype = next((parameter.dtype for parameter in module.parameters()), torch.float32)
    guide_bytes = 0
    if isinstance(module, GuidedUpsampler):
        features = torch.empty(batch, module.guide_channels, *output_shape[2:], dtype=dtype, device="meta")
        guide_bytes = module.guide_from(features).nbytes
    return Cost(
        macs=work.flops // 2,
        flops=work.flops,
        elementwise=work.elementwise,
        params=params,
        min_bytes=values * dtype.itemsize + guide_bytes,
    )


def _checked_shape(module: AnyUpsampler, shape: Sequence[int]) -> tuple[int, int, int, int]:
    if len(shape) != 4 or min(shape) < 1 or shape[1] != module.in_channels:
        raise UpsampleError(
            f"the input shape must be (N, {module.in_channels}, H, W) with positive sizes; got {tuple(shape)}."
        )
    batch, channels, height, width = shape
    return batch, channels, height, width
