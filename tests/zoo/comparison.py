"""A network of the zoo before and after its rewriting: what must be the same of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

import upsample
from examples.zoo import Entry, Example, Inputs

LOOSE = 1e-3
"""Of gradients in float32, as a share of the largest of a tensor."""


def tensors(output: Any) -> Iterator[Tensor]:
    """The tensors of an output, whatever holds them."""
    if isinstance(output, Tensor):
        yield output
        return
    parts: Sequence[Any] = ()
    if isinstance(output, Mapping):
        parts = list(output.values())
    elif isinstance(output, (list, tuple)):
        parts = output
    elif is_dataclass(output):
        parts = [getattr(output, each.name) for each in fields(output)]
    for part in parts:
        yield from tensors(part)


def network(entry: Entry) -> nn.Module:
    """A network whose every tensor counts: what starts as a constant, such as a bias of zero, is moved."""
    torch.manual_seed(0)
    model = entry.make()
    with torch.no_grad():
        for each in [*model.parameters(), *(buffer for buffer in model.buffers() if buffer.is_floating_point())]:
            if each.numel() == 1 or bool((each == each.flatten()[0]).all()):
                each.add_(0.1 * torch.rand_like(each))
    return model.double() if entry.double else model


def inputs(entry: Entry, example: Example) -> Inputs:
    """An example's tensors in the network's precision."""
    made = example()
    return tuple(each.double() if entry.double and each.is_floating_point() else each for each in made)


def rewritten(entry: Entry, model: nn.Module) -> nn.Module:
    """The network with whatever is not slower for certain."""
    faster, report = upsample.rewrite(model, inputs(entry, entry.example), seconds=0, least_gain=-1)
    assert str(report)
    return faster


def called(model: nn.Module, given: Inputs) -> list[Tensor]:
    """The tensors of its output, with the same random numbers in every call; a network may write into its input."""
    torch.manual_seed(0)
    return list(tensors(model(*(each.clone() for each in given))))


def apart(expected: Tensor, actual: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    assert expected.shape == actual.shape
    return float((expected - actual).abs().max() / expected.abs().max().clamp_min(1e-30))


def assert_same_outputs_and_state(entry: Entry) -> None:
    """At the example's size and at two others, where nothing is trained; and ``state_dict`` as it was."""
    model = network(entry).eval()
    faster = rewritten(entry, model)
    assert list(faster.state_dict()) == list(model.state_dict())
    for name, before in model.state_dict().items():
        assert torch.equal(faster.state_dict()[name], before), name
    for example in (entry.example, *entry.others):
        given = inputs(entry, example)
        with torch.no_grad():
            expected, actual = called(model, given), called(faster, given)
        assert expected
        for one, other in zip(expected, actual, strict=True):
            assert bool(one.isfinite().all())
            assert apart(one, other) <= (1e-10 if entry.double else 1e-4)


def assert_same_training_step(entry: Entry) -> None:
    """Gradients of every parameter, and what normalisation has seen, after one step in training mode."""
    model = network(entry).train()
    faster = rewritten(entry, model)
    given = inputs(entry, entry.example)
    for each in (model, faster):
        sum((output.square().mean() for output in called(each, given)), torch.zeros(())).backward()
    after = dict(faster.named_parameters())
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            assert after[name].grad is None, name
        else:
            gradient = after[name].grad
            assert gradient is not None, name
            assert _close(parameter.grad, gradient, model, entry), name
    buffers = dict(faster.named_buffers())
    for name, buffer in model.named_buffers():
        assert torch.allclose(buffer, buffers[name], rtol=1e-4), name


def _close(expected: Tensor, actual: Tensor, model: nn.Module, entry: Entry) -> bool:
    """Whether a gradient is the same; one that vanishes but for rounding is held against the largest of all."""
    largest = max(float(each.grad.abs().max()) for each in model.parameters() if each.grad is not None)
    allowed, floor = (1e-8, 1e-13) if entry.double else (LOOSE, 1e-6)
    difference = float((expected - actual).abs().max())
    return difference <= allowed * float(expected.abs().max()) + floor * largest
