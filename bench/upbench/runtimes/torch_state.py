"""What torch keeps for the whole process: a case that changes it is measured under other settings than are recorded."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import torch

from upbench.cases.outcome import RefusedCaseError


@dataclass(frozen=True)
class TorchState:
    """Torch's settings that decide what a call computes, and how; the last ones on a CUDA device, else None."""

    threads: int
    dtype: torch.dtype
    device: torch.device
    deterministic: bool
    matmul_precision: str
    gradients: bool
    convolutions_in_tf32: bool | None
    products_in_tf32: bool | None
    cudnn_benchmark: bool | None

    @classmethod
    def now(cls, on_cuda: bool = False) -> Self:
        """As they are in this process."""
        backends = torch.backends
        return cls(
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            torch.is_grad_enabled(),
            backends.cudnn.allow_tf32 if on_cuda else None,
            backends.cuda.matmul.allow_tf32 if on_cuda else None,
            backends.cudnn.benchmark if on_cuda else None,
        )

    def check_kept(self) -> None:
        """See whether they still are what they were.

        Raises:
            RefusedCaseError: one of them has changed.
        """
        try:
            now = self.now(on_cuda=self.cudnn_benchmark is not None)
        except RuntimeError as error:
            # Torch has two interfaces to it, and tells nothing where both were used.
            raise RefusedCaseError(
                f"it changed {TITLES['matmul_precision']} of the whole process in a way of which torch says: "
                f"{str(error).partition('.')[0]}"
            ) from error
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
    "convolutions_in_tf32": "whether convolutions may be of TF32",
    "products_in_tf32": "whether matrix products may be of TF32",
    "cudnn_benchmark": "whether cuDNN tries its algorithms",
}
