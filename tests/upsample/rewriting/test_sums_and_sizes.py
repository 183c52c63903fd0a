"""Sums of upsampled values, sizes that another tensor has, and values that are padded to it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.upsample.rewriting.checking import ALL, FEW, assert_rewritten, assert_same, given, model, rewritten, up
from upsample.rewriting.placement import Followed
from upsample.rewriting.rows import SUMS

PAIR = (((2, 4, 5, 6), (2, 4, 5, 6)), ((1, 4, 3, 4), (1, 4, 3, 4)), ((2, 4, 1, 1), (2, 4, 1, 1)))
SIZES = (((2, 4, 5, 6), (2, 4, 10, 12)), ((1, 4, 3, 4), (1, 4, 6, 8)), ((2, 4, 1, 1), (2, 4, 2, 2)))
OTHERS = (((2, 4, 5, 6), (2, 4, 11, 12)), ((2, 4, 4, 6), (2, 4, 9, 13)), ((1, 4, 3, 3), (1, 4, 9, 9)))
"""Of a skip that is not twice as large."""


def test_a_sum_of_upsampled_values_is_convolved_one_by_one() -> None:
    network = model(lambda m, x, y: m.conv(up(x) + up(y, "bilinear")))
    assert_rewritten(network, "sum(Upsample, Upsample) + Conv2d", *PAIR)
    three = model(lambda m, x, y: m.conv(up(x) + (up(y) + up(x, "bilinear"))))
    assert_rewritten(three, "sum(Upsample, Upsample, Upsample) + Conv2d", *PAIR)


def test_a_value_may_be_added_to_itself() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        u = up(x)
        return m.conv(u + u)

    assert_rewritten(model(forward), "sum(Upsample, Upsample) + Conv2d", ((2, 4, 5, 6),), ((1, 4, 1, 2),))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", SUMS)
def test_a_sum_with_what_is_at_full_size_is_written_into(name: str, mode: str) -> None:
    network = model(lambda m, x, k: F.relu(k + up(x, mode)))
    assert_rewritten(network, "Upsample + other", *SIZES, forms=[name])


@pytest.mark.parametrize(
    "added",
    [
        lambda u, k: torch.add(u, k, alpha=2),
        lambda u, k: u - k,
        lambda u, k: u + k[:, :1],
        lambda u, k: u * k,
        lambda u, k: u + k[:1, :, :1],
    ],
    ids=["alpha", "difference", "broadcast channels", "product", "broadcast rows"],
)
def test_other_sums_are_right_as_well(added: Any) -> None:
    network = model(lambda m, x, k: m.conv(added(up(x), k)))
    assert_rewritten(network, "Upsample", *SIZES, forms=["shuffled"], some=None)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_a_size_is_that_of_another_tensor_in_every_call(mode: str) -> None:
    def forward(m: Any, x: Tensor, k: Tensor) -> Any:
        return m.conv(torch.cat([k, F.interpolate(x, size=k.shape[2:], mode=mode)], 1))

    network = model(forward, nn.Conv2d(8, 3, 3, padding=1))
    assert_rewritten(network, "cat(Upsample, other) + Conv2d", *SIZES, *OTHERS, forms=ALL if mode == "nearest" else FEW)


def test_an_upsampled_value_is_padded_to_the_size_of_another() -> None:
    def forward(m: Any, x: Tensor, k: Tensor) -> Any:
        u = up(x)
        high, wide = k.shape[2] - u.shape[2], k.shape[3] - u.shape[3]
        u = F.pad(u, [wide // 2, wide - wide // 2, high // 2, high - high // 2])
        return m.conv(torch.cat([k, u], 1))

    network = model(forward, nn.Conv2d(8, 3, 3, padding=1))
    assert_rewritten(network, "cat(Upsample, other) + Conv2d", *SIZES, *OTHERS)


def runs(network: nn.Module, *inputs: Tensor) -> bool:
    """Whether the graph is what a call runs."""
    followed = vars(network)["forward"].__self__
    assert isinstance(followed, Followed)
    calls: list[Any] = []
    usual = followed._computed
    followed._computed = lambda leaves: calls.append(leaves) or usual(leaves)  # type: ignore[method-assign, func-returns-value]
    network(*inputs)
    del followed._computed
    return bool(calls)


def test_a_batch_of_one_beside_a_larger_one_stays_one() -> None:
    network = model(lambda m, x, gate: m.conv(up(x) * gate))
    inputs = given(((2, 4, 5, 6), (1, 4, 1, 1)))
    faster, _ = rewritten(network, *inputs)
    assert runs(faster, *inputs)
    assert_same(network, faster, inputs)
    assert_same(network, faster, given(((2, 4, 5, 6), (2, 4, 1, 1))))


def test_a_batch_of_one_becomes_any_other() -> None:
    network = model(lambda m, x: m.conv(up(x)))
    faster, _ = rewritten(network, *given(((1, 4, 5, 6),)))
    for batch in (1, 2, 5):
        inputs = given(((batch, 4, 3, 4),))
        assert runs(faster, *inputs)
        assert_same(network, faster, inputs)


def test_what_a_forward_pass_asks_of_sizes_is_asked_again() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        made = m.conv(up(x))
        made = made * 2 if x.shape[2] > 7 else made
        made = made * 3 if x.shape[0] % 2 else made
        return made * 5 if x.shape[2] * x.shape[3] % 3 == 0 else made

    sizes = [(2, 4, 5, 7), (2, 4, 9, 7), (3, 4, 5, 7), (1, 4, 3, 7), (4, 4, 8, 8)]
    assert_rewritten(model(forward), "Upsample + Conv2d", *((each,) for each in sizes), forms=["shuffled"])


def test_numbers_and_texts_in_an_output_are_those_of_the_call() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        made = m.conv(up(x))
        return made, made.shape, x.shape[2]

    network = model(forward)
    faster, report = rewritten(network, *given(((2, 4, 5, 6),)))
    assert [site.after for site in report.sites] == ["shuffled"]
    _, *expected = network(*given(((2, 4, 3, 4),)))
    _, *actual = faster(*given(((2, 4, 3, 4),)))
    assert actual == expected
    assert [type(each) for each in actual] == [torch.Size, int]


@pytest.mark.parametrize("odd", [lambda x: x.shape[2] / 4, lambda x: x.shape[2] > 5, lambda x: f"{x.shape[2]} rows"])
def test_what_is_computed_from_sizes_besides_is_not_taken_for_a_constant(odd: Any) -> None:
    network = model(lambda m, x: (m.conv(up(x)), odd(x)))
    faster, _ = rewritten(network, *given(((2, 4, 5, 6),)))
    for height in (5, 6):
        inputs = given(((2, 4, height, 6),))
        assert faster(*inputs)[1] == network(*inputs)[1]
