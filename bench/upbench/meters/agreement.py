"""Correct before fast: the output is compared with its textbook definition before anything is timed."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from upbench.cases.grid import LAYOUTS
from upbench.cases.outcome import RefusedCaseError
from upbench.meters.meter import Meter
from upbench.runtimes.workload import Workload
from upsample import AnyUpsampler

CROP = 16
"""The definitions are slow, so that they are evaluated on a crop of the real input, its upper left corner."""

CORNER = 8
"""The part of the crop that its cut edges cannot reach: wider than half the receptive field of any upsampler here."""

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 5e-3}
"""Largest difference allowed, as a share of the largest output."""

TF32_TOLERANCE = TOLERANCE[torch.float16]
"""Where float32 products may be of TF32: their factors are rounded to float16's ten bits, the sums are not."""


class WrongOutputError(RefusedCaseError):
    """The module does not compute what it promises."""


class Agreement(Meter):
    """``definition_error``: largest difference from the definition in float64, over the largest value.

    Compared are the whole output for a crop, and the corner of the output at full size, for which libraries may choose
    other kernels. Where an output depends on what is far away, it is evaluated at full size. A class without a
    definition of its own is compared with itself in float64. In training so are the gradients: torch's own for the crop
    with the definition's, and at full size those of the case's runtime with torch's own.
    """

    name = "agreement"
    first = True

    def measure(self, workload: Workload) -> dict[str, Any]:
        whole = workload.call()
        in_runtime = [leaf.grad for leaf in workload.leaves]
        _check(whole, workload.module, workload.inputs)
        crop = _cropped(workload) if workload.module.local else workload.inputs
        output = workload.module(*crop)
        _check(output, workload.module, crop)
        module = deepcopy(workload.module).cpu().double()
        exact_crop = [t.detach().cpu().double() if t.is_floating_point() else t.cpu() for t in crop]
        exact_crop[0].requires_grad_(workload.input.requires_grad)
        exact = module.definition(*exact_crop)
        rows, columns = _reliable(workload, crop[0])
        error = max(_error(output, exact), _error(whole[..., :rows, :columns], exact[..., :rows, :columns]))
        other = "the definition" if workload.module.stated else "itself in float64"
        _demand(error, workload, "the output differs", other)
        if workload.case.cell.trains:
            of_crop = _gradients(output, workload.module, crop[0])
            gradient_error = _largest_error(of_crop, _gradients(exact, module, exact_crop[0]))
            _demand(gradient_error, workload, "the gradients differ", other)
            workload.eager_call()
            runtime_error = _largest_error(in_runtime, [leaf.grad for leaf in workload.leaves])
            _demand(runtime_error, workload, "the gradients differ", "those of eager")
            error = max(error, gradient_error, runtime_error)
        return {"definition_error": error}


def _demand(error: float, workload: Workload, what: str, other: str) -> None:
    allowed = TF32_TOLERANCE if workload.case.cell.tf32 == "on" else TOLERANCE[workload.input.dtype]
    if not error <= allowed:
        raise WrongOutputError(f"{what} from {other} by {error:.1e} of the largest value")


def _gradients(output: Tensor, module: AnyUpsampler, input: Tensor) -> list[Tensor | None]:
    """Of a sum of the output with fixed weights that are neither all alike nor anywhere zero."""
    weights = torch.linspace(1, 2, output.numel(), dtype=torch.float64).view(output.shape).to(output)
    leaves = [each for each in (*module.parameters(), input) if each.requires_grad]
    return list(torch.autograd.grad((output * weights).sum(), leaves, allow_unused=True))


def _largest_error(actual: Sequence[Tensor | None], exact: Sequence[Tensor | None]) -> float:
    """Of gradients, of which one that there is not counts as zero."""
    errors = [0.0]
    for one, other in zip(actual, exact, strict=True):
        if one is not None and other is not None:
            errors.append(_error(one, other.cpu().double()))
        elif any(each is not None and bool(each.any()) for each in (one, other)):
            errors.append(float("inf"))
    return max(errors)


def _cropped(workload: Workload) -> tuple[Tensor, ...]:
    """The upper left corner of the input, and of the guide what belongs to it."""
    layout = LAYOUTS[workload.case.cell.layout]
    input, *guides = workload.inputs
    crop = input.detach()[:, :, :CROP, :CROP].contiguous(memory_format=layout).requires_grad_(input.requires_grad)
    high, wide = workload.module.output_size(*crop.shape[2:])
    return crop, *(guide[:, :, :high, :wide].contiguous(memory_format=layout) for guide in guides)


def _reliable(workload: Workload, crop: Tensor) -> tuple[int, int]:
    """Rows and columns of the output for the crop that hold for the whole input as well."""
    if workload.input.shape == crop.shape:
        return workload.module.output_size(*crop.shape[2:])
    return workload.module.output_size(CORNER, CORNER)


def _check(output: Tensor, module: AnyUpsampler, inputs: tuple[Tensor, ...]) -> None:
    given, expected = tuple(inputs[0].shape), module.output_shape(inputs[0].shape)
    name = type(module).__name__
    if not isinstance(output, Tensor):
        raise WrongOutputError(f"{name} returned {type(output).__name__} for an input of {given}, expected a tensor")
    if tuple(output.shape) != expected:
        raise WrongOutputError(
            f"{name} returned shape {tuple(output.shape)} for an input of {given}, expected {expected}"
        )
    if not bool(torch.isfinite(output).all()):
        share = 1 - float(torch.isfinite(output).float().mean())
        raise WrongOutputError(f"{name} returned values that are not finite, {share:.1%} of them, for a finite input")


def _error(output: Tensor, exact: Tensor) -> float:
    exact = exact.detach()
    difference = float((output.detach().cpu().double() - exact).abs().max())
    return difference / float(exact.abs().max()) if difference else 0.0
