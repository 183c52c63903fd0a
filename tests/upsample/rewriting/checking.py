"""A forward pass before and after it is rewritten: the same output and gradients, whichever form is the fastest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from tests.upsample.random_networks import preferring
from upsample.exact.forms import FORMS
from upsample.rewriting.report import Report
from upsample.rewriting.structure import tensors

Shapes = tuple[tuple[int, ...], ...]

ALL = tuple(FORMS)

FEW = ("shuffled", "mixed_first")
"""One that asks for phases and one that does not: all of them for every network would take long."""


class Passing(nn.Module):
    """A convolution and other layers, with a forward pass of a test's own."""

    def __init__(self, forward: Callable[..., Any], conv: nn.Module | None = None, **layers: nn.Module) -> None:
        super().__init__()
        self.passing = forward
        self.conv = nn.Conv2d(4, 3, 3, padding=1) if conv is None else conv
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.passing(self, *args, **kwargs)


def up(x: Tensor, mode: str = "nearest", scale: float = 2) -> Tensor:
    return F.interpolate(x, scale_factor=scale, mode=mode)


def given(shapes: Shapes, seed: int = 0) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes)


def rewritten(model: nn.Module, *inputs: Any, form: str = "shuffled") -> tuple[nn.Module, Report]:
    with preferring(form):
        return upsample.rewrite(model, inputs)


def model(forward: Callable[..., Any], conv: nn.Module | None = None, **layers: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    made = Passing(forward, conv, **layers).double().eval()
    for each in made.buffers():
        if each.is_floating_point():
            each.uniform_(0.5, 1.5)
    return made


def assert_rewritten(
    network: nn.Module, text: str | Sequence[str], *sizes: Shapes, forms: Iterable[str] = FEW, some: bool | None = True
) -> None:
    """Every form has the outputs and the gradients of the network at all sizes, of which the first is the example.

    Args:
        network: in double precision.
        text: what is found in it, a site each.
        sizes: of the inputs.
        forms: each of them is made the fastest.
        some: whether there must be a form for one of the sites, or must be none; either where it is left out.
    """
    expected = [text] if isinstance(text, str) else list(text)
    done = 0
    for form in forms:
        faster, report = rewritten(network, *given(sizes[0]), form=form)
        assert [site.before for site in report.sites] == expected, report
        done += any(site.after for site in report.sites)
        for seed, shapes in enumerate(sizes):
            assert_same(network, faster, given(shapes, seed))
    assert some is None or bool(done) == some, report


def assert_same(one: nn.Module, other: nn.Module, inputs: Sequence[Tensor], tolerance: float = 1e-10) -> None:
    """The outputs without gradients, and with them the gradients of all inputs and parameters."""
    with torch.no_grad():
        for expected, actual in zip(tensors(one(*inputs)), tensors(other(*inputs)), strict=True):
            torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)
    gradients = []
    for each in (one, other):
        leaves = [input.clone().requires_grad_() for input in inputs]
        # A network may write into its input.
        total = sum(output.square().sum() for output in tensors(each(*(leaf * 1 for leaf in leaves))))
        wanted = [*leaves, *each.parameters()]
        gradients.append(torch.autograd.grad(total, wanted, allow_unused=True))
    for before, after in zip(*gradients, strict=True):
        torch.testing.assert_close(after, before, rtol=tolerance, atol=tolerance)
