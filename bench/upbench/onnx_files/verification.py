"""Whether a rewritten file computes what it did, and by how much it is faster, in one runtime."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from upbench.onnx_files.engines import Array, EngineError, Feeds, Loaded
from upsample.rewriting import proof
from upsample.rewriting.report import Gain


@dataclass(frozen=True)
class RuntimeVerdict:
    """What one runtime makes of a rewritten file.

    Attributes:
        runtime: its name.
        difference: the largest of any output at any size, as a share of the output's largest value.
        tolerance: how large it may be.
        inputs: how many inputs were compared.
        gain: of the whole model's time, and the limits of its 99 % interval; None if it was not timed.
        trouble: why it could not be run or compared; empty if it could.
    """

    runtime: str
    difference: float = 0.0
    tolerance: float = 0.0
    inputs: int = 0
    gain: Gain | None = None
    trouble: str = ""

    @property
    def same(self) -> bool:
        """Whether outputs were found equal, up to rounding."""
        return not self.trouble and self.difference <= self.tolerance

    @property
    def faster(self) -> bool:
        """Whether it is certainly faster."""
        return self.gain is not None and self.gain[1] > 1


def compared(runtime: str, before: Loaded, after: Loaded, given: Feeds, others: Iterable[Feeds]) -> RuntimeVerdict:
    """Hold outputs against each other, on the example and on other inputs as far as the model could do them before."""
    apart, allowed, count = 0.0, 0.0, 0
    for number, feeds in enumerate([given, *others]):
        try:
            expected = [np.array(each) for each in before(feeds)]
        except EngineError:
            if number == 0:
                raise
            # Sizes that the model cannot do.
            continue
        try:
            one, other = _tensors(expected), _tensors(after(feeds))
        except (EngineError, TypeError, ValueError) as error:
            return RuntimeVerdict(runtime, trouble=str(error))
        if number and not all(bool(torch.isfinite(each).all()) for each in one):
            continue
        far, most = proof.difference(one, other), proof.tolerance(one)
        if far > most and proof.difference(one, _tensors(before(feeds))) > most:
            return RuntimeVerdict(runtime, trouble="It draws random numbers: its outputs differ from call to call.")
        apart, allowed, count = max(apart, far), max(allowed, most), count + 1
    return RuntimeVerdict(runtime, apart, allowed, count)


def _tensors(outputs: Iterable[Array]) -> list[Tensor]:
    return [torch.from_numpy(np.array(each)) for each in outputs]


def timed(before: Loaded, after: Loaded, feeds: Feeds, seconds: float) -> Gain:
    """By how much a model's time shrinks; both are called in turn, longer where that leaves it open."""
    times = proof.compared({"before": lambda: before(feeds), "after": lambda: after(feeds)}, seconds, 1.0)
    return proof.gain(times["before"], times["after"])
