"""``torch.compile`` with its own backend, inductor (Ansel et al., ASPLOS 2024)."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from upbench.runtimes.runtime import Call, ConversionError, Runtime


class Compiled(Runtime):
    """Compiles for the inputs' very sizes, with torch's default settings."""

    name = "compiled"
    title = "torch.compile"
    preload = ("torch._inductor.compile_fx", "upbench.runtimes._inductor")
    in_torch = True

    def prepare(self, module: nn.Module, inputs: tuple[Tensor, ...], kept: Path | None = None) -> Call:
        from torch._inductor import config

        settings = {}
        if kept is not None:
            # Before inductor is sent to a folder where it would have to find out about the machine once more.
            import upbench.runtimes._inductor  # noqa: F401

            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(kept)
            # They would be compiled anew for each folder, which takes longer than all the rest.
            settings = {name: False for name in ("cpp_cache_precompile_headers",) if hasattr(config, name)}
        call = partial(torch.compile(_with_own_code(module), dynamic=False), *inputs)
        try:
            with config.patch(settings):
                call()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            raise ConversionError(self, error) from error
        return call


def _with_own_code(module: nn.Module) -> Callable[..., Tensor]:
    """A function that calls the module.

    Dynamo keeps what it compiles with the code object, a few entries each, and goes through them in every call: modules
    of one class would slow each other down, and the ninth would not be compiled at all.
    """

    def call(*inputs: Tensor) -> Tensor:
        output: Tensor = module(*inputs)
        return output

    call.__code__ = call.__code__.replace()
    return call
