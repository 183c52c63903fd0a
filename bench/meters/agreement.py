"""Correct before fast: the output is compared with its textbook definition before anything is timed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from bench.meters.interface import Meter
from bench.workload import LAYOUTS, Workload

CROP = 16
"""The definitions are slow, so that they are evaluated on a crop of the real input, its upper left corner."""

CORNER = 8
"""The part of the crop that its cut edges cannot reach: wider than half the receptive field of any upsampler here."""

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 5e-3}
"""Largest difference allowed, as a share of the largest output."""


class WrongOutputError(AssertionError):
    """The module does not compute what it promises."""


class Agreement(Meter):
    """``definition_error``: largest difference from the definition in float64, over the largest value.

    Compared are the whole output for a crop, and the corner of the output at full size, for which libraries may choose
    other kernels.
    """

    name = "agreement"
    first = True

    def measure(self, workload: Workload) -> dict[str, Any]:
        module, cell = workload.module, workload.case.cell
        crop = workload.input[:, :, :CROP, :CROP].contiguous(memory_format=LAYOUTS[cell.layout])
        output, whole = module(crop), workload.call()
        _check_shape(output, module.output_shape(crop.shape))
        _check_shape(whole, module.output_shape(workload.input.shape))
        if not bool(torch.isfinite(whole).all()):
            raise WrongOutputError("the output has values that are not finite")
        exact = deepcopy(module).cpu().double().definition(crop.cpu().double())
        uncropped = workload.input.shape == crop.shape
        side = cell.scale * (CROP if uncropped else CORNER)
        error = max(_error(output, exact), _error(whole[:, :, :side, :side], exact[:, :, :side, :side]))
        if not error <= TOLERANCE[crop.dtype]:
            raise WrongOutputError(f"the output differs from the definition by {error:.1e} of its largest value")
        return {"definition_error": error}


def _check_shape(output: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(output.shape) != expected:
        raise WrongOutputError(f"the output has shape {tuple(output.shape)}, expected {expected}")


def _error(output: Tensor, exact: Tensor) -> float:
    return float((output.cpu().double() - exact).abs().max() / exact.abs().max())
