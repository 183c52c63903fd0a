"""A control operator that tells a busy machine from a slow upsampler.

On a shared host a neighbour on the same physical core slows everything by up to half, for tenths of seconds to
minutes, invisible from inside. The control is a small matrix product that no upsampler can touch. It is a rival in
every launch: when it takes longer than it does on a quiet machine, so does whatever is measured beside it. It says how
busy the machine was and nothing more; no round is left out for its sake, as a shared machine may hardly ever be quiet.
"""

from __future__ import annotations

import torch

SIDE, GPU_SIDE = 128, 1024
"""Of the matrices, on a CPU and on a GPU, where a small product is over sooner than events can tell."""


class Control:
    """The control operator with its operands on a device; one instance for each process."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        generator = torch.Generator().manual_seed(0)
        side = SIDE if torch.device(device).type == "cpu" else GPU_SIDE
        self._left, self._right = (torch.randn(side, side, generator=generator).to(device) for _ in range(2))
        self._product = torch.empty_like(self._left)

    def __call__(self) -> torch.Tensor:
        """Multiply."""
        return torch.mm(self._left, self._right, out=self._product)
