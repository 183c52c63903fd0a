"""Kernels that are kept from call to call belong to the weights of the call, and to the mode that it is made in."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.upsample.rewriting.checking import ALL, given, model, rewritten, up
from upsample.exact.seen import Seen

SHAPES = ((2, 4, 5, 6), (2, 4, 10, 12))


def beside(form: str = "shuffled") -> tuple[nn.Module, nn.Module]:
    """A network whose convolution's weights are split between two terms, before and after."""
    network = model(lambda m, x, k: m.conv(torch.cat([up(x), k], 1)), nn.Conv2d(8, 3, 3, padding=1))
    faster, report = rewritten(network, *given(SHAPES), form=form)
    assert report.gain is not None
    return network, faster


def train(*networks: nn.Module) -> None:
    with torch.no_grad():
        for network in networks:
            for parameter in network.parameters():
                parameter.mul_(1.5).add_(0.1)


def assert_equal(network: nn.Module, faster: Callable[..., Any]) -> None:
    torch.testing.assert_close(faster(*given(SHAPES)), network(*given(SHAPES)))


def test_weights_that_went_to_another_precision_and_back() -> None:
    network, faster = beside()
    with torch.no_grad():
        assert_equal(network, faster)
        for each in (network, faster):
            each.bfloat16().double()
        assert_equal(network, faster)


def test_weights_that_got_other_memory() -> None:
    network, faster = beside()
    with torch.no_grad():
        assert_equal(network, faster)
        for each in (network, faster):
            each.conv.weight.data = each.conv.weight.data * 2
        assert_equal(network, faster)


def test_kernels_made_without_gradients_serve_with_them() -> None:
    network, faster = beside()
    faster.requires_grad_(False)
    train(network, faster)
    with torch.inference_mode():
        assert_equal(network, faster)
    x, skip = given(SHAPES)
    faster(x.requires_grad_(), skip).sum().backward()
    assert x.grad is not None


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_derivatives_along_a_direction_of_the_weights() -> None:
    network, faster = beside()
    weights = {name: each.detach() for name, each in network.named_parameters()}

    def along(module: nn.Module) -> Any:
        def called(own: Any) -> Any:
            return torch.func.functional_call(module, own, given(SHAPES))

        return torch.func.jvp(called, (weights,), (weights,))

    torch.testing.assert_close(along(faster), along(network))
    assert_equal(network, faster)


def test_many_networks_at_once() -> None:
    network, faster = beside()
    stacked = {name: torch.stack([each, 2 * each, -each]).detach() for name, each in network.named_parameters()}

    inputs = given(SHAPES)

    def all_of(module: nn.Module) -> Any:
        return torch.vmap(lambda own: torch.func.functional_call(module, own, inputs))(stacked)

    torch.testing.assert_close(all_of(faster), all_of(network))
    with torch.no_grad():
        assert_equal(network, faster)
    assert_equal(network, deepcopy(faster))


@pytest.mark.parametrize("form", ALL)
def test_many_inputs_at_once(form: str) -> None:
    network, faster = beside(form)
    x, skip = given(((3, *SHAPES[0]), (3, *SHAPES[1])))
    with torch.no_grad():
        for dims, args in (((0, 0), (x, skip)), ((None, 0), (x[0], skip)), ((0, None), (x, skip[0]))):
            expected = torch.vmap(network, dims)(*args)
            torch.testing.assert_close(torch.vmap(faster, dims)(*args), expected)


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("runtime", ["export", "compile", "trace"])
def test_what_is_recorded_after_training_has_the_trained_weights(runtime: str, assign: bool) -> None:
    network, faster = beside()
    train(network)
    faster.load_state_dict(deepcopy(network.state_dict()), assign=assign)
    if runtime == "export":
        assert_equal(network, torch.export.export(faster, given(SHAPES)).module())
    elif runtime == "trace":
        with torch.no_grad(), pytest.warns():
            assert_equal(network, torch.jit.trace(faster, given(SHAPES)))
    else:
        with torch.no_grad():
            compiled = torch.compile(faster, backend="eager")
            assert_equal(network, compiled)
            train(network, faster)
            assert_equal(network, compiled)
            torch.compiler.reset()


def test_a_tensor_is_still_what_it_was() -> None:
    tensor = nn.Parameter(torch.ones(3))
    seen = Seen(tensor)
    assert seen.still(tensor)
    assert not seen.still(nn.Parameter(torch.ones(3)))
    with torch.no_grad():
        tensor.add_(1)
    assert not seen.still(tensor)
    seen = Seen(tensor)
    tensor.data = tensor.data.clone()
    assert not seen.still(tensor)
    view: Tensor = tensor.detach()[1:]
    assert Seen(view).still(view)
