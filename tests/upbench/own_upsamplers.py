"""Classes that know nothing of this library, as a user would bring them."""

from __future__ import annotations

import os
import signal
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample import Card, Upsampler, Work


class Plain(nn.Module):
    """Nearest and a convolution, written by somebody else."""

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.conv(F.interpolate(input, scale_factor=self.scale))
        return output


class Sorting(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input.sort(dim=1).values, scale_factor=self.scale)


class Worldly(Plain):
    """Sees the whole image: the mean of every channel is taken away."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input - input.mean((2, 3), keepdim=True))


class Silent(Plain):
    """As many heads start: with zeros."""

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__(in_channels, out_channels, scale)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)


class TooSmall(Plain):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input)[:, :, 1:]


class TooManyChannels(Plain):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).repeat(1, 2, 1, 1)


class NotANumber(Plain):
    def forward(self, input: Tensor) -> Tensor:
        return torch.log(super().forward(input))


class Fatal(Plain):
    """Takes its process with it."""

    def forward(self, input: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(input)


class Greedy(Plain):
    """Asks for a pebibyte."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + input.new_empty(1 << 50).sum()


class Unjoined(Plain):
    """Leaves a GPU work on a stream that nobody waits for."""

    def forward(self, input: Tensor) -> Tensor:
        output, side = super().forward(input), torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            torch.cuda._sleep(20_000_000)
        return output


class Hanging(Plain):
    """Never answers."""

    def forward(self, input: Tensor) -> Tensor:
        time.sleep(600)
        return super().forward(input)


class Stated(Upsampler):
    """Repeats pixels; its contract is stated in full."""

    keeps_channels = True
    card = Card("stated", "mine", "My repeat", "Me", 2026, "A class with a card of its own.")

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, scale_factor=self.scale)

    def definition(self, input: Tensor) -> Tensor:
        return input.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)

    def work(self, batch: int, height: int, width: int) -> Work:
        return Work()


def no_class() -> None:
    """Not something that can be built."""
