"""What this machine can do at most: arithmetic from large matrix products, bandwidth from a large copy.

The two limits of the roofline model (Williams, Waterman & Patterson, CACM 2009), measured, not read off a data sheet.
Different libraries multiply matrices and convolve, and either may be the faster: on one processor a 3×3 convolution
attains 1.17 times what the plain product does. A workload that fits into a cache can move bytes faster than the copy,
which then shows as a share above 1; so would an algorithm that multiplies less, such as Winograd's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from upbench.cases.grid import DTYPES
from upbench.processes.cuda_events import stopwatch_for
from upbench.runtimes.cuda_switches import use_switches
from upbench.runtimes.workload import use_device

MATRIX_SIDE = 1536
CONV_CHANNELS, CONV_SIDE = 128, 64
COPY_BYTES = 256 << 20
ROUNDS = 7


@dataclass(frozen=True)
class Limits:
    """Best of several rounds.

    Attributes:
        flops_per_s: of the faster of a matrix product and a 3×3 convolution.
        bytes_per_s: read and written by a copy.
        flops_by: which of the two.
    """

    flops_per_s: float
    bytes_per_s: float
    flops_by: str = "matrix product"

    def attainable_s(self, flops: int, min_bytes: int) -> float:
        """The shortest time in which a machine with these limits could do the work."""
        return max(flops / self.flops_per_s, min_bytes / self.bytes_per_s)


def measure_limits(arithmetic: str, threads: int, device: str) -> Limits:
    """Measure both limits in this process, of a dtype or of ``tf32``."""
    torch.set_num_threads(threads)
    rounds_factors = arithmetic == "tf32"
    kind, place = DTYPES["float32" if rounds_factors else arithmetic], use_device(device)
    if place.type == "cuda":
        use_switches(tf32=rounds_factors, cudnn_benchmark=False)
    stopwatch = stopwatch_for(place, threads)
    left, right = torch.randn(2, MATRIX_SIDE, MATRIX_SIDE, dtype=kind, device=place)
    product = torch.empty_like(left)
    image = torch.randn(1, CONV_CHANNELS, CONV_SIDE, CONV_SIDE, dtype=kind, device=place)
    kernel = torch.randn(CONV_CHANNELS, CONV_CHANNELS, 3, 3, dtype=kind, device=place)
    image, kernel = (each.to(memory_format=torch.channels_last) for each in (image, kernel))
    source = torch.ones(COPY_BYTES // product.element_size(), dtype=kind, device=place)
    target = torch.zeros_like(source)

    def best_s(call: Callable[[], Tensor]) -> float:
        return min(stopwatch.rounds(call, ROUNDS, 1))

    rates = {
        "matrix product": 2 * MATRIX_SIDE**3 / best_s(lambda: torch.mm(left, right, out=product)),
        "convolution": 2 * 9 * CONV_CHANNELS**2 * CONV_SIDE**2 / best_s(lambda: F.conv2d(image, kernel, padding=1)),
    }
    fastest = max(rates, key=lambda name: rates[name])
    copy_s = best_s(lambda: target.copy_(source))
    return Limits(flops_per_s=rates[fastest], bytes_per_s=2 * COPY_BYTES / copy_s, flops_by=fastest)
