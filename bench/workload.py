"""From a case to something that can be called: the module with its weights, its input, and the settings in force."""

from __future__ import annotations

from dataclasses import dataclass

import torch
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
    """A module and the input to call it with, on the case's device, in its dtype and layout.

    ``quiet_control_s`` is what the control operator takes on this machine when nothing disturbs it, where known.
    """

    case: Case
    module: upsample.Upsampler
    input: Tensor
    quiet_control_s: float | None = None

    def call(self) -> Tensor:
        """One forward pass."""
        output: Tensor = self.module(self.input)
        return output


def is_network(name: str) -> bool:
    """Whether the upsampler is a whole network, which takes the photograph and has the channel axis as its width."""
    return upsample.card(name).kind == "network"


def create_module(case: Case) -> upsample.Upsampler:
    """Build the case's module with the same random weights in every process.

    Raises:
        UnsupportedCaseError: the upsampler cannot do the case's scale.
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
        UnsupportedCaseError: the upsampler cannot do the scale, or the device is not there.
    """
    cell = case.cell
    torch.set_num_threads(cell.threads)
    device = use_device(cell.device)
    dtype, layout = DTYPES[cell.dtype], LAYOUTS[cell.layout]
    module = create_module(case).eval().to(device=device, dtype=dtype)
    module = module.to(memory_format=layout)  # type: ignore[call-overload]  # an overload that torch's stubs lack
    if is_network(case.upsampler):
        source = inputs.photograph_batch(cell.batch, cell.height, cell.width)
    else:
        source = inputs.activations(cell.batch, cell.in_channels, cell.height, cell.width)
    return Workload(case, module, source.to(device=device, dtype=dtype, memory_format=layout), quiet_control_s)


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
