"""Weights of published layers: their tensors find their places, and the layers compute the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import upsample
from tests.upsample.published_layers import COMPUTED, PLACED, normal
from upsample import UpsampleError, load_published, published_layouts

PAGE = Path(__file__).parents[2] / "docs" / "published_weights.md"

close: Any = {"rtol": 1e-9, "atol": 1e-9}


@pytest.mark.parametrize("which", COMPUTED)
def test_the_loaded_module_computes_what_the_published_layer_does(which: str) -> None:
    source, name, (in_channels, out_channels, scale), options, state, layer = COMPUTED[which]
    module = upsample.create(name, in_channels, out_channels, scale, **options).double()
    load_published(module, state, source)
    inputs = [normal(2, in_channels, 5, 7, seed=9)]
    if isinstance(module, upsample.GuidedUpsampler):
        inputs.append(normal(2, in_channels, 10, 14, seed=8))
    torch.testing.assert_close(module(*inputs), layer(*inputs), **close)


@pytest.mark.parametrize("which", PLACED)
def test_every_tensor_of_the_published_layer_finds_its_own_place(which: str) -> None:
    source, name, size, options, state, places = PLACED[which]
    module = upsample.create(name, *size, **options).double()
    load_published(module, state, source)
    loaded = module.state_dict()
    assert set(places) == set(loaded)
    for ours, theirs in places.items():
        assert torch.equal(loaded[ours].flatten(), state[theirs].flatten())


def test_every_layout_is_tried_here_and_stands_on_the_page() -> None:
    tried = {
        (source, type(upsample.create(name, *size, **options)))
        for source, name, size, options, *_ in [*COMPUTED.values(), *PLACED.values()]
    }
    assert {(layout.source, layout.cls) for layout in published_layouts()} == tried
    page = PAGE.read_text()
    for layout in published_layouts():
        assert f"`{layout.source}`, `{layout.layer}`" in page
        assert layout.note in page


def test_a_prefix_picks_one_layer_of_a_network() -> None:
    source, name, size, options, state, layer = COMPUTED["carafe"]
    module = upsample.create(name, *size, **options).double()
    load_published(
        module,
        {f"neck.up.1.{key}": tensor for key, tensor in state.items()} | {"neck.up.0.x": normal(1)},
        source,
        prefix="neck.up.1.",
    )
    input = normal(1, 6, 4, 4)
    torch.testing.assert_close(module(input), layer(input), **close)


def trained_bias() -> dict[str, Tensor]:
    return dict(COMPUTED["dysample, scope with bias"][4])


def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize(
    ("source", "state", "what"),
    [
        ("someone/else", {}, r"no layout of 'someone/else' is known for DySample; known are: tiny-smart/dysample\."),
        (
            "tiny-smart/dysample",
            trained_bias(),
            r"fit this DySample: as DySample, it has no place for range\.bias",
        ),
        ("tiny-smart/dysample", {}, r"nothing becomes offset\.weight and 2 more"),
        ("tiny-smart/dysample", without(trained_bias(), "scope.bias") | {"other": normal(1)}, "has no place for other"),
        (
            "tiny-smart/dysample",
            without(trained_bias(), "scope.bias") | {"offset.weight": normal(8, 16, 1, 1)},
            r"offset\.weight is \(8, 16, 1, 1\) there and \(32, 16, 1, 1\) here",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_the_module_as_it_was(
    source: str, state: dict[str, Tensor], what: str
) -> None:
    module = upsample.create("dysample_lp_plus", 16, 16, 2)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(UpsampleError, match=what):
        load_published(module, state, source)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_a_bias_that_was_never_trained_does_no_harm() -> None:
    source, _, size, _, state, _ = COMPUTED["dysample, scope with bias"]
    state = state | {"scope.bias": torch.zeros(32)}
    module = upsample.create("dysample_lp_plus", *size).double()
    load_published(module, state, source)
    assert torch.equal(module.range.weight, state["scope.weight"])


def test_the_page_shows_code_that_runs() -> None:
    shown = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    names: dict[str, Any] = {}
    exec(shown[1], names)
    assert torch.equal(names["module"].encode.bias, names["theirs"]["content_encoder.bias"])
