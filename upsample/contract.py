"""What every upsampler promises: its shapes, its definition, its work in closed form, and how it refuses.

A new upsampler is one subclass of :class:`Upsampler` (or of :class:`GuidedUpsampler`, where a second input tells it
where the edges are) with a :class:`Card`, registered in its family's file. How cards are looked up is the catalogue's
business, not this file's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

Kind = Literal["operator", "network", "definition"]
Preset = Literal["quick", "full"]
Scale = int | float | tuple[float, float]
"""A whole factor, a fractional one, or one each for height and width."""


class UpsampleError(ValueError):
    """The base of this library's errors: one sentence for a person."""


class UnknownUpsamplerError(UpsampleError):
    """No upsampler has the name that was asked for."""


class UnsupportedError(UpsampleError):
    """The upsampler exists but is not defined for these settings, such as a scale it cannot do."""


@dataclass(frozen=True)
class Card:
    """What the catalogue knows of one upsampler by name.

    Attributes:
        name: the identifier given to :func:`upsample.create`.
        family: the group it belongs to, one file of this package each.
        title: what a table calls it.
        paper: first author and venue of the source.
        year: of the paper; None without one.
        advice: one line for somebody who has to choose.
        kind: ``operator`` competes for the verdicts; ``network`` is a whole model around an upsampler and takes the
            photograph itself; ``definition`` is a textbook form that nobody should deploy.
        preset: the smallest preset grid of the benchmark that includes it.
        options: arguments of the class that make this upsampler, such as the mode of an interpolation.
        exact_form_of: the name of the upsampler that it computes in another way, if any.
    """

    name: str
    family: str
    title: str
    paper: str
    year: int | None
    advice: str
    kind: Kind = "operator"
    preset: Preset = "quick"
    options: Mapping[str, Any] = field(default_factory=dict)
    exact_form_of: str | None = None


@dataclass(frozen=True)
class Work:
    """Arithmetic of one forward pass: ``flops`` by the library's convention, ``elementwise`` counted apart."""

    flops: int = 0
    elementwise: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.elementwise + other.elementwise)


class AnyUpsampler(nn.Module, ABC):
    """What every upsampler promises; derive from :class:`Upsampler`, or from :class:`GuidedUpsampler`.

    Maps ``(N, in_channels, H, W)`` to ``(N, out_channels, floor(H * s_y), floor(W * s_x))``; for a whole scale that is
    ``scale * H`` and ``scale * W``.

    Args:
        in_channels: channels of the input, at least 1.
        out_channels: channels of the output, at least 1.
        scale: how much height and width grow: a whole number of at least 2; where the class is ``fractional`` also a
            number above 1, or a pair of them for height and width.

    Class attributes:
        fractional: whether scales such as 1.5 or (2, 1.5) are possible.
        stages_of: the factors that it is built from, where it cannot do every whole scale: powers of the first, and any
            other by itself.
        keeps_channels: as many channels come out as went in.
        local: an output pixel depends on nothing further than seven input pixels away, such as the image's size.
        stated: whether :meth:`work` is known in closed form and :meth:`definition` is spelt apart from ``forward``.

    Attributes:
        factors: the scale of height and of width.
        scale: the whole scale; there only where it is one.

    Raises:
        UpsampleError: a channel count is not a positive whole number.
        UnsupportedError: the scale or the channels are not such that this upsampler can do them.
    """

    fractional: ClassVar[bool] = False
    stages_of: ClassVar[tuple[int, ...]] = ()
    keeps_channels: ClassVar[bool] = False
    local: ClassVar[bool] = True
    stated: ClassVar[bool] = True

    scale: int
    definition: Callable[..., Tensor]

    def __init__(self, in_channels: int, out_channels: int, scale: Scale) -> None:
        super().__init__()
        for label, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if not isinstance(channels, int) or isinstance(channels, bool) or channels < 1:
                raise UpsampleError(f"{label} must be a whole number of at least 1; got {channels!r}.")
        reason = self.refusal(scale)
        if reason is not None:
            raise UnsupportedError(reason)
        if self.keeps_channels and in_channels != out_channels:
            raise UnsupportedError(
                f"{type(self).__name__} keeps the number of channels; got {in_channels} in and {out_channels} out."
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        vertical, horizontal = scale if isinstance(scale, tuple) else (scale, scale)
        self.factors = (float(vertical), float(horizontal))
        if isinstance(scale, int):
            self.scale = scale

    @classmethod
    def refusal(cls, scale: object) -> str | None:
        """Say in one sentence why this class cannot do ``scale``, or return None when it can."""
        if cls.fractional:
            pair = scale if isinstance(scale, tuple) else (scale, scale)
            if len(pair) != 2 or not all(_above_one(factor) for factor in pair):
                return f"{cls.__name__} takes scales above 1, or a pair of them; got {scale!r}."
        elif not isinstance(scale, int) or isinstance(scale, bool) or scale < 2:
            return f"{cls.__name__} takes whole scales of at least 2; got {scale!r}."
        elif cls.stages_of and not stage_factors(scale, cls.stages_of):
            stages = ", or one of ".join(map(str, cls.stages_of))
            able = [str(number) for number in range(2, 10) if stage_factors(number, cls.stages_of)]
            return f"{cls.__name__} is built from stages of {stages}: scales {', '.join(able)}, …; got {scale}."
        return None

    def linear_layers(self) -> list[nn.Module]:
        """Return layers that compute in a row what ``forward`` does, with its parameters, for the exact forms.

        Empty unless a class says otherwise: it is not linear, or not made of layers that the exact forms know.
        """
        return []

    @abstractmethod
    def work(self, batch: int, height: int, width: int) -> Work:
        """Return the exact arithmetic of ``forward`` on an input of ``(batch, in_channels, height, width)``."""

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output, rounded down as ``torch.nn.functional.interpolate`` does."""
        return int(height * self.factors[0]), int(width * self.factors[1])

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int, int, int, int]:
        """Return the shape of the output for an input of ``(N, C_in, H, W)``."""
        batch, _, height, width = input_shape
        return batch, self.out_channels, *self.output_size(height, width)

    def extra_repr(self) -> str:
        vertical, horizontal = (f"{factor:g}" for factor in self.factors)
        scale = vertical if vertical == horizontal else f"({vertical}, {horizontal})"
        return f"in_channels={self.in_channels}, out_channels={self.out_channels}, scale={scale}"


class Upsampler(AnyUpsampler):
    """An upsampler that needs nothing but the low-resolution input."""

    @abstractmethod
    def forward(self, input: Tensor) -> Tensor:
        """Upsample ``(N, in_channels, H, W)`` the way the field implements it, without waste."""

    @abstractmethod
    def definition(self, input: Tensor) -> Tensor:
        """Return what :meth:`forward` returns, spelt from the formula with the same weights: the oracle, not fast."""


class GuidedUpsampler(AnyUpsampler):
    """An upsampler that is told where the edges are by a second input, such as an encoder's features.

    Attributes:
        guide_channels: channels of the high-resolution features that the guide is made from.
        guided_by_image: the guide is the image itself in RGB, not an encoder's features.
    """

    guided_by_image: ClassVar[bool] = False

    guide_channels: int

    @abstractmethod
    def forward(self, input: Tensor, guide: Tensor) -> Tensor:
        """Upsample ``(N, in_channels, H, W)`` as ``guide``, made by :meth:`guide_from`, says."""

    @abstractmethod
    def definition(self, input: Tensor, guide: Tensor) -> Tensor:
        """Return what :meth:`forward` returns, spelt from the formula with the same weights: the oracle, not fast."""

    def guide_from(self, features: Tensor) -> Tensor:
        """Return the guide that belongs to features of ``(N, guide_channels, s·H, s·W)``: themselves, unless stated."""
        return features


def _above_one(factor: object) -> bool:
    return isinstance(factor, int | float) and not isinstance(factor, bool) and isfinite(factor) and factor > 1


def conv_work(batch: int, in_channels: int, out_channels: int, positions: int, kernel_size: int) -> Work:
    """Work of a dense square convolution: 2 * N * C_in * C_out * k^2 FLOPs per position.

    ``positions`` are those of the output for a convolution and those of the input for a transposed convolution.
    """
    return Work(flops=2 * batch * in_channels * out_channels * positions * kernel_size**2)


def leaky_relu_by_definition(input: Tensor, negative_slope: float) -> Tensor:
    """``x`` where it is positive, ``negative_slope * x`` elsewhere: the activation that many definitions need."""
    return torch.where(input >= 0, input, negative_slope * input)


def softmax_work(values: int) -> Work:
    """Work of a softmax: five element-wise operations a value (maximum, difference, exponential, sum, quotient)."""
    return Work(elementwise=5 * values)


def same_padding(kernel_size: int) -> int:
    """Return the padding with which a convolution keeps the size of its input.

    Raises:
        UpsampleError: the kernel is even, so that no padding does.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise UpsampleError(f"kernel_size must be odd, so that the convolution keeps the size; got {kernel_size}.")
    return kernel_size // 2


def stage_factors(scale: int, stages_of: Sequence[int]) -> list[int]:
    """Return the factors of the stages that make ``scale``: a power of the first factor, or another by itself.

    Empty where none do.
    """
    first, *others = stages_of
    if scale in others:
        return [scale]
    count = 0
    while scale > 1 and scale % first == 0:
        scale //= first
        count += 1
    return [first] * count if scale == 1 else []
