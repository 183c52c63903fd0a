"""FLOPs, parameters and the fewest bytes: the closed form, proven by counting the operators that really run."""

from __future__ import annotations

from typing import Any

import torch

import upsample
from bench.meters.interface import Meter
from bench.opcount import count_operators
from bench.workload import Workload, create_module


class CountMismatchError(AssertionError):
    """The closed form and the count of operators disagree, so that neither can be printed."""


class Arithmetic(Meter):
    """``macs``, ``flops``, ``elementwise_ops``, ``params`` and ``min_bytes`` of one forward pass."""

    name = "arithmetic"

    def measure(self, workload: Workload) -> dict[str, Any]:
        stated = upsample.cost(workload.module, workload.input.shape)
        with torch.device("meta"):
            module = create_module(workload.case)
            counted = count_operators(module, torch.empty(workload.input.shape))
        if (counted.flops, counted.elementwise) != (stated.flops, stated.elementwise):
            raise CountMismatchError(
                f"closed form says {stated.flops} FLOPs and {stated.elementwise} element-wise operations, "
                f"the operators that ran make {counted.flops} and {counted.elementwise}"
            )
        return {
            "macs": stated.macs,
            "flops": stated.flops,
            "elementwise_ops": stated.elementwise,
            "params": stated.params,
            "min_bytes": stated.min_bytes,
        }
