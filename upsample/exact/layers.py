"""The layers that are known to be linear, each as the stage of an operator: its axes, and what it does to channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import UnsupportedError, Work
from upsample.exact.axis import convolution_axis, interpolation_axis, shuffle_axis, transposed_axis
from upsample.families.transposed import zero_stuff
from upsample.resampling import FLOPS_PER_OUTPUT, Mode


@dataclass(frozen=True)
class Stage:
    """One linear layer.

    Attributes:
        axes: the matrices of the vertical and the horizontal axis, from the size.
        scales: by how much each grows.
        after: from the kernel ``(O, C/groups, taps, taps)`` of all layers before this one to that of all with it; None
            stands for layers that leave every channel on its own.
        groups: of channels that do not meet here.
    """

    axes: tuple[partial[Tensor], partial[Tensor]]
    scales: tuple[int, int]
    after: Callable[[Tensor | None], Tensor | None]
    groups: int = 1


class ZeroStuff(nn.Module):
    """Insert ``scale - 1`` zeros after every value: ``(N, C, H, W)`` to ``(N, C, s·H, s·W)``."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(zero_stuff(input, self.scale), (0, self.scale - 1, 0, self.scale - 1))


def stage(layer: nn.Module) -> Stage:
    """Describe one layer.

    Args:
        layer: ``nn.Conv2d`` with stride 1, ``nn.ConvTranspose2d``, ``nn.PixelShuffle``, ``nn.Upsample`` by a whole
            factor, or :class:`ZeroStuff`.

    Raises:
        UnsupportedError: any other; one sentence says why.
    """
    # A subclass may do anything else besides.
    describe = _STAGES.get(type(layer))
    if describe is None:
        raise UnsupportedError(f"{_full_name(type(layer))} is not known to be linear.")
    return describe(layer)


def _convolution(layer: nn.Conv2d) -> Stage:
    if layer.stride != (1, 1):
        raise UnsupportedError(f"a convolution with stride {layer.stride} throws away what was upsampled.")
    vertical, horizontal = (
        partial(convolution_axis, kernel, padding, dilation, layer.padding_mode)
        for kernel, padding, dilation in zip(layer.kernel_size, conv_padding(layer), layer.dilation, strict=True)
    )
    return Stage((vertical, horizontal), (1, 1), partial(_after_convolution, layer), layer.groups)


def conv_padding(layer: nn.Conv2d) -> tuple[tuple[int, int], ...]:
    """Return how many positions a convolution adds before and after each axis."""
    if layer.padding == "valid":
        return ((0, 0), (0, 0))
    if layer.padding == "same":
        needed = [dilation * (kernel - 1) for kernel, dilation in zip(layer.kernel_size, layer.dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in needed)
    assert not isinstance(layer.padding, str)
    return tuple((padding, padding) for padding in layer.padding)


def _transposed(layer: nn.ConvTranspose2d) -> Stage:
    settings = zip(layer.kernel_size, layer.stride, layer.padding, layer.output_padding, layer.dilation, strict=True)
    vertical, horizontal = (partial(transposed_axis, *each) for each in settings)  # type: ignore[arg-type]

    return Stage((vertical, horizontal), _pair(layer.stride), partial(_after_transposed, layer), layer.groups)


def _after_convolution(layer: nn.Conv2d, before: Tensor | None) -> Tensor:
    return _contract(before, layer.weight)


def _after_transposed(layer: nn.ConvTranspose2d, before: Tensor | None) -> Tensor:
    # Torch keeps (C, O/groups, k, k).
    return _contract(before, layer.weight.unflatten(0, (layer.groups, -1)).transpose(1, 2).flatten(0, 1))


def _contract(before: Tensor | None, weight: Tensor) -> Tensor:
    """The kernel of two layers for every pair of their taps, the second's outermost, as the axes have them."""
    weight = weight.double()
    if before is None:
        return weight
    both = torch.einsum("omby,mcax->ocbayx", weight, before)
    return both.flatten(4, 5).flatten(2, 3)


def _shuffle(layer: nn.PixelShuffle) -> Stage:
    scale = layer.upscale_factor
    axis = partial(shuffle_axis, scale)

    return Stage((axis, axis), (scale, scale), partial(_after_shuffle, scale))


def _after_shuffle(scale: int, before: Tensor | None) -> Tensor:
    assert before is not None
    split: Tensor = before.unflatten(0, (-1, scale, scale)).permute(0, 3, 1, 4, 2, 5)
    return split.flatten(4, 5).flatten(2, 3)


def _upsample(layer: nn.Upsample) -> Stage:
    scales = _pair(layer.scale_factor)
    if layer.size is not None or any(scale is None or scale != int(scale) for scale in scales):
        raise UnsupportedError(f"interpolation by a whole factor repeats; {layer} may not.")
    whole = (int(scales[0]), int(scales[1]))
    vertical, horizontal = (partial(interpolation_axis, scale, layer.mode, layer.align_corners) for scale in whole)
    return Stage((vertical, horizontal), whole, _unchanged)


def _zero_stuff(layer: ZeroStuff) -> Stage:
    axis = partial(transposed_axis, 1, layer.scale, 0, layer.scale - 1, 1)
    return Stage((axis, axis), (layer.scale, layer.scale), _unchanged)


def usual_work(layers: Sequence[nn.Module], input: Tensor) -> Work:
    """Return the arithmetic of the layers themselves on an input like this one."""
    work, meta = Work(), input.to("meta")
    for layer in layers:
        before = meta
        with torch.no_grad():
            meta = deepcopy(layer).to("meta")(before)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            positions = (before if isinstance(layer, nn.ConvTranspose2d) else meta)[:, 0].numel()
            pairs = layer.in_channels * layer.out_channels // layer.groups
            work += Work(flops=2 * positions * pairs * prod(layer.kernel_size))
        elif isinstance(layer, nn.Upsample):
            work += Work(flops=flops_per_output(layer) * meta.numel())
    return work


def flops_per_output(layer: nn.Module) -> int:
    """Return what an interpolation costs for each value that it makes."""
    assert isinstance(layer, nn.Upsample)
    return FLOPS_PER_OUTPUT[cast(Mode, layer.mode)]


def _unchanged(before: Tensor | None) -> Tensor | None:
    return before


def _full_name(kind: type) -> str:
    own = kind.__module__.startswith("torch.nn.")
    return kind.__name__ if own else f"{kind.__module__}.{kind.__qualname__}"


def _pair(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) else (value, value)


_STAGES: dict[type[nn.Module], Callable[[Any], Stage]] = {
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed,
    nn.PixelShuffle: _shuffle,
    nn.Upsample: _upsample,
    nn.UpsamplingNearest2d: _upsample,
    nn.UpsamplingBilinear2d: _upsample,
    ZeroStuff: _zero_stuff,
}
