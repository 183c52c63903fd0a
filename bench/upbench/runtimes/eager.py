"""torch as it is: one operator after the other."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import Tensor, nn

from upbench.runtimes.runtime import Call, Runtime


class Eager(Runtime):
    """Calls the module itself."""

    name = "eager"
    title = "Eager"
    in_torch = True

    def prepare(self, module: nn.Module, inputs: tuple[Tensor, ...], kept: Path | None = None) -> Call:
        return partial(module, *inputs)
