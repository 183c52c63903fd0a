"""The form that asks nothing of the interpolation: channels are mixed at low resolution, before they are upsampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import UnsupportedError, Work, conv_work
from upsample.exact.blocks import mixed
from upsample.exact.exact_form import ExactForm, Row, recording
from upsample.exact.layers import Padding, conv_padding, flops_per_output, mode_of, sides_of


@dataclass(frozen=True)
class Tap:
    """Where the plane of a tap goes.

    Attributes:
        index: of the plane.
        shift: how much is padded, or cropped where a number is negative: left, right, top, bottom.
        place, seen: the part of the output that sees something of the plane, and the part of the plane that is seen.
    """

    index: int
    shift: tuple[int, int, int, int]
    place: tuple[slice, ...]
    seen: tuple[slice, ...]

    @classmethod
    def of(cls, index: int, shift: tuple[int, int, int, int]) -> Tap:
        """Work out the parts."""
        left, right, top, bottom = shift
        every = slice(None), slice(None)
        place = (*every, _cut(top, bottom), _cut(left, right))
        return cls(index, shift, place, (*every, _cut(-top, -bottom), _cut(-left, -right)))

    @property
    def covers(self) -> bool:
        """Whether every output sees it."""
        return max(self.shift) <= 0


class MixedFirst(ExactForm):
    """Interpolation + convolution with the channels mixed first, by a 1×1 convolution for every tap at low resolution.

    An interpolation treats channels alike, so that mixing them commutes with it; what is left for the output's
    resolution is a sum over the k² taps, each shifted to its place. It pays where the output has few channels, and asks
    nothing of the interpolation.
    """

    title = "with channels mixed first"

    def _prepare(self, channels: int | None) -> None:
        kinds = [type(layer) for layer in self.usual]
        padded = len(kinds) == 3 and isinstance(self.usual[1], Padding)
        if kinds[:1] not in ([nn.Upsample], [nn.UpsamplingBilinear2d]) or kinds[1 + padded :] != [nn.Conv2d]:
            raise UnsupportedError("channels are mixed first for an interpolation and the convolution after it.")
        conv = self._conv
        if conv.stride != (1, 1) or conv.groups > 1:
            raise UnsupportedError("channels are mixed first for convolutions with stride 1 and without groups.")
        self._padding, self._mode = conv_padding(conv), conv.padding_mode.replace("zeros", "constant")
        if padded:
            layer = self.usual[1]
            assert isinstance(layer, Padding)
            if any(map(any, self._padding)) or getattr(layer, "value", 0) != 0:
                raise UnsupportedError("channels are mixed first where one layer pads, and with no constant but zero.")
            self._padding, self._mode = sides_of(layer), mode_of(layer)
        self._reaches = [(k - 1) * dilation for k, dilation in zip(conv.kernel_size, conv.dilation, strict=True)]
        by_hand = [low != high or low > reach for (low, high), reach in zip(self._padding, self._reaches, strict=True)]
        self._inside = self._mode != "constant" or any(by_hand)
        done = [0 if self._inside else low for low, _ in self._padding]
        (dilation_v, dilation_h), (reach_v, reach_h) = conv.dilation, self._reaches
        places = product(range(0, reach_v + 1, dilation_v), range(0, reach_h + 1, dilation_h))
        taps = [
            Tap.of(index, (done[1] - x, x + done[1] - reach_h, done[0] - y, y + done[0] - reach_v))
            for index, (y, x) in enumerate(places)
        ]
        self._first = next((tap for tap in taps if tap.covers), taps[0])
        self._others = [tap for tap in taps if tap is not self._first]
        # A tap that every output sees can carry the bias, which an interpolation leaves as it is: its weights sum to 1.
        self._carries = self._first.covers and not any(by_hand)

    @property
    def _conv(self) -> nn.Conv2d:
        conv = self.usual[-1]
        assert isinstance(conv, nn.Conv2d)
        return conv

    def fits(self, height: int, width: int) -> bool:
        with torch.device("meta"):
            high, wide = self.usual[0](torch.empty(1, 1, height, width)).shape[2:]
        if self._inside:
            high, wide = high + sum(self._padding[0]), wide + sum(self._padding[1])
        return bool(high > self._reaches[0] and wide > self._reaches[1])

    def _fits(self, input: Tensor) -> bool:
        # Seen of the planes, once they are made.
        return True

    def _weights(self) -> dict[str, Tensor]:
        # Tap by tap, so that the channels of one lie together.
        kernel = self._conv.weight.permute(2, 3, 0, 1).flatten(0, 2)[:, :, None, None]
        named, bias, outputs = {"kernel": kernel.contiguous()}, self._conv.bias, self._conv.out_channels
        if bias is None:
            return named
        if not self._carries:
            return {**named, "bias": bias[:, None, None]}
        before, after = self._first.index, len(self._others) - self._first.index
        return {**named, "carried_bias": F.pad(bias, (before * outputs, after * outputs))}

    def _makes(self, input: Tensor, size: Sequence[int]) -> bool:
        return True

    def _run(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        return self._run_to(None, input, weights)

    def _run_to(self, size: Sequence[int] | None, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        conv, small = self._conv, mixed(input, weights["kernel"], weights.get("carried_bias"))
        planes = Row(self.usual[0]).forward(small, size)
        if self._inside:
            (top, bottom), (left, right) = self._padding
            planes = F.pad(planes, (left, right, top, bottom), mode=self._mode)
        if planes.shape[2] <= self._reaches[0] or planes.shape[3] <= self._reaches[1]:
            # Some taps see nothing of it at all, and there may be no output.
            return self.usual.forward(input, size)
        output = _sum_of_shifted(planes.split(conv.out_channels, dim=1), self._first, self._others)
        return output.add_(weights["bias"]) if "bias" in weights else output

    def work(self, batch: int, height: int, width: int) -> Work:
        conv, taps = self._conv, prod(self._conv.kernel_size)
        with torch.device("meta"):
            high, wide = self.usual[0](torch.empty(1, 1, height, width)).shape[2:]
        mixing = conv_work(batch, conv.in_channels, conv.out_channels * taps, height * width, 1)
        interpolating = flops_per_output(self.usual[0]) * batch * conv.out_channels * taps * high * wide
        (top, bottom), (left, right), (reach_v, reach_h) = *self._padding, self._reaches
        high, wide = high + top + bottom - reach_v, wide + left + right - reach_h
        added = [
            prod(len(range(size)[cut]) for size, cut in zip((high, wide), tap.place[2:], strict=True))
            for tap in self._others
        ]
        if conv.bias is not None and not self._carries:
            added.append(high * wide)
        return mixing + Work(interpolating, batch * conv.out_channels * sum(added))


def _sum_of_shifted(planes: Sequence[Tensor], first: Tap, others: Sequence[Tap]) -> Tensor:
    """The sum of the planes of all taps, each shifted to its place, beginning with the first.

    As ``F.fold`` would have it, but two to ten times as fast on CPUs, and every exporter knows it.
    """
    if len(planes) == 1 and not any(first.shift):
        return planes[0]
    # Padding makes a new tensor, even by nothing.
    output = F.pad(planes[first.index], first.shift)
    # Writing into parts costs more than copying where it is recorded, for a graph or for gradients.
    recorded = recording() or output.requires_grad
    for tap in others:
        if recorded:
            output = output + F.pad(planes[tap.index], tap.shift)
        else:
            output[tap.place].add_(planes[tap.index][tap.seen])
    return output


def _cut(before: int, after: int) -> slice:
    """What is left without so many at either end, or all where a number is negative."""
    return slice(max(0, before), -after if after > 0 else None)
