"""A rewritten network does what the network would do, whatever is done to both after it was rewritten."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.upsample.rewriting.checking import assert_same, given, model, rewritten, up

EXAMPLE = ((2, 4, 5, 6),)


def alike_after(change: Callable[[nn.Module], Any], forward: Any, **attributes: Any) -> None:
    layers = {name: each for name, each in attributes.items() if isinstance(each, nn.Module)}
    network = model(forward, **layers)
    for name, value in attributes.items():
        if name not in layers:
            setattr(network, name, value)
    inputs = given(EXAMPLE)
    faster, report = rewritten(network, *inputs)
    assert [site.after for site in report.sites] == ["shuffled"], report
    assert_same(network, faster, inputs)
    for each in (network, faster):
        change(each)
    assert_same(network, faster, inputs)


@pytest.mark.parametrize(
    ("value", "read", "change"),
    [
        (2.0, lambda m: m.own, lambda m: setattr(m, "own", 5.0)),
        ([2.0, 3.0], lambda m: m.own[0], lambda m: m.own.__setitem__(0, 5.0)),
        ({"gain": {"now": 2.0}}, lambda m: m.own["gain"]["now"], lambda m: m.own["gain"].update(now=5.0)),
        (SimpleNamespace(gain=[2.0]), lambda m: m.own.gain[0], lambda m: setattr(m.own, "gain", [5.0])),
        ([torch.ones(1)], lambda m: m.own[0], lambda m: m.own.__setitem__(0, torch.full((1,), 5.0))),
        (None, lambda m: 1 if m.own is None else m.own, lambda m: setattr(m, "own", torch.full((1,), 5.0))),
        (torch.relu, lambda m: m.own(torch.full((1,), -2.0)), lambda m: setattr(m, "own", torch.tanh)),
    ],
    ids=["number", "list", "nested", "configuration", "list of tensors", "missing", "function"],
)
def test_a_setting(value: Any, read: Any, change: Any) -> None:
    alike_after(change, lambda m, x: m.conv(up(x)) * read(m), own=value)


def test_a_private_setting() -> None:
    alike_after(lambda m: setattr(m, "_gain", 5.0), lambda m, x: m.conv(up(x)) * m._gain, _gain=2.0)


class Doubling(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * 2


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m.conv, "bias", None),
        lambda m: setattr(m.conv, "forward", lambda x: F.conv2d(x, m.conv.weight)),
        lambda m: setattr(m.conv, "__class__", Doubling),
        lambda m: setattr(m.conv, "padding", (0, 0)),
        lambda m: setattr(m, "conv", nn.Identity()),
        lambda m: nn.utils.parametrize.register_parametrization(m.conv, "weight", nn.Flatten(0, 0)),
        lambda m: m.conv.register_forward_hook(lambda module, args, output: output * 2),
    ],
    ids=["bias", "forward", "class", "setting", "module", "parametrised", "hook"],
)
def test_a_layer(change: Any) -> None:
    alike_after(change, lambda m, x: m.conv(up(x)))


class Encoder(nn.Module):
    """Has a method of its own, by which nobody sees it called."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)

    def encode(self, x: Tensor) -> Tensor:
        return self.norm(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("forward", "change"),
    [
        (lambda m, x: m.conv(up(m.part.encode(x))), lambda m: m.part.norm.train()),
        (lambda m, x: m.conv(up(m.part.norm.forward(x))), lambda m: m.part.norm.train()),
        (
            lambda m, x: m.conv(up(m.part.encode(x))),
            lambda m: m.part.norm.register_forward_hook(lambda module, args, output: output * 2),
        ),
    ],
    ids=["method", "forward", "hook"],
)
def test_a_part_that_is_not_called_as_a_whole(forward: Any, change: Any) -> None:
    alike_after(change, forward, part=Encoder())


def test_a_hook_that_gradients_call() -> None:
    calls: list[str] = []
    network = model(lambda m, x: m.conv(up(x)))
    faster, _ = rewritten(network, *given(EXAMPLE))
    faster.conv.register_full_backward_hook(lambda *_: calls.append("later"))
    (input,) = given(EXAMPLE)
    faster(input.requires_grad_()).sum().backward()
    assert calls == ["later"]
    hooked = model(lambda m, x: m.conv(up(x)))
    hooked.conv.register_full_backward_hook(lambda *_: None)
    assert "Conv2d in it has hooks" in str(rewritten(hooked, *given(EXAMPLE))[1])


@pytest.mark.parametrize("after", [torch.float32, torch.float64])
def test_the_dtype_of_weights_that_inputs_are_brought_to(after: torch.dtype) -> None:
    network = model(lambda m, x: m.conv(up(x.to(m.conv.weight.dtype))))
    before = torch.float64 if after is torch.float32 else torch.float32
    network.to(before)
    (input,) = given(EXAMPLE)
    faster, _ = rewritten(network, input.to(before))
    for each in (network, faster):
        each.to(after)
    torch.testing.assert_close(faster(input.to(before)), network(input.to(before)))


class Settings:
    def __init__(self, gain: float) -> None:
        self.gain = gain


def test_what_else_a_call_is_given_may_change() -> None:
    network = model(
        lambda m, x, other: m.conv(up(x)) * (other.gain if isinstance(other, Settings) else float(other[0]))
    )
    for first, later in ((Settings(2.0), Settings(5.0)), (np.ones(2), np.full(2, 5.0))):
        faster, _ = rewritten(network, *given(EXAMPLE), first)
        torch.testing.assert_close(faster(*given(EXAMPLE), later), network(*given(EXAMPLE), later))
        if isinstance(first, Settings):
            first.gain = 7.0
            torch.testing.assert_close(faster(*given(EXAMPLE), first), network(*given(EXAMPLE), first))


class Held:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def test_what_else_a_call_returns_is_its_own() -> None:
    network = model(lambda m, x: (m.conv(up(x)), Held(x + 1)))
    faster, report = rewritten(network, *given(EXAMPLE))
    assert "it returns a Held" in str(report)
    (input,) = given(EXAMPLE, seed=3)
    assert torch.equal(faster(input)[1].tensor, input + 1)


@pytest.mark.parametrize("returns", [lambda x: (x, float(x.detach().mean())), lambda x: (x, int((x > 0).sum()) % 3)])
def test_a_part_that_returns_numbers_of_its_own(returns: Any) -> None:
    class Counts(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return returns(x)

    def forward(m: Any, x: Tensor) -> Any:
        made, number = m.part(x)
        return m.conv(up(made)) * number

    network = model(forward, part=Counts())
    faster, _ = rewritten(network, *given(EXAMPLE))
    for seed in range(3):
        assert_same(network, faster, given(EXAMPLE, seed))


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x[:, :1].clamp_(max=100.0),
        lambda x: x.view(-1).clamp_(max=100.0),
        lambda x: x[:, 2:].transpose(2, 3).clamp_(max=100.0),
        lambda x: F.hardtanh_(x, -100.0, 100.0),
    ],
    ids=["slice", "view", "turned", "itself"],
)
def test_what_was_upsampled_may_be_written_to_before_it_is_convolved(write: Any) -> None:
    """In the example nothing changes by it."""

    def forward(m: Any, x: Tensor) -> Any:
        x = x * 1
        large = up(x)
        write(x)
        return m.conv(large)

    network = model(forward)
    faster, _ = rewritten(network, *given(EXAMPLE))
    (input,) = given(EXAMPLE)
    assert_same(network, faster, (input * 1000,))


@pytest.mark.parametrize("how", ["no_grad", "detach", "method"])
def test_gradients_stop_where_they_stopped(how: str) -> None:
    class Still(nn.Module):
        @torch.no_grad()
        def still(self, x: Tensor) -> Tensor:
            return x * 2

    def forward(m: Any, x: Tensor) -> Any:
        if how == "no_grad":
            with torch.no_grad():
                still = x * 2
        else:
            still = (x * 2).detach() if how == "detach" else m.part.still(x)
        return m.conv(up(still)) + x.mean()

    network = model(forward, part=Still())
    faster, _ = rewritten(network, *given(EXAMPLE))
    assert_same(network, faster, given(EXAMPLE))


def test_a_copy_is_rewritten_as_well_and_a_replica_has_its_own_parameters() -> None:
    network = model(lambda m, x: m.conv(up(x)))
    faster, _ = rewritten(network, *given(EXAMPLE))
    copy = deepcopy(faster)
    replica = faster._replicate_for_data_parallel()
    replica._modules["conv"] = deepcopy(faster.conv)
    with torch.no_grad():
        for parameter in [*copy.parameters(), *replica.conv.parameters(), *network.parameters()]:
            parameter.mul_(2)
    assert_same(network, copy, given(EXAMPLE))
    (input,) = given(EXAMPLE)
    torch.testing.assert_close(replica(input), network(input))
