"""What every upsampler promises: its shapes, its definition, its work in closed form, and how it refuses.

A new upsampler is one subclass of :class:`Upsampler` with a :class:`Card`, registered in its family's file. How cards
are looked up is the catalogue's business, not this file's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

Kind = Literal["operator", "network", "definition"]
Preset = Literal["quick", "full"]


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
        year: of the paper.
        advice: one line for somebody who has to choose.
        kind: ``operator`` competes for the verdicts; ``network`` is a whole model around an upsampler and takes the
            photograph itself; ``definition`` is a textbook form that nobody should deploy.
        preset: the smallest preset grid of the benchmark that includes it.
        options: arguments of the class that make this upsampler, such as the mode of an interpolation.
    """

    name: str
    family: str
    title: str
    paper: str
    year: int
    advice: str
    kind: Kind = "operator"
    preset: Preset = "quick"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """Arithmetic of one forward pass: ``flops`` by the library's convention, ``elementwise`` counted apart."""

    flops: int = 0
    elementwise: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.elementwise + other.elementwise)


class Upsampler(nn.Module, ABC):
    """Maps ``(N, in_channels, H, W)`` to ``(N, out_channels, scale * H, scale * W)``.

    Args:
        in_channels: channels of the input, at least 1.
        out_channels: channels of the output, at least 1.
        scale: the whole factor by which height and width grow, at least 2.

    Raises:
        UpsampleError: a channel count is not a positive whole number.
        UnsupportedError: the scale is not one that this upsampler can do.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__()
        for label, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if not isinstance(channels, int) or isinstance(channels, bool) or channels < 1:
                raise UpsampleError(f"{label} must be a whole number of at least 1; got {channels!r}.")
        reason = self.refusal(scale)
        if reason is not None:
            raise UnsupportedError(reason)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.scale = scale

    @classmethod
    def refusal(cls, scale: object) -> str | None:
        """Say in one sentence why this class cannot do ``scale``, or return None when it can."""
        if not isinstance(scale, int) or isinstance(scale, bool) or scale < 2:
            return f"{cls.__name__} takes whole scales of at least 2; got {scale!r}."
        return None

    @abstractmethod
    def forward(self, input: Tensor) -> Tensor:
        """Upsample ``(N, in_channels, H, W)`` the way the field implements it."""

    @abstractmethod
    def definition(self, input: Tensor) -> Tensor:
        """Return what :meth:`forward` returns, spelt from the formula with the same weights: the oracle, not fast."""

    @abstractmethod
    def work(self, batch: int, height: int, width: int) -> Work:
        """Return the exact arithmetic of :meth:`forward` on an input of ``(batch, in_channels, height, width)``."""

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int, int, int, int]:
        """Return ``(N, out_channels, scale * H, scale * W)`` for an input of ``(N, in_channels, H, W)``."""
        batch, _, height, width = input_shape
        return batch, self.out_channels, height * self.scale, width * self.scale

    def extra_repr(self) -> str:
        return f"in_channels={self.in_channels}, out_channels={self.out_channels}, scale={self.scale}"


def conv_work(batch: int, in_channels: int, out_channels: int, positions: int, kernel_size: int) -> Work:
    """Work of a dense square convolution: 2 * N * C_in * C_out * k^2 FLOPs per position.

    ``positions`` are those of the output for a convolution and those of the input for a transposed convolution.
    """
    return Work(flops=2 * batch * in_channels * out_channels * positions * kernel_size**2)


def same_padding(kernel_size: int) -> int:
    """Return the padding with which a convolution keeps the size of its input.

    Raises:
        UpsampleError: the kernel is even, so that no padding does.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise UpsampleError(f"kernel_size must be odd, so that the convolution keeps the size; got {kernel_size}.")
    return kernel_size // 2


def power_of_two(scale: int) -> bool:
    """Whether ``scale`` is 2, 4, 8 …: what an upsampler made of ×2 stages can reach."""
    return scale >= 2 and scale & (scale - 1) == 0
