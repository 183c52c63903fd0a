"""``torch.compile(model, backend=upsample.backend)``: the same output at every size, with the weights of the moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from tests.upsample.random_networks import preferring
from upsample.exact.forms import FORMS
from upsample.rewriting.report import SiteReport


class Decoder(nn.Module):
    """A branch on the size, an interpolation to a skip's size, and both side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.second = nn.Conv2d(10, 3, 3, padding=1)

    def forward(self, input: Tensor, skip: Tensor) -> Tensor:
        if input.shape[2] > 100:
            input = input[:, :, :100]
        features = self.first(F.interpolate(input, scale_factor=2.0, mode="nearest"))
        features = F.leaky_relu(self.norm(features), 0.1)
        features = F.interpolate(features, size=skip.shape[2:], mode="nearest")
        output: Tensor = self.second(torch.cat([features, skip], 1))
        return output


class Breaks(nn.Module):
    """What runs depends on values, which TorchDynamo's graph ends at."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.runs = nn.Conv2d(4, 3, 3, padding=1), 0

    def forward(self, input: Tensor) -> Tensor:
        self.runs += 1
        if input.sum() > 1e9:
            return input
        output: Tensor = self.conv(F.interpolate(input, scale_factor=2.0))
        return output


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    torch.manual_seed(0)
    yield
    torch._dynamo.reset()


def compiled(model: nn.Module, inner: str, **options: Any) -> tuple[Callable[..., Tensor], list[SiteReport]]:
    reports: list[SiteReport] = []
    chosen = {"inner": inner, "reports": reports, "seconds": 0, **options}
    return torch.compile(model, backend=upsample.backend, options=chosen), reports


def given(height: int, width: int, scale: int = 4) -> tuple[Tensor, Tensor]:
    return torch.rand(2, 4, height, width).double(), torch.rand(2, 4, scale * height, scale * width).double()


@pytest.mark.parametrize("inner", ["eager", "aot_eager"])
@pytest.mark.parametrize("form", FORMS)
def test_the_output_is_the_same_at_every_size(form: str, inner: str) -> None:
    model = Decoder().double().eval()
    with preferring(form), torch.no_grad():
        faster, reports = compiled(model, inner)
        for inputs in (given(8, 9), given(11, 8), given(3, 2), given(5, 6, 6)):
            torch.testing.assert_close(faster(*inputs), model(*inputs), rtol=0, atol=1e-12)
    assert {report.name for report in reports} == {"first", "second"}
    assert reports[0].before == "Upsample + Conv2d"
    assert reports[1].before == "cat(Upsample, other) + Conv2d"
    assert any(report.after for report in reports)


@pytest.mark.parametrize("inner", ["eager", "aot_eager"])
def test_weights_that_change_are_followed(inner: str) -> None:
    model = Decoder().double().eval()
    with preferring("shuffled"), torch.no_grad():
        faster, _ = compiled(model, inner)
        faster(*given(8, 9))
        for change in (lambda p: p.mul_(1.5), lambda p: p.add_(0.1)):
            for parameter in model.parameters():
                change(parameter)
            model.first.weight = nn.Parameter(model.first.weight * 2)
            inputs = given(8, 9)
            torch.testing.assert_close(faster(*inputs), model(*inputs), rtol=0, atol=1e-11)


def test_a_graph_may_end_where_values_decide() -> None:
    model = Breaks().double().eval()
    with preferring("shuffled"), torch.no_grad():
        faster, reports = compiled(model, "eager")
        input = torch.rand(1, 4, 8, 8).double()
        torch.testing.assert_close(faster(input), model(input), rtol=0, atol=1e-12)
    assert [report.after for report in reports] == ["shuffled"]
    assert model.runs == 2


def test_gradients_are_those_of_the_network() -> None:
    model = Decoder().double().eval()
    faster, reports = compiled(model, "aot_eager")
    inputs = given(5, 6)
    gradients = []
    for each in (faster, model):
        model.zero_grad()
        each(*inputs).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    torch.testing.assert_close(*gradients)
    assert all("gradients are wanted" in report.reason for report in reports)


def test_what_is_not_faster_is_compiled_as_it_is() -> None:
    model = Decoder().double().eval()
    with preferring("usual"), torch.no_grad():
        faster, reports = compiled(model, "eager")
        inputs = given(8, 9)
        assert torch.equal(faster(*inputs), model(*inputs))
    assert not any(report.after for report in reports)


def test_an_option_that_there_is_not_is_named() -> None:
    with pytest.raises(Exception, match="has no option 'fast'; it has inner, least_gain, seconds, reports"):
        compiled(Decoder().double(), "eager", fast=True)[0](*given(4, 4))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_inductor_compiles_what_was_rewritten() -> None:
    model = Decoder().eval()
    with preferring("shuffled"), torch.no_grad():
        faster, reports = compiled(model, "inductor")
        for inputs in (given(8, 9), given(11, 8)):
            single = [each.float() for each in inputs]
            torch.testing.assert_close(faster(*single), model(*single), rtol=1e-4, atol=1e-5)
    assert any(report.after for report in reports)
