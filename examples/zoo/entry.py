"""What the zoo says of a network: how it is made, what it is called with, and where its definition comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Inputs = tuple[Tensor, ...]
Example = Callable[[], Inputs]
"""Makes what a network is called with, drawn anew with every call."""


@dataclass(frozen=True)
class Entry:
    """One network of the zoo.

    Attributes:
        make: returns it with random weights, so narrow that a test can run it.
        example: inputs for it; a batch of two, so that batch normalisation can train.
        others: inputs of two further sizes.
        source: authors, venue and year.
        requires: the package that defines it; None where its definition stands here.
        full: returns it at its published width; None where that is not of interest, or the same.
        double: whether it runs in float64 as well.
    """

    make: Callable[[], nn.Module]
    example: Example
    others: tuple[Example, Example]
    source: str
    requires: str | None = None
    full: Callable[[], nn.Module] | None = None
    double: bool = True


def images(*shape: int) -> Example:
    """Random images of ``shape`` in [0, 1]."""
    return lambda: (torch.rand(shape),)


def sizes(channels: int, *pairs: tuple[int, int]) -> tuple[Example, tuple[Example, Example]]:
    """Batches of images of three sizes ``(height, width)``: the example of two images, and two others."""
    first, second, third = (images(2, channels, *pair) for pair in pairs)
    return first, (second, third)
