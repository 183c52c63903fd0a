"""The form that asks nothing of the interpolation: channels are mixed at low resolution, before they are upsampled."""

from __future__ import annotations

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import UnsupportedError, Work, conv_work
from upsample.exact.exact_form import ExactForm
from upsample.exact.layers import conv_padding, flops_per_output


class MixedFirst(ExactForm):
    """Interpolation + convolution with the channels mixed first, by a 1×1 convolution for every tap at low resolution.

    An interpolation treats channels alike, so that mixing them commutes with it; what is left for the output's
    resolution is a sum over the k² taps, each shifted to its place. It pays where the output has few channels, and asks
    nothing of the interpolation.
    """

    title = "with channels mixed first"

    def _prepare(self, channels: int | None) -> None:
        kinds = [type(layer) for layer in self.usual]
        if kinds not in ([nn.Upsample, nn.Conv2d], [nn.UpsamplingBilinear2d, nn.Conv2d]):
            raise UnsupportedError("channels are mixed first for an interpolation and the convolution after it.")
        conv = self._conv
        if conv.stride != (1, 1) or conv.groups > 1:
            raise UnsupportedError("channels are mixed first for convolutions with stride 1 and without groups.")
        self._padding = conv_padding(conv)
        self._reaches = [(k - 1) * dilation for k, dilation in zip(conv.kernel_size, conv.dilation, strict=True)]
        by_hand = [low != high or low > reach for (low, high), reach in zip(self._padding, self._reaches, strict=True)]
        self._inside = conv.padding_mode != "zeros" or any(by_hand)
        done = [0 if self._inside else low for low, _ in self._padding]
        self._rest = [reach - padding for reach, padding in zip(self._reaches, done, strict=True)]

    @property
    def _conv(self) -> nn.Conv2d:
        conv = self.usual[1]
        assert isinstance(conv, nn.Conv2d)
        return conv

    def _fits(self, input: Tensor) -> bool:
        return True

    def _weights(self) -> dict[str, Tensor]:
        kernel = self._conv.weight.flip(2, 3).permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None]
        named = {"kernel": kernel.contiguous()}
        return named if self._conv.bias is None else {**named, "bias": self._conv.bias[:, None, None]}

    def _run(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        conv = self._conv
        planes: Tensor = self.usual[0](F.conv2d(input, weights["kernel"]))
        if self._inside:
            mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
            (top, bottom), (left, right) = self._padding
            planes = F.pad(planes, (left, right, top, bottom), mode=mode)
        (rest_v, rest_h), (reach_v, reach_h) = self._rest, self._reaches
        size = (planes.shape[2] + reach_v - 2 * rest_v, planes.shape[3] + reach_h - 2 * rest_h)
        output = F.fold(planes.flatten(2), size, conv.kernel_size, conv.dilation, (rest_v, rest_h))
        return output + weights["bias"] if "bias" in weights else output

    def work(self, batch: int, height: int, width: int) -> Work:
        conv, planes = self._conv, self._conv.out_channels * prod(self._conv.kernel_size)
        with torch.device("meta"):
            high, wide = self.usual[0](torch.empty(1, 1, height, width)).shape[2:]
        mixing = conv_work(batch, conv.in_channels, planes, height * width, 1)
        interpolating = flops_per_output(self.usual[0]) * batch * planes * high * wide
        padding = self._padding if self._inside else ((0, 0), (0, 0))
        summed = planes * (high + sum(padding[0])) * (wide + sum(padding[1]))
        (top, bottom), (left, right), (reach_v, reach_h) = *self._padding, self._reaches
        outputs = (high + top + bottom - reach_v) * (wide + left + right - reach_h)
        biased = conv.out_channels * outputs if conv.bias is not None else 0
        return mixing + Work(interpolating, batch * (summed + biased))
