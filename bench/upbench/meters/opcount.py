"""Count the arithmetic of a module operator by operator, independent of the closed forms in ``upsample``.

Each operator that really runs must have a formula here or be known to move data only; any other is an error that names
it, never a silent 0. Works in eager, under ``no_grad`` and ``inference_mode``, forward and backward, and on meta
tensors, where nothing is computed. Convention: one multiply-accumulate is 2 FLOPs; see :mod:`upsample.cost`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload, OpOverloadPacket
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


class UnknownOperatorError(LookupError):
    """An operator ran for which no formula is known."""


@dataclass(frozen=True)
class Count:
    """FLOPs of convolutions, matrix products and interpolations; element-wise operations apart."""

    flops: int = 0
    elementwise: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.flops + other.flops, self.elementwise + other.elementwise)


Formula = Callable[[Sequence[Any], Any], Count]
"""From an operator's positional arguments and its result to what it costs."""


def count_operators(module: nn.Module, *inputs: Tensor) -> Count:
    """Run ``module(*inputs)`` once and return what all of its operators cost together.

    Raises:
        UnknownOperatorError: an operator has no formula; the message names it.
    """
    counter = OperatorCounter()
    with counter:
        module(*inputs)
    return counter.total


class OperatorCounter(TorchDispatchMode):
    """Adds up ``total`` and ``by_operator`` for everything that runs inside the ``with`` block."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        self.by_operator: dict[str, Count] = {}

    @property
    def total(self) -> Count:
        total = Count()
        for count in self.by_operator.values():
            total += count
        return total

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        # Looked up before decomposing: inference_mode hands over composite operators whole, and taking
        # interpolation apart would lose the operator that its formula belongs to.
        if packet not in FORMULAS and packet not in MOVES_DATA_ONLY:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            raise UnknownOperatorError(f"the operator {func} has no formula for its FLOPs")
        result = func(*args, **kwargs)
        if packet in FORMULAS:
            count = FORMULAS[packet](args, result)
            self.by_operator[str(packet)] = self.by_operator.get(str(packet), Count()) + count
        return result


def _convolution(args: Sequence[Any], result: Tensor) -> Count:
    input, weight, transposed = args[0], args[1], args[6]
    return Count(flops=_convolution_flops(input if transposed else result, weight))


def _convolution_flops(positions_of: Tensor, weight: Tensor) -> int:
    """Every position of the output (input, when transposed) meets each weight of its group once."""
    batch, _, *spatial = positions_of.shape
    return 2 * batch * prod(spatial) * weight.numel()


def _convolution_backward(args: Sequence[Any], result: Sequence[Tensor | None]) -> Count:
    grad_output, input, weight, transposed = args[0], args[1], args[2], args[7]
    grad_input, grad_weight, _ = result
    each = _convolution_flops(input if transposed else grad_output, weight)
    return Count(flops=each * sum(gradient is not None for gradient in (grad_input, grad_weight)))


def _matrix_product(left: int) -> Formula:
    """2·m·n·k for the left matrix at that position: the result has m·n values, each a sum over k."""
    return lambda args, result: Count(flops=2 * result.numel() * args[left].shape[-1])


def _flops_per_value(flops: int, backward: bool = False) -> Formula:
    """A fixed number for each interpolated value; backward, each of those values is scattered at the same price."""
    return lambda args, result: Count(flops=flops * (args[0] if backward else result).numel())


def _elementwise(args: Sequence[Any], result: Tensor) -> Count:
    return Count(elementwise=result.numel())


def _operations_per_value(operations: int) -> Formula:
    """Element-wise work of several operations for each value of the first argument, such as a softmax."""
    return lambda args, result: Count(elementwise=operations * args[0].numel())


def _sampling_backward(args: Sequence[Any], result: Sequence[Tensor | None]) -> Count:
    """8 for each sampled value and gradient, that of the input and that of the positions."""
    return Count(flops=8 * args[0].numel() * sum(gradient is not None for gradient in result))


def _average(window: int, output: Tensor) -> Count:
    return Count(elementwise=window * output.numel())


def _reduction(args: Sequence[Any], result: Tensor) -> Count:
    return Count(elementwise=args[0].numel())


def _adaptive_average(input: Tensor, output: Tensor) -> Count:
    """One operation for each value in a window that holds more than one; a window of one is a copy."""
    window_sizes = [
        [-(-(i + 1) * n_in // n_out) - i * n_in // n_out for i in range(n_out)]
        for n_in, n_out in zip(input.shape[2:], output.shape[2:], strict=True)
    ]
    sizes = [prod(window) for window in product(*window_sizes)]
    planes = prod(output.shape[:2])
    return Count(elementwise=planes * sum(size for size in sizes if size > 1))


def _separable(flops: int) -> Formula:
    """Interpolation along the rows, and then along the columns of what is as wide as the output by then."""

    def formula(args: Sequence[Any], result: Tensor) -> Count:
        rows = args[0].shape[2]
        return Count(flops=flops * (prod(result.shape[:2]) * rows * result.shape[3] + result.numel()))

    return formula


FORMULAS: dict[OpOverloadPacket, Formula] = {
    aten.convolution: _convolution,
    aten.convolution_backward: _convolution_backward,
    aten.mm: _matrix_product(0),
    aten.bmm: _matrix_product(0),
    aten.addmm: _matrix_product(1),
    aten.upsample_bilinear2d: _flops_per_value(8),
    aten.upsample_bilinear2d_backward: _flops_per_value(8, backward=True),
    aten.upsample_bicubic2d: _flops_per_value(32),
    aten.upsample_bicubic2d_backward: _flops_per_value(32, backward=True),
    aten._upsample_bicubic2d_aa: _separable(8),
    aten.upsample_nearest2d_backward: _reduction,
    aten._upsample_nearest_exact2d_backward: _reduction,
    aten._adaptive_avg_pool2d: lambda args, result: _adaptive_average(args[0], result),
    aten._adaptive_avg_pool2d_backward: lambda args, result: _adaptive_average(args[1], args[0]),
    aten.addcmul: _flops_per_value(2),
    aten.addcmul_: _flops_per_value(2),
    aten.grid_sampler_2d: _flops_per_value(8),
    aten.grid_sampler_2d_backward: _sampling_backward,
    aten.avg_pool2d: lambda args, result: _average(prod(args[1]), result),
    aten.avg_pool2d_backward: lambda args, result: _average(prod(args[2]), args[0]),
    aten.col2im: _reduction,
    aten.unfold_backward: _reduction,
    aten.reflection_pad2d_backward: _reduction,
    aten.replication_pad2d_backward: _reduction,
    aten.index_put_: lambda args, result: Count(elementwise=args[2].numel()),
    aten.index_put: lambda args, result: Count(elementwise=args[2].numel()),
    aten._softmax: _operations_per_value(5),
    aten._softmax_backward_data: _operations_per_value(4),
    aten.native_layer_norm: _operations_per_value(7),
    aten.native_group_norm: _operations_per_value(7),
    aten.native_batch_norm: _operations_per_value(7),
    aten._native_batch_norm_legit_no_training: _operations_per_value(4),
    aten.native_layer_norm_backward: _operations_per_value(14),
    aten.lerp: _operations_per_value(3),
    aten.sum: _reduction,
    aten.mean: _reduction,
    aten.relu: _elementwise,
    aten.relu_: _elementwise,
    aten.leaky_relu_: _elementwise,
    aten.silu: _elementwise,
    aten.silu_: _elementwise,
    aten.hardtanh: _elementwise,
    aten.hardtanh_: _elementwise,
    aten.abs: _elementwise,
    aten.sqrt: _elementwise,
    aten.rsqrt: _elementwise,
    aten.maximum: _elementwise,
    aten.minimum: _elementwise,
    aten.rsub: _elementwise,
    aten.leaky_relu: _elementwise,
    aten.leaky_relu_backward: _elementwise,
    aten.threshold_backward: _elementwise,
    aten._prelu_kernel: _elementwise,
    aten._prelu_kernel_backward: _operations_per_value(2),
    aten.gelu: _elementwise,
    aten.gelu_backward: _elementwise,
    aten.sigmoid: _elementwise,
    aten.sigmoid_backward: _elementwise,
    aten.tanh: _elementwise,
    aten.tanh_backward: _elementwise,
    aten.exp: _elementwise,
    aten.cos: _elementwise,
    aten.sin: _elementwise,
    aten.neg: _elementwise,
    aten.pow: _elementwise,
    aten.clamp: _elementwise,
    aten.le: _elementwise,
    aten.logical_and: _elementwise,
    aten.logical_and_: _elementwise,
    aten.bitwise_and: _elementwise,
    aten.add_: _elementwise,
    aten.mul_: _elementwise,
    aten.div_: _elementwise,
    aten.add: _elementwise,
    aten.sub: _elementwise,
    aten.sub_: _elementwise,
    aten.mul: _elementwise,
    aten.div: _elementwise,
    aten.where: _elementwise,
    aten.ge: _elementwise,
}

MOVES_DATA_ONLY: set[OpOverloadPacket] = {
    aten.upsample_nearest2d,
    aten._upsample_nearest_exact2d,
    aten.pixel_shuffle,
    aten.pixel_unshuffle,
    aten.constant_pad_nd,
    aten.reflection_pad2d,
    aten.replication_pad2d,
    aten.im2col,
    aten.index,
    aten.index_select,
    aten.max_unpool2d,
    aten.cat,
    aten.stack,
    aten.arange,
    aten.linspace,
    aten.lift_fresh,
    aten.scalar_tensor,
    aten.new_empty,
    aten.new_full,
    aten.new_zeros,
    aten.unfold,
    aten.repeat,
    aten.roll,
    aten.zero_,
    aten.alias,
    aten.as_strided,
    aten.clone,
    aten.copy_,
    aten.detach,
    aten.detach_,
    aten.empty,
    aten.empty_like,
    aten.gather,
    aten.select_backward,
    aten.expand,
    aten.fill_,
    aten.flip,
    aten.full,
    aten.new_empty_strided,
    aten.ones_like,
    aten.permute,
    aten.select,
    aten.slice,
    aten.slice_backward,
    aten.split,
    aten.squeeze,
    aten.t,
    aten.transpose,
    aten.unsqueeze,
    aten.view,
    aten._reshape_alias,
    aten._to_copy,
    aten._unsafe_view,
    aten.zeros,
    aten.zeros_like,
}
