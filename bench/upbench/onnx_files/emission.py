"""From a module to operators of ONNX that mean the same in every opset from 11 on, right at every size.

The module is recorded by ``torch.export`` with whatever sizes are not known, and each of ATen's operators is written by
a rule.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export

from upbench.onnx_files.function_rules import FUNCTION_RULES
from upbench.onnx_files.layer_rules import LAYER_RULES
from upbench.onnx_files.symbols import expression
from upbench.onnx_files.writer import Dynamic, NotWrittenError, Writer, Written


def written(
    module: nn.Module, inputs: Sequence[Tensor], dynamic: Sequence[Dynamic], opset: int, prefix: str
) -> Written:
    """Write a module as operators of ONNX.

    Args:
        module: with one output.
        inputs: what it may be called with.
        dynamic: for each of them.
        opset: of the model that they will be a part of.
        prefix: of all names.

    Raises:
        NotWrittenError: it cannot be.
    """
    _own_parameters(module)
    program = _recorded(module, inputs, dynamic)
    return Writer(program, {**LAYER_RULES, **FUNCTION_RULES}, opset, prefix).run()


def _own_parameters(module: nn.Module) -> None:
    """Make parameters of the tensors that stand in their places, which are all that can be recorded there."""
    for part in module.modules():
        for name, held in part._parameters.items():
            if held is not None and not isinstance(held, nn.Parameter):
                part._parameters[name] = nn.Parameter(held, requires_grad=False)


def _recorded(module: nn.Module, inputs: Sequence[Tensor], dynamic: Sequence[Dynamic]) -> ExportedProgram:
    given = tuple(
        # A size of one would be taken for one that it always has.
        each.expand(2, *each.shape[1:]) if unknown[0] and each.shape[0] == 1 else each
        for each, unknown in zip(inputs, dynamic, strict=True)
    )
    dims = tuple({axis: Dim.AUTO for axis, there in enumerate(unknown) if there} for unknown in dynamic)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = export(_Positional(module), given, dynamic_shapes=(dims,), strict=False)
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NotWrittenError(f"it cannot be recorded: {first}") from error
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    users = [
        placeholders[spec.arg.name] for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"
    ]
    for node, unknown in zip(users, dynamic, strict=True):
        for size, there in zip(node.meta["val"].shape, unknown, strict=True):
            if there and expression(size).is_number:
                raise NotWrittenError("it is only right for the size of the example.")
    return program


class _Positional(nn.Module):
    """A module whose arguments have no names."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Any:
        return self.module(*inputs)
