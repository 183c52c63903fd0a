"""The layers that are known to be linear, each as the stage of an operator: its axes, and what it does to channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import UnsupportedError, Work
from upsample.exact.axis import convolution_axis, interpolation_axis, padding_axis, shuffle_axis, transposed_axis
from upsample.families.transposed import zero_stuff
from upsample.resampling import FLOPS_PER_OUTPUT, Mode


@dataclass(frozen=True)
class Stage:
    """One linear layer.

    Attributes:
        axes: the matrices of the vertical and the horizontal axis, from the size.
        scales: by how much each grows.
        mix: the kernel ``(O, C/groups, taps, taps)`` with which channels meet, from the layer's present weights; None
            where they do not.
        groups: of channels that do not meet here.
        shuffle: the factor with which channels become positions.
        adds: whether it adds values of its own: a bias everywhere, or a constant outside its input.
    """

    axes: tuple[partial[Tensor], partial[Tensor]]
    scales: tuple[int, int]
    mix: Callable[[], Tensor] | None = None
    groups: int = 1
    shuffle: int = 1
    adds: Literal["nothing", "everywhere", "outside"] = "nothing"


Padding = nn.ConstantPad2d | nn.ReflectionPad2d | nn.ReplicationPad2d | nn.CircularPad2d

PADDING_MODES: dict[type[nn.Module], str] = {
    nn.ConstantPad2d: "constant",
    nn.ReflectionPad2d: "reflect",
    nn.ReplicationPad2d: "replicate",
    nn.CircularPad2d: "circular",
}


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
            factor, torch's two-dimensional padding layers, or :class:`ZeroStuff`.

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
    return Stage((vertical, horizontal), (1, 1), partial(_kernel, layer), layer.groups, adds=_bias_of(layer))


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
    mix = partial(_transposed_kernel, layer)
    return Stage((vertical, horizontal), _pair(layer.stride), mix, layer.groups, adds=_bias_of(layer))


def _kernel(layer: nn.Conv2d) -> Tensor:
    return layer.weight.double()


def _transposed_kernel(layer: nn.ConvTranspose2d) -> Tensor:
    # Torch keeps (C, O/groups, k, k).
    kernel: Tensor = layer.weight.double().unflatten(0, (layer.groups, -1)).transpose(1, 2).flatten(0, 1)
    return kernel


def _bias_of(layer: nn.Conv2d | nn.ConvTranspose2d) -> Literal["nothing", "everywhere"]:
    return "nothing" if layer.bias is None else "everywhere"


def _shuffle(layer: nn.PixelShuffle) -> Stage:
    scale = layer.upscale_factor
    axis = partial(shuffle_axis, scale)

    return Stage((axis, axis), (scale, scale), shuffle=scale)


def _padding(layer: Padding) -> Stage:
    (top, bottom), (left, right) = sides_of(layer)
    vertical, horizontal = (partial(padding_axis, each, mode_of(layer)) for each in ((top, bottom), (left, right)))
    adds: Literal["nothing", "outside"] = "outside" if getattr(layer, "value", 0) != 0 else "nothing"
    return Stage((vertical, horizontal), (1, 1), adds=adds)


def sides_of(layer: Padding) -> tuple[tuple[int, int], tuple[int, int]]:
    """How much a padding layer adds before and after the vertical and the horizontal axis."""
    left, right, top, bottom = layer.padding
    return (top, bottom), (left, right)


def mode_of(layer: Padding) -> str:
    """The name that ``torch.nn.functional.pad`` has for what a layer pads with."""
    return next(mode for kind, mode in PADDING_MODES.items() if isinstance(layer, kind))


def _upsample(layer: nn.Upsample) -> Stage:
    scales = _pair(layer.scale_factor)
    if layer.size is not None or any(scale is None or scale != int(scale) for scale in scales):
        raise UnsupportedError(f"interpolation by a whole factor repeats; {layer} may not.")
    whole = (int(scales[0]), int(scales[1]))
    vertical, horizontal = (partial(interpolation_axis, scale, layer.mode, layer.align_corners) for scale in whole)
    return Stage((vertical, horizontal), whole)


def _zero_stuff(layer: ZeroStuff) -> Stage:
    axis = partial(transposed_axis, 1, layer.scale, 0, layer.scale - 1, 1)
    return Stage((axis, axis), (layer.scale, layer.scale))


def usual_work(layers: Sequence[nn.Module], input: Tensor) -> Work:
    """Return the arithmetic of the layers themselves on an input like this one."""
    work, meta = Work(), input.to("meta")
    for layer in layers:
        before = meta
        weights = {name: parameter.to("meta") for name, parameter in layer.named_parameters()}
        with torch.no_grad():
            meta = torch.func.functional_call(layer, weights, before)
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


def _full_name(kind: type) -> str:
    own = kind.__module__.startswith("torch.nn.")
    return kind.__name__ if own else f"{kind.__module__}.{kind.__qualname__}"


def _pair(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) else (value, value)


_STAGES: dict[type[nn.Module], Callable[[Any], Stage]] = {
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed,
    nn.PixelShuffle: _shuffle,
    **dict.fromkeys([*PADDING_MODES, nn.ZeroPad2d], _padding),
    nn.Upsample: _upsample,
    nn.UpsamplingNearest2d: _upsample,
    nn.UpsamplingBilinear2d: _upsample,
    ZeroStuff: _zero_stuff,
}
