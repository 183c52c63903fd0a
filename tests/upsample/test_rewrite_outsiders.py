"""Networks that nobody here would write: ``rewrite`` is right about them or leaves them alone, and never fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from tests.upsample import random_networks
from tests.upsample.random_networks import preferring
from upsample.rewriting.search import find


@pytest.fixture(autouse=True)
def shuffled() -> Iterator[None]:
    with preferring("shuffled"):
        yield


class Calling(nn.Module):
    """Interpolates with whatever arguments, then convolves."""

    def __init__(self, channels: int = 8, **arguments: Any) -> None:
        super().__init__()
        self.arguments, self.conv = arguments, nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(F.interpolate(x, **self.arguments))
        return output


def rewritten(model: nn.Module, *inputs: Tensor) -> tuple[nn.Module, str]:
    """The network after rewriting, which must give the same at the example's size, and the report."""
    model.eval()
    faster, report = upsample.rewrite(model, inputs)
    assert_same(model, faster, *inputs)
    return faster, str(report)


def assert_same(model: nn.Module, faster: nn.Module, *inputs: Tensor) -> None:
    with torch.no_grad():
        torch.testing.assert_close(faster(*inputs), model(*inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["shuffled", "mixed_first"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"scale_factor": 1.5, "mode": "bilinear", "recompute_scale_factor": True},
        {"scale_factor": 2.0, "mode": "bilinear", "recompute_scale_factor": True},
        {"scale_factor": (1.5, 2.0), "mode": "nearest", "recompute_scale_factor": True},
        {"scale_factor": 2.7, "mode": "bicubic"},
        {"size": 31, "mode": "bilinear"},
        {"scale_factor": 2.0, "mode": "bilinear", "align_corners": True},
    ],
    ids=str,
)
def test_every_argument_is_honoured_at_every_size(arguments: dict[str, Any], form: str) -> None:
    model = Calling(**arguments)
    with preferring(form):
        faster, report = rewritten(model, torch.rand(1, 8, 12, 14))
    assert form != "mixed_first" or "-> mixed_first" in report, report
    for size in ((11, 13), (47, 5), (7, 8)):
        assert_same(model, faster, torch.rand(1, 8, *size))


def test_an_argument_that_is_not_known_here_is_refused() -> None:
    """Torch may come to have one more."""
    graph = torch.fx.Graph()
    input = graph.placeholder("x")
    graph.output(graph.call_function(F.interpolate, (input,), {"scale_factor": 2, "sharpen": 0.5}))
    ((_, reason),) = find(graph).left
    assert reason == "it is called with arguments that are not known here."


@pytest.mark.filterwarnings("ignore:Complex modules")
@pytest.mark.parametrize(
    ("layers", "shape", "dtype", "reason"),
    [
        (
            lambda: [nn.Upsample(scale_factor=2), nn.Conv1d(8, 3, 3, padding=1)],
            (1, 8, 16),
            torch.float32,
            "one or three dimensions",
        ),
        (lambda: [nn.Upsample(scale_factor=2), nn.Conv3d(2, 3, 3)], (1, 2, 4, 4, 4), torch.float32, "three dimensions"),
        (lambda: [nn.Conv2d(3, 12, 3), nn.PixelShuffle(2)], (3, 9, 9), torch.float32, "3 dimensions"),
        (lambda: [nn.ConvTranspose2d(3, 2, 4, 2, 1)], (3, 9, 9), torch.float32, "3 dimensions"),
        (lambda: [nn.Conv2d(3, 12, 3), nn.PixelShuffle(2)], (1, 3, 9, 9), torch.complex64, "complex64"),
        (lambda: [nn.PixelShuffle(2)], (1, 4, 9, 9), torch.int64, "int64"),
        (lambda: [nn.ConvTranspose2d(3, 2, 4, 2, 1)], (0, 3, 9, 9), torch.float32, "nothing"),
    ],
    ids=["1d", "3d", "shuffle without a batch", "transposed without a batch", "complex", "integers", "empty"],
)
def test_what_forms_are_not_known_for_is_left_alone(
    layers: Callable[[], list[nn.Module]], shape: tuple[int, ...], dtype: torch.dtype, reason: str
) -> None:
    model = nn.Sequential(*layers())
    if dtype.is_complex:
        model = model.to(dtype)
    _, report = rewritten(model, (10 * torch.rand(shape)).to(dtype))
    assert "left alone: " in report
    assert "->" not in report
    assert reason in report


class Layered(nn.Module):
    """Functional calls that no layer follows, and state of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.ones(1)
        self.inner = nn.Module()
        self.inner.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.inner.register_buffer("hidden", torch.ones(1), persistent=False)
        self.inner.register_buffer("shown", torch.ones(1))
        self.inner.register_parameter("unused", nn.Parameter(torch.ones(1)))
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.interpolate(x, scale_factor=2, mode="bilinear")) * self.scale
        output: Tensor = F.pixel_shuffle(self.norm(self.inner.conv(F.interpolate(x, scale_factor=2))), 2)
        return output


@pytest.mark.parametrize("form", ["shuffled", "phases", "transposed"])
def test_a_call_that_no_layer_follows_is_rewritten_and_the_state_stays(form: str) -> None:
    model = Layered()
    with preferring(form):
        faster, report = rewritten(model, torch.rand(1, 8, 9, 9))
    assert "left alone: it could" not in report
    assert "->" in report
    assert list(faster.state_dict()) == list(model.state_dict())
    again, _ = upsample.rewrite(faster, torch.rand(1, 8, 9, 9))
    assert_same(model, again, torch.rand(1, 8, 7, 6))


def test_a_frozen_normalisation_stays_frozen() -> None:
    model = Layered().train()
    model.norm.eval()
    faster, _ = upsample.rewrite(model, torch.rand(1, 8, 9, 9))
    for each in (model, faster):
        assert each.training
        assert not each.get_submodule("norm").training


def tail() -> list[nn.Module]:
    return [nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 3, padding=1)]


@pytest.mark.parametrize(
    "norm",
    [nn.utils.weight_norm, nn.utils.spectral_norm, nn.utils.parametrizations.weight_norm],
    ids=["weight_norm", "spectral_norm", "parametrised"],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("ran", [False, True])
def test_a_layer_whose_weight_is_computed_stays_and_the_rest_is_rewritten(
    norm: Callable[[nn.Module], nn.Module], ran: bool
) -> None:
    model = nn.Sequential(norm(nn.Conv2d(3, 8, 3, padding=1)), *tail())
    input = torch.rand(1, 3, 9, 9)
    if ran:
        model(input)
    faster, report = rewritten(model, input)
    assert "Upsample + Conv2d -> shuffled" in report
    assert model.state_dict().keys() == faster.state_dict().keys()


def test_a_buffer_that_was_computed_is_copied() -> None:
    model = nn.Sequential(*tail())
    model.register_buffer("computed", torch.ones(3, requires_grad=True) * 2)
    _, report = rewritten(model, torch.rand(1, 8, 9, 9))
    assert "-> shuffled" in report


@pytest.mark.parametrize("broken", ["lazy", "lock"])
def test_what_cannot_be_copied_is_left_alone(broken: str) -> None:
    import threading

    model = nn.Sequential(*tail())
    if broken == "lazy":
        model[2] = nn.LazyConv2d(3, 3)
    else:
        model.lock = threading.Lock()  # type: ignore[assignment]
    same, report = upsample.rewrite(model, torch.rand(1, 8, 9, 9))
    assert same is model
    assert "cannot be copied" in str(report)


class Reads(nn.Module):
    """Asks of its layers what only they have; ``how`` says what."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.up, self.conv = nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 3, padding=1)
        self.last = nn.ConvTranspose2d(3, 2, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "attribute":
            assert self.up.scale_factor == 2
            assert self.conv.out_channels == 3
        elif self.how == "class":
            assert isinstance(self.up, nn.Upsample)
        elif self.how == "method":
            assert self.conv.reset_parameters is not None
        elif self.how == "weight":
            x = x.to(self.conv.weight.dtype)
        elif self.how == "another way" and not isinstance(self.conv, nn.Conv2d):
            x = x + 1
        output: Tensor = self.last(F.relu(self.conv(self.up(x))))
        return output


@pytest.mark.parametrize("how", ["attribute", "weight", "class", "method", "another way"])
def test_whatever_a_network_reads_of_its_layers_is_there(how: str) -> None:
    model = Reads(how)
    faster, report = rewritten(model, torch.rand(1, 8, 9, 9))
    assert report.count("-> shuffled") == 2, report
    assert_same(model, faster, torch.rand(1, 8, 6, 7))


class WithOutputSize(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(8, 1, 9, stride=2, padding=4)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.up(x, output_size=(2 * x.shape[2], 2 * x.shape[3]))
        return output


def test_an_output_size_of_the_call_is_honoured() -> None:
    model = WithOutputSize()
    faster, _ = rewritten(model, torch.rand(1, 8, 9, 9))
    assert_same(model, faster, torch.rand(1, 8, 6, 7))


class Remembers(nn.Module):
    """Assigns to itself in its forward pass."""

    def __init__(self, functional: bool) -> None:
        super().__init__()
        self.mean, self.functional = torch.zeros(1, 8, 1, 1), functional
        self.conv, self.shuffle = nn.Conv2d(8, 12, 3, padding=1), nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        self.mean = self.mean.type_as(x)
        self.seen = x
        made = self.conv(x - self.mean)
        return F.pixel_shuffle(made, 2) if self.functional else self.shuffle(made)


@pytest.mark.parametrize("functional", [False, True])
def test_a_network_that_assigns_to_itself_still_does(functional: bool) -> None:
    model, input = Remembers(functional), torch.rand(1, 8, 9, 9)
    faster, report = rewritten(model, input)
    assert "conv: Conv2d + PixelShuffle -> shuffled" in report
    assert torch.equal(faster.seen, input)  # type: ignore[arg-type]
    assert not isinstance(faster.mean, torch.fx.Proxy)


class Weighing(nn.Module):
    """Updates a weight in place in every call."""

    def __init__(self) -> None:
        super().__init__()
        self.row = nn.Sequential(*tail())

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.row[2].weight.mul_(0.5)
        output: Tensor = self.row(x)
        return output


def test_a_network_that_changes_its_weights_is_left_as_it_was() -> None:
    model, input = Weighing(), torch.rand(1, 8, 9, 9)
    before = model.row[2].weight.clone()
    faster, _ = upsample.rewrite(model, input)
    assert torch.equal(model.row[2].weight, before)
    for _ in range(3):
        assert_same(model, faster, input)


class Collecting(nn.Module):
    """Keeps what it has seen in a list, counts in a buffer, and writes into its input."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []
        self.register_buffer("count", torch.zeros(()))
        self.conv = nn.Conv2d(8, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        x.mul_(0.5)
        self.seen.append(x)
        output: Tensor = F.pixel_shuffle(self.conv(x), 2) + self.count
        return output


def test_what_a_network_keeps_for_itself_is_kept() -> None:
    model, input = Collecting(), torch.rand(1, 8, 9, 9)
    faster, report = upsample.rewrite(model, input)
    assert "its forward pass cannot be recorded: " in str(report)
    assert model.seen == faster.seen == []
    for _ in range(2):
        with torch.no_grad():
            torch.testing.assert_close(model(input.clone()), faster(input.clone()))
    assert len(faster.seen) == 2  # type: ignore[arg-type]


class HooksItself(nn.Module):
    """Installs a hook on one of its parts in the first call, and remembers that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.row, self.installed, self.seen = nn.Sequential(*tail()), False, 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.installed:
            self.row[0].register_forward_hook(lambda *_: setattr(self, "seen", self.seen + 1))
            self.installed = True
        output: Tensor = self.row(x)
        return output


def test_hooks_that_a_network_installs_itself_are_installed_once() -> None:
    model, input = HooksItself(), torch.rand(1, 8, 9, 9)
    faster, report = upsample.rewrite(model, input)
    assert "-> shuffled" in str(report)
    assert not faster.row[0]._forward_hooks
    faster(input)
    assert len(faster.row[0]._forward_hooks) == 1


def test_a_scripted_part_does_not_keep_the_rest_from_being_rewritten() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()))
    _, report = rewritten(nn.Sequential(scripted, *tail()), torch.rand(1, 3, 9, 9))
    assert "Upsample + Conv2d -> shuffled" in report


def test_a_parametrised_transposed_convolution_is_left_alone_once() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.ConvTranspose2d(8, 3, 4, 2, 1)))
    _, report = rewritten(model, torch.rand(1, 8, 9, 9))
    assert report.count("left alone") == 1


class Differentiates(nn.Module):
    """Needs gradients in its forward pass, as energy-based networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.row = nn.Sequential(*tail())

    def forward(self, x: Tensor) -> Tensor:
        x = x.requires_grad_()
        (gradient,) = torch.autograd.grad(self.row(x).sum(), x)
        return gradient


def test_a_network_that_needs_gradients_to_run_is_left_alone() -> None:
    _, report = upsample.rewrite(Differentiates(), torch.rand(1, 8, 9, 9))
    assert "its forward pass needs gradients" in str(report)


@dataclass
class Output:
    image: Tensor
    note: str = "a text"


class Structured(nn.Module):
    def __init__(self, empty: bool) -> None:
        super().__init__()
        self.row, self.empty = nn.Sequential(*tail()), empty

    def forward(self, x: Tensor) -> Any:
        made = self.row(x)
        return None if self.empty else Output(made)


def test_an_output_is_compared_whatever_holds_it() -> None:
    model = Structured(empty=False).eval()
    faster, report = upsample.rewrite(model, torch.rand(1, 8, 9, 9))
    assert "-> shuffled" in str(report)
    input = torch.rand(1, 8, 5, 6)
    torch.testing.assert_close(faster(input).image, model(input).image, rtol=1e-4, atol=1e-5)


class Branching(nn.Module):
    """What it does depends on values, behind what it upsamples."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        large = nn.functional.interpolate(x, scale_factor=2.0)
        return large if large.sum() < 1e30 else 2 * large


def test_nothing_is_said_of_what_cannot_be_recorded_but_in_the_report(capfd: pytest.CaptureFixture[str]) -> None:
    _, report = upsample.rewrite(Branching(), torch.rand(1, 3, 8, 8), seconds=0)
    assert "cannot be recorded" in str(report)
    assert capfd.readouterr() == ("", "")


def test_without_an_output_to_compare_nothing_is_rewritten() -> None:
    _, report = upsample.rewrite(Structured(empty=True), torch.rand(1, 8, 9, 9))
    assert "its output holds no tensor" in str(report)


def test_random_numbers_stay_what_they_are() -> None:
    model = nn.Sequential(*tail())
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    upsample.rewrite(model, torch.ones(1, 8, 9, 9))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(0, 80, 10))
def test_random_networks_are_right_at_every_size_and_none_fails(first: int) -> None:
    """And they are worth their time: some of every ten run and are rewritten."""
    found = [random_networks.outcome(seed) for seed in range(first, first + 10)]
    assert found.count("rewritten") >= 1
    assert found.count(random_networks.NOT_TRIED) <= 8
