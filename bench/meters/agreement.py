"""Correct before fast: the output is compared with its textbook definition before anything is timed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from bench.isolation import RefusedCaseError
from bench.meters.interface import Meter
from bench.workload import LAYOUTS, Workload
from upsample import AnyUpsampler

CROP = 16
"""The definitions are slow, so that they are evaluated on a crop of the real input, its upper left corner."""

CORNER = 8
"""The part of the crop that its cut edges cannot reach: wider than half the receptive field of any upsampler here."""

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 5e-3}
"""Largest difference allowed, as a share of the largest output."""


class WrongOutputError(RefusedCaseError):
    """The module does not compute what it promises."""


class Agreement(Meter):
    """``definition_error``: largest difference from the definition in float64, over the largest value.

    Compared are the whole output for a crop, and the corner of the output at full size, for which libraries may choose
    other kernels. Where an output depends on what is far away, it is evaluated at full size. A class without a
    definition of its own is compared with itself in float64.
    """

    name = "agreement"
    first = True

    def measure(self, workload: Workload) -> dict[str, Any]:
        whole = workload.call()
        _check(whole, workload.module, workload.inputs)
        crop = _cropped(workload) if workload.module.local else workload.inputs
        output = workload.module(*crop)
        _check(output, workload.module, crop)
        module = deepcopy(workload.module).cpu().double()
        exact = module.definition(*(t.cpu().double() if t.is_floating_point() else t.cpu() for t in crop))
        rows, columns = _reliable(workload, crop[0])
        error = max(_error(output, exact), _error(whole[..., :rows, :columns], exact[..., :rows, :columns]))
        if not error <= TOLERANCE[workload.input.dtype]:
            other = "the definition" if workload.module.stated else "itself in float64"
            raise WrongOutputError(f"the output differs from {other} by {error:.1e} of its largest value")
        return {"definition_error": error}


def _cropped(workload: Workload) -> tuple[Tensor, ...]:
    """The upper left corner of the input, and of the guide what belongs to it."""
    layout = LAYOUTS[workload.case.cell.layout]
    input, *guides = workload.inputs
    crop = input[:, :, :CROP, :CROP].contiguous(memory_format=layout)
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
    difference = float((output.cpu().double() - exact).abs().max())
    return difference / float(exact.abs().max()) if difference else 0.0
