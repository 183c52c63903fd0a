"""Correct before fast: the output is compared with its textbook definition before anything is timed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch

from bench.meters.interface import Meter
from bench.workload import LAYOUTS, Workload

LARGEST_SIDE = 16
"""The definitions are slow, so that the comparison runs on a crop of the real input."""

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 5e-3}
"""Largest difference allowed, as a share of the largest output."""


class WrongOutputError(AssertionError):
    """The module does not compute what it promises."""


class Agreement(Meter):
    """``definition_error``: largest difference from the definition in float64, over the largest value."""

    name = "agreement"
    first = True

    def measure(self, workload: Workload) -> dict[str, Any]:
        module, cell = workload.module, workload.case.cell
        crop = workload.input[:, :, :LARGEST_SIDE, :LARGEST_SIDE].contiguous(memory_format=LAYOUTS[cell.layout])
        output = module(crop)
        expected_shape = module.output_shape(crop.shape)
        if tuple(output.shape) != expected_shape:
            raise WrongOutputError(f"the output has shape {tuple(output.shape)}, expected {expected_shape}")
        if not bool(torch.isfinite(output).all()):
            raise WrongOutputError("the output has values that are not finite")
        exact = deepcopy(module).cpu().double().definition(crop.cpu().double())
        error = float((output.cpu().double() - exact).abs().max() / exact.abs().max())
        if error > TOLERANCE[crop.dtype]:
            raise WrongOutputError(f"the output differs from the definition by {error:.1e} of its largest value")
        return {"definition_error": error}
