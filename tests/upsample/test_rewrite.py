"""Networks before and after ``upsample.rewrite``: the same output whichever form is the fastest, and no surprise."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import upsample
from tests.upsample.random_networks import preferring
from upsample.exact.forms import FORMS
from upsample.exact.shuffled import Shuffled


@pytest.fixture(autouse=True)
def prefer() -> Iterator[Callable[[str], None]]:
    """Decide which form is the fastest; shuffled unless a test says so."""
    with ExitStack() as stack:

        def decide(form: str) -> None:
            stack.enter_context(preferring(form))

        decide("shuffled")
        yield decide


class NearestTwice(nn.Module):
    """As in RRDBNet: functional interpolation, activations in between."""

    def __init__(self) -> None:
        super().__init__()
        self.up1, self.up2 = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.last, self.unused = nn.Conv2d(4, 3, 3, padding=1), nn.Linear(2, 2)
        self.register_buffer("mean", torch.zeros(3, 1, 1))

    def forward(self, input: Tensor) -> Tensor:
        features = F.leaky_relu(self.up1(F.interpolate(input, scale_factor=2, mode="nearest")), 0.2)
        features = F.leaky_relu(self.up2(F.interpolate(features, scale_factor=2, mode="nearest")), 0.2)
        return self.last(features) + self.mean  # type: ignore[no-any-return]


class OneUpsampleForAll(nn.Module):
    """One ``nn.Upsample`` called at every level, in front of different convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.first, self.second = nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 3, 5, padding=2)

    def forward(self, input: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        features = torch.relu(self.first(self.up(input)))
        return features, {"image": self.second(self.up(features))}


def staged() -> nn.Module:
    """EDSR's tail: all of it is linear."""
    stages = [nn.Conv2d(4, 16, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(4, 16, 3, padding=1), nn.PixelShuffle(2)]
    return nn.Sequential(nn.Sequential(*stages), nn.Conv2d(4, 3, 3, padding=1))


def deconvolution() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, 1), nn.PReLU(4), nn.ConvTranspose2d(4, 1, 9, 3, 4, 2))


def lone() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReLU())


class ManyWays(nn.Module):
    """Control flow that no graph can hold, around parts of which graphs can be made."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 3, padding=1))
        self.deconv = nn.ConvTranspose2d(4, 3, 4, 2, 1)

    def forward(self, input: Tensor) -> Tensor:
        if input.sum() > 1e9:
            return input
        return self.decoder(input) + self.deconv(input)  # type: ignore[no-any-return]


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "nearest twice": NearestTwice,
    "one upsample": OneUpsampleForAll,
    "staged": staged,
    "deconvolution": deconvolution,
    "many ways": ManyWays,
    "lone": lone,
}


def network(name: str) -> nn.Module:
    torch.manual_seed(1)
    return NETWORKS[name]().double().eval()


def trained_network(name: str) -> nn.Module:
    """The same with other weights."""
    model = network(name)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def example(height: int = 8, width: int = 10) -> Tensor:
    return torch.rand(2, 4, height, width, dtype=torch.float64)


def tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    return [tensor for each in (output.values() if isinstance(output, dict) else output) for tensor in tensors(each)]


def assert_same(one: nn.Module, other: nn.Module, input: Tensor, tolerance: float = 1e-12) -> None:
    for expected, actual in zip(tensors(one(input)), tensors(other(input)), strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_output_stays_at_every_size(name: str, form: str, prefer: Callable[[str], None]) -> None:
    prefer(form)
    model = network(name)
    rewritten, report = upsample.rewrite(model, example())
    assert any(site.after for site in report.sites), report
    with torch.no_grad():
        for size in ((8, 10), (13, 5), (3, 2), (1, 1)):
            assert_same(model, rewritten, example(*size))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_state_moves_both_ways(name: str) -> None:
    model = network(name)
    rewritten, _ = upsample.rewrite(model, example())
    trained = trained_network(name)
    rewritten.load_state_dict(trained.state_dict(), strict=True)
    back = network(name)
    back.load_state_dict(rewritten.state_dict(), strict=True)
    with torch.no_grad():
        assert_same(trained, rewritten, example())
        assert_same(trained, back, example())


@pytest.mark.parametrize("name", NETWORKS)
def test_other_tensors_can_take_the_parameters_place(name: str) -> None:
    rewritten, _ = upsample.rewrite(network(name), example())
    trained = trained_network(name)
    input = example()
    with torch.no_grad():
        before = tensors(rewritten(input))
        called = tensors(torch.func.functional_call(rewritten, dict(trained.state_dict()), (input,)))
        after = tensors(rewritten(input))
        for expected, actual in zip([*tensors(trained(input)), *before], [*called, *after], strict=True):
            torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
        rewritten.load_state_dict(trained.state_dict(), assign=True)
        assert_same(trained, rewritten, input)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_reach_the_parameters(name: str, form: str, prefer: Callable[[str], None]) -> None:
    prefer(form)
    model = network(name)
    rewritten, _ = upsample.rewrite(model, example())
    input = example()
    for each in (model, rewritten):
        sum(output.square().sum() for output in tensors(each(input))).backward()
    gradients = {key: parameter.grad for key, parameter in rewritten.named_parameters()}
    for key, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gradients[key], parameter.grad, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_kernels_follow_the_weights(name: str) -> None:
    model = network(name)
    rewritten, _ = upsample.rewrite(model, example())
    with torch.no_grad():
        for each in (model, rewritten):
            for parameter in each.parameters():
                parameter.mul_(1.5).add_(0.1)
        assert_same(model, rewritten, example())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "move", [deepcopy, lambda model: pickle.loads(pickle.dumps(model)), lambda m: m.float().double()]
)
def test_a_rewritten_network_is_a_module_like_any_other(name: str, move: Callable[[nn.Module], nn.Module]) -> None:
    rewritten, _ = upsample.rewrite(network(name), example())
    moved = move(rewritten)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.mul_(1.5)
        assert_same(_loaded(name, moved), moved, example(), tolerance=1e-6)


def _loaded(name: str, other: nn.Module) -> nn.Module:
    model = network(name)
    model.load_state_dict(other.state_dict())
    return model


@pytest.mark.parametrize("name", ["nearest twice", "one upsample", "staged", "deconvolution", "lone"])
def test_a_rewritten_network_can_be_exported(name: str) -> None:
    rewritten, _ = upsample.rewrite(network(name), example())
    exported = torch.export.export(rewritten, (example(),)).module()
    with torch.no_grad():
        assert_same(rewritten, exported, example())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_given_network_is_left_as_it_was(name: str) -> None:
    model = network(name)
    kinds = [type(module) for module in model.modules()]
    state = deepcopy(model.state_dict())
    upsample.rewrite(model, example())
    assert [type(module) for module in model.modules()] == kinds
    assert not any(module._forward_pre_hooks for module in model.modules())
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])


def test_a_network_in_training_mode_is_left_as_it_was_too() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Dropout2d(0.3), *decoder()).double().train()
    state = deepcopy(model.state_dict())
    rewritten, report = upsample.rewrite(model, example())
    assert [site.after for site in report.sites] == ["shuffled"]
    for each in (model, rewritten):
        assert each.training
        for key, value in each.state_dict().items():
            assert torch.equal(value, state[key])


class Skipping(nn.Module):
    """Takes a second argument that may be missing."""

    def __init__(self, functional: bool) -> None:
        super().__init__()
        self.up = nn.Identity() if functional else nn.Upsample(scale_factor=2)
        self.conv, self.functional = nn.Conv2d(4, 3, 3, padding=1), functional

    def forward(self, input: Tensor, skip: Tensor | None = None) -> Tensor:
        enlarged = F.interpolate(input, scale_factor=2) if self.functional else self.up(input)
        output: Tensor = self.conv(enlarged)
        return output if skip is None else output + skip


def test_an_argument_that_may_be_missing_still_may() -> None:
    model = Skipping(functional=False).double()
    rewritten, report = upsample.rewrite(model, example())
    assert [site.after for site in report.sites] == ["shuffled"]
    with torch.no_grad():
        assert_same(model, rewritten, example())
        skip = torch.rand(1, dtype=torch.float64)
        assert torch.equal(rewritten(example() * 0, skip), rewritten(example() * 0) + skip)


def test_an_argument_that_may_be_missing_may_be_given_where_the_forward_pass_is_replaced() -> None:
    model = Skipping(functional=True).double()
    rewritten, report = upsample.rewrite(model, example())
    assert [site.after for site in report.sites] == ["shuffled"]
    skip = torch.rand(1, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(rewritten(example() * 0, skip), model(example() * 0, skip))


@pytest.mark.parametrize("up", [nn.Upsample(scale_factor=2.5), nn.Upsample(size=(21, 30), mode="bilinear")])
def test_channels_are_mixed_first_where_nothing_repeats(up: nn.Module) -> None:
    model = nn.Sequential(up, nn.Conv2d(4, 1, 3, padding=1)).double()
    rewritten, report = upsample.rewrite(model, example())
    assert [site.after for site in report.sites] == ["mixed_first"]
    with torch.no_grad():
        assert_same(model, rewritten, example(7, 5))


def test_every_module_keeps_its_class_and_its_place() -> None:
    model = network("many ways")
    rewritten, _ = upsample.rewrite(model, example())
    assert [(name, type(part)) for name, part in rewritten.named_modules()] == [
        (name, type(part)) for name, part in model.named_modules()
    ]


def left_alone(model: nn.Module, input: Tensor | None = None) -> str:
    """Why nothing of this network is rewritten."""
    model = model.double().eval()
    input = example() if input is None else input
    rewritten, report = upsample.rewrite(model, input)
    assert not any(site.after for site in report.sites)
    assert report.gain is None
    with torch.no_grad():
        assert_same(model, rewritten, input, tolerance=0)
    return str(report)


def decoder(*between: nn.Module, **convolution: Any) -> nn.Sequential:
    conv = nn.Conv2d(4, 3, 3, **{"padding": 1, **convolution})
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), *between, conv)


def test_a_network_without_upsampling_says_so() -> None:
    assert left_alone(nn.Sequential(nn.Conv2d(4, 3, 3))) == "Nothing in this network looks like upsampling."


def test_an_activation_does_not_commute_with_an_interpolation_that_mixes_positions() -> None:
    bilinear = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReLU(), nn.Conv2d(4, 3, 3)).double()
    _, report = upsample.rewrite(bilinear, example())
    assert [site.before for site in report.sites] == ["Upsample"]


def test_a_convolution_with_a_stride_is_left_alone() -> None:
    _, report = upsample.rewrite(decoder(stride=2).double(), example())
    assert [site.before for site in report.sites] == ["Upsample"]


def test_what_is_not_faster_is_left_alone(prefer: Callable[[str], None]) -> None:
    prefer("usual")
    assert "no exact form is certainly faster here." in left_alone(decoder())


def test_hooks_are_called_as_before() -> None:
    calls: list[str] = []
    model = nn.Sequential(nn.Sequential(nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.ReLU()), nn.ConvTranspose2d(3, 3, 4, 2))
    model[0].register_forward_hook(lambda *_: calls.append("part"))
    model[1].register_forward_pre_hook(lambda *_: calls.append("layer"))
    rewritten, report = upsample.rewrite(model.double(), example())
    assert [site.after for site in report.sites] == ["shuffled", "shuffled"]
    calls.clear()
    rewritten(example())
    assert calls == ["part", "layer"]


def test_a_layer_with_hooks_inside_of_a_site_is_left_alone() -> None:
    model = decoder()
    model[0].register_forward_hook(lambda *_: None)
    assert "Upsample in it has hooks." in left_alone(model)


def test_a_hook_that_comes_later_is_called() -> None:
    rewritten, _ = upsample.rewrite(decoder().double(), example())
    rewritten[0].register_forward_hook(lambda *_: torch.zeros(2, 4, 16, 20, dtype=torch.float64))
    with torch.no_grad():
        bias = rewritten[1].bias[:, None, None].expand(3, 16, 20)
        torch.testing.assert_close(rewritten(example())[0], bias)


def test_a_layer_that_is_replaced_later_is_the_one_that_runs() -> None:
    rewritten, _ = upsample.rewrite(decoder().double(), example())
    rewritten[1] = nn.Identity()
    assert rewritten(example()).shape == (2, 4, 16, 20)


def test_in_training_mode_a_network_runs_as_it_always_did() -> None:
    class Dropped(NearestTwice):
        def forward(self, input: Tensor) -> Tensor:
            return F.dropout(super().forward(input), training=self.training)

    model = Dropped().double().eval()
    rewritten, report = upsample.rewrite(model, example())
    assert [site.after for site in report.sites] == ["shuffled", "shuffled"]
    for each in (model, rewritten):
        each.train()
    input = example()
    outputs = []
    for each in (model, rewritten):
        torch.manual_seed(3)
        outputs.append(each(input))
    assert torch.equal(*outputs)


def test_a_weight_that_is_computed_in_every_call_is_left_alone() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.ConvTranspose2d(4, 3, 4, 2, 1)))
    assert "its weight is computed in the forward pass." in left_alone(model)


def test_a_layer_that_is_called_twice_is_rewritten() -> None:
    layer = nn.ConvTranspose2d(4, 4, 4, 2, 1)
    model = nn.Sequential(layer, nn.ReLU(), layer).double()
    rewritten, report = upsample.rewrite(model, example())
    assert [site.after for site in report.sites] == ["shuffled"]
    with torch.no_grad():
        assert_same(model, rewritten, example(5, 6))


def test_layers_that_share_a_weight_are_rewritten() -> None:
    model = nn.Sequential(nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 4, 4, 2, 1)).double()
    model[2].weight = model[0].weight
    rewritten, report = upsample.rewrite(model, example())
    assert [site.after for site in report.sites] == ["shuffled", "shuffled"]
    assert rewritten[0].weight is rewritten[2].weight
    with torch.no_grad():
        rewritten[0].weight.mul_(2)
        model[0].weight.mul_(2)
        assert_same(model, rewritten, example())


def test_a_subclass_is_what_it_does() -> None:
    class Mine(nn.ConvTranspose2d):
        def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
            return super().forward(input) * 2

    model = nn.Sequential(Mine(4, 3, 4, 2, 1)).double()
    rewritten, report = upsample.rewrite(model, example())
    assert [site.after for site in report.sites] == ["shuffled"]
    with torch.no_grad():
        assert_same(model, rewritten, example(5, 6))


def test_a_size_that_the_forward_pass_computes_is_looked_at_in_every_call() -> None:
    class Aligned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 3, 3, padding=1)

        def forward(self, input: Tensor, like: Tensor) -> Tensor:
            return self.conv(F.interpolate(input, size=like.shape[2:]))  # type: ignore[no-any-return]

    model = Aligned().double()
    rewritten, report = upsample.rewrite(model, (example(), example(16, 20)))
    assert [site.after for site in report.sites] == ["shuffled"]
    with torch.no_grad():
        for size in ((16, 20), (17, 20), (24, 30), (8, 10), (5, 7)):
            input, like = example(), example(*size)
            torch.testing.assert_close(rewritten(input, like), model(input, like))


def test_aligned_corners_have_no_phases_but_channels_can_be_mixed_first() -> None:
    up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    _, report = upsample.rewrite(nn.Sequential(up, nn.Conv2d(4, 1, 3, padding=1)).double(), example())
    assert [site.after for site in report.sites] == ["mixed_first"]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_scripted_network_is_left_alone() -> None:
    model = torch.jit.script(decoder())
    assert "torch.jit" in left_alone(model)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_scripted_part_is_left_alone() -> None:
    assert "it is a torch.jit module" in left_alone(nn.Sequential(torch.jit.script(decoder())))


def test_a_compiled_network_is_left_alone() -> None:
    _, report = upsample.rewrite(torch.compile(decoder().double(), backend="eager"), example())
    assert "before torch.compile" in str(report)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantised_layers_are_left_alone() -> None:
    quantised = torch.ao.nn.quantized
    model = nn.Sequential(
        quantised.Quantize(0.01, 0, torch.quint8), quantised.ConvTranspose2d(4, 3, 4, 2, 1), quantised.DeQuantize()
    )
    rewritten, report = upsample.rewrite(model, example().float())
    assert "quantized" in str(report)
    assert_same(model, rewritten, example().float(), tolerance=0)


def test_a_form_that_would_change_the_output_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shuffled, "_interior", lambda self, low, weights: self.usual(low) + 1)
    assert "the output would differ by" in left_alone(nn.Sequential(nn.ConvTranspose2d(4, 3, 4, 2, 1)))


def test_a_network_that_fails_on_the_example_is_an_error() -> None:
    with pytest.raises(upsample.UpsampleError, match="the model fails on the example"):
        upsample.rewrite(decoder(), torch.rand(1, 5, 4, 4))


def test_the_report_says_what_was_done_and_what_not() -> None:
    _, report = upsample.rewrite(network("nearest twice"), example())
    first, second, whole = str(report).splitlines()
    assert second.startswith("up2: Upsample + Conv2d -> shuffled")
    assert first.startswith("up1: Upsample + Conv2d -> shuffled, 1.50x (1.50 to 1.50) faster, 1.")
    assert whole.startswith("whole network: 1.50x (1.50 to 1.50) faster")
