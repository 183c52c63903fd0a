"""What torch keeps for the whole process: a case that changes it is measured under other settings than are recorded."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import torch

from upbench.cases.outcome import RefusedCaseError


@dataclass(frozen=True)
class TorchState:
    """Torch's settings that decide what a call computes, and how."""

    threads: int
    dtype: torch.dtype
    device: torch.device
    deterministic: bool
    matmul_precision: str
    gradients: bool

    @classmethod
    def now(cls) -> Self:
        """As they are in this process."""
        return cls(
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            torch.is_grad_enabled(),
        )

    def check_kept(self) -> None:
        """See whether they still are what they were.

        Raises:
            RefusedCaseError: one of them has changed.
        """
        now = self.now()
        if now == self:
            return
        for each in fields(self):
            before, after = getattr(self, each.name), getattr(now, each.name)
            if before != after:
                raise RefusedCaseError(
                    f"it changed {TITLES[each.name]} of the whole process from {before} to {after}, so that its "
                    "figures would be of other settings than are recorded"
                )


TITLES = {
    "threads": "torch's number of threads",
    "dtype": "torch's default dtype",
    "device": "torch's default device",
    "deterministic": "torch's deterministic mode",
    "matmul_precision": "torch's precision of float32 products",
    "gradients": "torch's recording of gradients",
}
