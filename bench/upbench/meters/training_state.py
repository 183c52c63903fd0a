"""What training keeps beside the parameters: their gradients, and the optimiser's moments."""

from __future__ import annotations

from typing import Any

import torch

from upbench.meters.meter import Meter
from upbench.runtimes.workload import Workload


class TrainingState(Meter):
    """``gradient_bytes`` and, for Adam (Kingma & Ba, ICLR 2015), ``optimizer_bytes``; None in inference.

    Counted from the tensors that are there after one step, on copies of the parameters.
    """

    name = "training_state"

    def measure(self, workload: Workload) -> dict[str, Any]:
        if not workload.case.cell.trains:
            return {"gradient_bytes": None, "optimizer_bytes": None}
        workload.call()
        gradients = [each.grad for each in workload.module.parameters() if each.grad is not None]
        copies = [torch.nn.Parameter(torch.zeros_like(each)) for each in gradients]
        for copy, gradient in zip(copies, gradients, strict=True):
            copy.grad = gradient
        state: dict[Any, dict[str, Any]] = {}
        if copies:
            optimizer = torch.optim.Adam(copies)
            optimizer.step()
            state = optimizer.state
        # Adam's step count is a scalar for each parameter, which is no memory to speak of.
        moments = [value for each in state.values() for name, value in each.items() if name != "step"]
        return {
            "gradient_bytes": sum(each.nbytes for each in gradients),
            "optimizer_bytes": sum(each.nbytes for each in moments),
        }
