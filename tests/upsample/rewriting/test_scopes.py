"""Which modules are recorded: as few as a site needs, since every part of a recorded module costs seconds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import upsample
from upsample.rewriting.observe import observe


class Upsampler(nn.Module):
    """Nearest neighbours and a convolution in one module, as in decoders of autoencoders."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.up, self.conv = nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.conv(self.up(input))
        return output


class Residual(nn.Module):
    """Reads what it is given twice, once by a 1×1 convolution; which of the two comes first is to be chosen."""

    def __init__(self, channels: int, shortcut_first: bool) -> None:
        super().__init__()
        self.norm, self.conv = nn.GroupNorm(2, channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.shortcut, self._shortcut_first = nn.Conv2d(channels, channels, 1), shortcut_first

    def forward(self, input: Tensor) -> Tensor:
        if self._shortcut_first:
            shortcut: Tensor = self.shortcut(input)
            return shortcut + self.conv(self.norm(input).relu())
        made: Tensor = self.conv(self.norm(input).relu())
        return made + self.shortcut(input)


def scopes(network: nn.Module) -> list[nn.Module]:
    """The modules that a site is looked for in."""
    given = torch.randn(1, 4, 5, 6)
    with torch.no_grad():
        return [scope.module for scope in observe(network, lambda: network(given))[1]]


def test_a_convolution_that_others_read_as_well_leads_no_further() -> None:
    network = nn.Sequential(Upsampler(4), Residual(4, shortcut_first=False))
    assert scopes(network) == [network[0]]


def test_one_that_the_next_alone_reads_leads_there() -> None:
    network = nn.Sequential(Upsampler(4), nn.Conv2d(4, 4, 1))
    assert scopes(network) == [network]


def test_what_is_recorded_for_nothing_is_right_all_the_same() -> None:
    network = nn.Sequential(Upsampler(4), Residual(4, shortcut_first=True)).eval()
    given = torch.randn(1, 4, 5, 6)
    rewritten, report = upsample.rewrite(network, given, least_gain=-1.0, seconds=0.01)
    assert [site.before for site in report.sites] == ["Upsample + Conv2d"]
    torch.testing.assert_close(rewritten(given), network(given))
