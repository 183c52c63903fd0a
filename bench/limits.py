"""What this machine can do at most: arithmetic from a large matrix product, bandwidth from a large copy.

The two limits of the roofline model (Williams, Waterman & Patterson, CACM 2009), measured, not read off a data sheet.
A workload that fits into a cache can move bytes faster than the copy, which then shows as a share above 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench.stopwatch import stopwatch_for
from bench.workload import DTYPES, use_device

MATRIX_SIDE = 1536
COPY_BYTES = 256 << 20
ROUNDS = 7


@dataclass(frozen=True)
class Limits:
    """Best of several rounds: ``flops_per_s`` of a matrix product, ``bytes_per_s`` read and written by a copy."""

    flops_per_s: float
    bytes_per_s: float

    def attainable_s(self, flops: int, min_bytes: int) -> float:
        """The shortest time in which a machine with these limits could do the work."""
        return max(flops / self.flops_per_s, min_bytes / self.bytes_per_s)


def measure_limits(dtype: str, threads: int, device: str) -> Limits:
    """Measure both limits in this process."""
    torch.set_num_threads(threads)
    kind, place = DTYPES[dtype], use_device(device)
    stopwatch = stopwatch_for(place)
    left, right = torch.randn(2, MATRIX_SIDE, MATRIX_SIDE, dtype=kind, device=place)
    product = torch.empty_like(left)
    product_s = min(stopwatch.rounds(lambda: torch.mm(left, right, out=product), ROUNDS, 1))
    source = torch.ones(COPY_BYTES // product.element_size(), dtype=kind, device=place)
    target = torch.zeros_like(source)
    copy_s = min(stopwatch.rounds(lambda: target.copy_(source), ROUNDS, 1))
    return Limits(flops_per_s=2 * MATRIX_SIDE**3 / product_s, bytes_per_s=2 * COPY_BYTES / copy_s)
