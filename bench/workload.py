"""From a case to something that can be called: the module with its weights, its input, and the settings in force."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

import upsample
from bench import inputs
from bench.case import Case
from bench.isolation import UnsupportedCaseError

WEIGHT_SEED = 0
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Workload:
    """A module and what to call it with, on the case's device, in its dtype and layout.

    ``inputs`` are the low-resolution input and, for a guided upsampler, its guide. ``quiet_control_s`` is what the
    control operator takes on this machine when nothing disturbs it, where known.
    """

    case: Case
    module: upsample.AnyUpsampler
    inputs: tuple[Tensor, ...]
    quiet_control_s: float | None = None

    @property
    def input(self) -> Tensor:
        """The low-resolution input."""
        return self.inputs[0]

    def call(self) -> Tensor:
        """One forward pass."""
        output: Tensor = self.module(*self.inputs)
        return output


def is_network(name: str) -> bool:
    """Whether the upsampler is a whole network, which takes the photograph and has the channel axis as its width."""
    return upsample.card(name).kind == "network"


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


def build(case: Case, quiet_control_s: float | None = None) -> Workload:
    """Set the threads and build the module and its input as the case says.

    Raises:
        UnsupportedCaseError: the upsampler cannot do the scale or channels, or the device is not there.
    """
    cell = case.cell
    torch.set_num_threads(cell.threads)
    device = use_device(cell.device)
    dtype, layout = DTYPES[cell.dtype], LAYOUTS[cell.layout]
    module = create_module(case).eval().to(device=device, dtype=dtype)
    module = module.to(memory_format=layout)  # type: ignore[call-overload]  # an overload that torch's stubs lack
    tensors = tuple(
        tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None, memory_format=layout)
        for tensor in _inputs(case, module)
    )
    return Workload(case, module, tensors, quiet_control_s)


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
        if (device.index or 0) >= torch.cuda.device_count():
            raise UnsupportedCaseError(f"torch sees {torch.cuda.device_count()} CUDA devices here; {name} is not there")
        torch.cuda.set_device(device)
    return device
