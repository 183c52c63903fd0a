"""FLOPs, parameters and the fewest bytes: the closed form, proven by counting the operators that really run.

An upsampler that states no closed form, such as a class of the user's own, has what is counted, and so has every
training step.
"""

from __future__ import annotations

from typing import Any

import torch

import upsample
from upbench.cases.outcome import RefusedCaseError
from upbench.meters.meter import Meter
from upbench.meters.opcount import Count, OperatorCounter, UnknownOperatorError, count_operators
from upbench.runtimes.workload import Workload, create_module


class CountMismatchError(RefusedCaseError):
    """The closed form and the count of operators disagree, so that neither can be printed."""


class Arithmetic(Meter):
    """``macs``, ``flops``, ``elementwise_ops``, ``params`` and ``min_bytes`` of one call.

    The fewest bytes of a training step are those of inference, for every tensor and once more for its gradient.

    Where no closed form is stated and an operator has no formula either, the first three are None, and
    ``uncounted_operator`` says why.
    """

    name = "arithmetic"

    def measure(self, workload: Workload) -> dict[str, Any]:
        in_inference = _proven(workload) if workload.module.stated else None
        if workload.case.cell.trains or in_inference is None:
            return _counted(workload)
        return in_inference


def _proven(workload: Workload) -> dict[str, Any]:
    stated, counted = upsample.cost(workload.module, workload.input.shape), _count_on_meta(workload)
    if (counted.flops, counted.elementwise) != (stated.flops, stated.elementwise):
        raise CountMismatchError(
            f"closed form says {stated.flops} FLOPs and {stated.elementwise} element-wise operations, "
            f"the operators that ran make {counted.flops} and {counted.elementwise}"
        )
    return _fields(stated)


def _count_on_meta(workload: Workload) -> Count:
    """Count without computing: on meta tensors a forward pass takes no time."""
    # With gradients wanted an exact form works its kernels out anew, which is no part of inference.
    with torch.device("meta"), torch.no_grad():
        module = create_module(workload.case)
        # Weights and inputs have torch's default precision here, which costs the same arithmetic as any other.
        inputs = [torch.empty(t.shape, dtype=None if t.is_floating_point() else t.dtype) for t in workload.inputs]
        return count_operators(module, *inputs)


def _counted(workload: Workload) -> dict[str, Any]:
    try:
        # The first step draws the gradients that come from behind.
        workload.eager_call()
        with OperatorCounter() as counter:
            workload.eager_call()
        count = counter.total
    except UnknownOperatorError as error:
        unknown = upsample.cost(workload.module, workload.input.shape, upsample.Work())
        uncounted = {"macs": None, "flops": None, "elementwise_ops": None, "uncounted_operator": str(error)}
        return {**_fields(unknown), **uncounted}
    work = upsample.Work(count.flops, count.elementwise)
    fields = _fields(upsample.cost(workload.module, workload.input.shape, work))
    return {**fields, "min_bytes": fields["min_bytes"] * (2 if workload.case.cell.trains else 1)}


def _fields(cost: upsample.Cost) -> dict[str, Any]:
    return {
        "macs": cost.macs,
        "flops": cost.flops,
        "elementwise_ops": cost.elementwise,
        "params": cost.params,
        "min_bytes": cost.min_bytes,
    }
