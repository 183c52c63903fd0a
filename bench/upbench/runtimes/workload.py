"""From a case to something that can be called: the module with its weights, its input, and the settings in force."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import upsample
from upbench.cases import inputs
from upbench.cases.case import Case, Cell
from upbench.cases.grid import DTYPES, LAYOUTS, is_network
from upbench.cases.outcome import UnsupportedCaseError
from upbench.runtimes.cuda_switches import switch_as_in
from upbench.runtimes.runtime import Call, Runtime, get

WEIGHT_SEED = 0
GRADIENT_SEED = 1


@dataclass(frozen=True)
class Workload:
    """What a case is about, on its device, in its dtype and layout.

    Attributes:
        case: what was asked for.
        module: the upsampler.
        inputs: the low-resolution input and, for a guided upsampler, its guide.
        call: one inference or one training step in the case's runtime; returns the output, valid until the next call.
        conversion_s: seconds that the runtime took to make ``call``, its first call included.
    """

    case: Case
    module: upsample.AnyUpsampler
    inputs: tuple[Tensor, ...]
    call: Call
    conversion_s: float

    @property
    def input(self) -> Tensor:
        """The low-resolution input."""
        return self.inputs[0]

    @property
    def runtime(self) -> Runtime:
        """Where ``call`` runs."""
        return get(self.case.cell.runtime)

    @property
    def leaves(self) -> list[Tensor]:
        """What a training step computes gradients of: the parameters, and the input if it is not the photograph."""
        return [each for each in (*self.module.parameters(), self.input) if each.requires_grad]

    @cached_property
    def eager_call(self) -> Call:
        """The same as ``call`` in torch's own operators, whatever the runtime."""
        forward = get("eager").prepare(self.module, self.inputs)
        return TrainingStep(forward, self.leaves) if self.case.cell.trains else forward


class TrainingStep:
    """A forward and a backward pass, as in a network whose other layers want the input's gradient.

    Normalisation layers work as in inference, so that no step changes what the next one computes. Gradients replace
    those of the step before.

    Args:
        forward: returns the output.
        leaves: what gradients are computed of; they lie in ``grad`` afterwards.
    """

    def __init__(self, forward: Call, leaves: list[Tensor]) -> None:
        self._forward, self._leaves = forward, leaves
        self._output_gradient: Tensor | None = None

    def __call__(self) -> Tensor:
        for leaf in self._leaves:
            leaf.grad = None
        output = self._forward()
        if self._output_gradient is None:
            generator = torch.Generator(output.device).manual_seed(GRADIENT_SEED)
            self._output_gradient = torch.empty_like(output).normal_(generator=generator)
        output.backward(self._output_gradient)
        return output.detach()


def gradients_as_in(cell: Cell) -> AbstractContextManager[None]:
    """Record what a backward pass needs in a training step, and nothing at all in inference."""
    return torch.inference_mode(not cell.trains)


def create_module(case: Case) -> upsample.AnyUpsampler:
    """Build the case's module with the same random weights in every process.

    Raises:
        UnsupportedCaseError: the upsampler cannot do the case's scale or channels.
    """
    torch.manual_seed(WEIGHT_SEED)
    cell = case.cell
    options = {"width": cell.channels} if is_network(case.upsampler) else {}
    try:
        return upsample.create(case.upsampler, cell.in_channels, cell.out_channels, cell.scale, **options)
    except upsample.UnsupportedError as error:
        raise UnsupportedCaseError(str(error)) from error


def build(case: Case, kept: Path | None = None) -> Workload:
    """Set the threads, build the module and its input as the case says, and let its runtime convert it.

    To be called within :func:`gradients_as_in`, and so is the workload.

    Raises:
        UnsupportedCaseError: the upsampler cannot do the scale or channels, the runtime not the upsampler, or the
            device is not there.
    """
    cell = case.cell
    reason = get(cell.runtime).refusal(cell)
    if reason is not None:
        raise UnsupportedCaseError(reason)
    torch.set_num_threads(cell.threads)
    device = use_device(cell.device)
    if cell.on_cuda:
        switch_as_in(cell)
    dtype, layout = DTYPES[cell.dtype], LAYOUTS[cell.layout]
    module = create_module(case).eval().to(device=device, dtype=dtype)
    module = module.to(memory_format=layout)  # type: ignore[call-overload]  # an overload that torch's stubs lack
    tensors = tuple(
        tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None, memory_format=layout)
        for tensor in _inputs(case, module)
    )
    tensors[0].requires_grad_(cell.trains and not is_network(case.upsampler))
    return prepare(case, module, tensors, kept)


def prepare(
    case: Case,
    module: upsample.AnyUpsampler,
    inputs: tuple[Tensor, ...],
    kept: Path | None = None,
) -> Workload:
    """Let the case's runtime convert a module that stands ready, and call it once."""
    start = time.perf_counter()
    call = get(case.cell.runtime).prepare(module, inputs, kept)
    workload = Workload(case, module, inputs, call, 0.0)
    if case.cell.trains:
        call = TrainingStep(call, workload.leaves)
    call()
    if inputs[0].is_cuda:
        # The call has been queued, and is not over.
        torch.cuda.synchronize()
    return replace(workload, call=call, conversion_s=time.perf_counter() - start)


def _inputs(case: Case, module: upsample.AnyUpsampler) -> tuple[Tensor, ...]:
    """The photographs, or activations made from them, in float32."""
    cell = case.cell
    if is_network(case.upsampler):
        return (inputs.photograph_batch(cell.batch, cell.height, cell.width),)
    if not isinstance(module, upsample.GuidedUpsampler):
        return (inputs.activations(inputs.photograph_batch(cell.batch, cell.height, cell.width), cell.in_channels),)
    large = inputs.photograph_batch(cell.batch, *cell.output_size)
    small = F.adaptive_avg_pool2d(large, (cell.height, cell.width))
    features = large if module.guided_by_image else inputs.activations(large, module.guide_channels)
    return inputs.activations(small, cell.in_channels), module.guide_from(features)


def use_device(name: str) -> torch.device:
    """Return the device called ``name`` and make it the current one, which events and memory statistics speak of.

    Raises:
        UnsupportedCaseError: there is no such device here.
    """
    device = torch.device(name)
    if device.type == "cuda":
        # Some of torch's functions want a number.
        device = torch.device("cuda", device.index or 0)
        if device.index >= torch.cuda.device_count():
            raise UnsupportedCaseError(f"torch sees {torch.cuda.device_count()} CUDA devices here; {name} is not there")
        torch.cuda.set_device(device)
    return device
