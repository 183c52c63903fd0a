"""What a browser needs of a case: the model as ONNX, its inputs, and what must come out.

The expected output is the module's own in float64. That the module computes its definition is proven first, as before
every measurement, so that a page that gets this output has got the definition's.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from math import ceil, gcd
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from upbench import meters
from upbench.cases.case import Case, Cell, GridError
from upbench.cases.outcome import RefusedCaseError, UnsupportedCaseError
from upbench.meters.agreement import TOLERANCE
from upbench.processes.control import SIDE
from upbench.runtimes import ConversionError, get
from upbench.runtimes.onnx import exported
from upbench.runtimes.workload import Workload, build, gradients_as_in

METERS = ("agreement", "arithmetic")
"""What is true of a case wherever it runs."""

MOST_EXPECTED = 1 << 16
"""Values of an output that travel with its model: all of a small one, and of a large one every so manieth."""

TYPES = {torch.float32: "float32", torch.int64: "int64"}
"""Of tensors, as ONNX Runtime Web calls them."""


@dataclass(frozen=True)
class ModelInput:
    """An input: its name in the model, its type and sizes, and its values in the machine's order of bytes."""

    name: str
    type: str
    dims: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class BrowserModel:
    """A model that stands ready.

    Attributes:
        model: ONNX.
        inputs: in the model's order.
        dims: of the output.
        stride: between the values of the flattened output that are compared; it has no divisor in common with their
            number, so that no phase, row or channel is passed over.
        expected: these values, float32.
        largest: the largest magnitude of the whole output.
        tolerance: the largest difference allowed, as a share of ``largest``.
    """

    model: bytes
    inputs: tuple[ModelInput, ...]
    dims: tuple[int, ...]
    stride: int
    expected: bytes
    largest: float
    tolerance: float = TOLERANCE[torch.float32]


@dataclass(frozen=True)
class BrowserCase:
    """A case as a browser gets it: with a model, or with the reason why there is none.

    ``fields``: FLOPs and the like, which go into its record as they are.
    """

    case: Case
    outcome: str
    reason: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    model: BrowserModel | None = None


class Product(nn.Module):
    """The control operator as a module."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return torch.mm(left, right)


def check_cells(cells: Sequence[Cell]) -> None:
    """See whether a browser can be asked such cells at all.

    Raises:
        GridError: it cannot; one sentence says which axis is to be left alone.
    """
    wanted = {"dtype": "float32", "layout": Cell.layout, "device": Cell.device, "step": Cell.step}
    for cell in cells:
        for axis, value in wanted.items():
            if (own := getattr(cell, axis)) != value:
                raise GridError(f"in a browser {axis} is {value}; got {own!r}.")


def for_browser(case: Case) -> BrowserCase:
    """Build the case, prove it, and export it; what goes wrong is the case's outcome."""
    fields: dict[str, Any] = {}
    try:
        with gradients_as_in(case.cell):
            workload = build(case)
            for name in METERS:
                fields |= meters.get(name).measure(workload)
        return BrowserCase(case, "ok", None, fields, _model_of(workload))
    except UnsupportedCaseError as error:
        return BrowserCase(case, "unsupported", str(error), fields)
    except RefusedCaseError as error:
        return BrowserCase(case, "refused", str(error), fields)
    except Exception as error:
        # Somebody's own class may raise anything.
        return BrowserCase(case, "crashed", f"{type(error).__name__}: {error}", fields)


def control_model() -> BrowserModel:
    """The control operator, a product of two matrices, with the operands that it has everywhere."""
    generator = torch.Generator().manual_seed(0)
    operands = tuple(torch.randn(SIDE, SIDE, generator=generator) for _ in range(2))
    exact = torch.mm(*(each.double() for each in operands))
    return ready_model(exported(Product(), operands), operands, exact)


def _model_of(workload: Workload) -> BrowserModel:
    module, inputs = workload.module, tuple(each.detach() for each in workload.inputs)
    with torch.no_grad():
        exact = deepcopy(module).double()(*(each.double() if each.is_floating_point() else each for each in inputs))
    try:
        model = exported(module, inputs)
    except Exception as error:
        raise ConversionError(get("onnx"), error) from error
    return ready_model(model, inputs, exact)


def ready_model(model: bytes, inputs: Sequence[Tensor], exact: Tensor) -> BrowserModel:
    """Put a model together with what goes in and what must come out.

    Raises:
        UnsupportedCaseError: an input has a type that no browser is given.
    """
    if strange := next((str(each.dtype) for each in inputs if each.dtype not in TYPES), None):
        raise UnsupportedCaseError(f"its input is {strange}, and a page is given {' and '.join(TYPES.values())} only")
    names = [given.name for given in onnx.load_from_string(model).graph.input]
    given = tuple(
        ModelInput(name, TYPES[each.dtype], tuple(each.shape), each.contiguous().numpy().tobytes())
        for name, each in zip(names, inputs, strict=True)
    )
    flat = exact.detach().contiguous().flatten()
    stride = stride_over(len(flat))
    expected = flat[::stride].float().numpy().astype(np.float32)
    return BrowserModel(model, given, tuple(exact.shape), stride, expected.tobytes(), float(flat.abs().max()))


def stride_over(count: int) -> int:
    """The least step that takes no more than :data:`MOST_EXPECTED` of so many values; no divisor is shared."""
    stride = max(1, ceil(count / MOST_EXPECTED))
    while gcd(stride, count) > 1:
        stride += 1
    return stride
