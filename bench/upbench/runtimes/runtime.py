"""The one small interface behind which every runtime calls a module."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from upbench.cases.case import Cell
from upbench.cases.outcome import UnsupportedCaseError

Call = Callable[[], Tensor]

FOLDERS = re.compile(r"(?<![\w./])(?:/[^\s/:\"']+)+/(?=[^\s/:\"']+\.py\b)")
"""Before the name of a source file."""


class ConversionError(UnsupportedCaseError):
    """A runtime cannot take a module; the message holds the runtime's own words, without folders of this machine."""

    def __init__(self, runtime: Runtime, error: Exception) -> None:
        words = " ".join(next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__).split())
        words = FOLDERS.sub("", words)
        super().__init__(f"{runtime.title} cannot take it: {words}")


class Runtime(ABC):
    """A way to call a module on an input.

    Class attributes:
        name: its value on the grid's axis, and the extra of this distribution that installs it.
        title: what a table calls it.
        packages: what must be importable beside torch.
        beside_extra: distributions that the extra leaves out, as they ask for older versions of what others need.
        preload: modules that the server of workers imports once, where a case needs them.
        converter_preload: the same, of what is not needed any more once a model is kept.
        in_torch: torch's own operators and allocator do the work, so that it trains, takes any layout and device, and
            its memory can be counted where torch counts it.
        holds_memory: what a call needs is taken when it is prepared, and held for as long as it can be called.
    """

    registry: ClassVar[dict[str, Runtime]] = {}

    name: ClassVar[str]
    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    beside_extra: ClassVar[tuple[str, ...]] = ()
    preload: ClassVar[tuple[str, ...]] = ()
    converter_preload: ClassVar[tuple[str, ...]] = ()
    in_torch: ClassVar[bool] = False
    holds_memory: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Runtime.registry[cls.name] = cls()

    @property
    def missing(self) -> str | None:
        """What to install before it can be used, or None when it can."""
        absent = [package for package in self.packages if find_spec(package) is None]
        if not absent:
            return None
        wanted = " ".join([f"'upsample-bench[{self.name}]'", *self.beside_extra])
        return f"the runtime {self.name} needs {', '.join(absent)}: pip install {wanted}."

    def refusal(self, cell: Cell) -> str | None:
        """Say in one sentence why it does not run such cells at all, or return None when it does."""
        if self.in_torch:
            return None
        if cell.trains:
            return f"{self.title} is run for inference only"
        if cell.layout != Cell.layout:
            return f"{self.title} chooses its own layout: its inputs are contiguous"
        if cell.device != "cpu":
            return f"{self.title} is run on the CPU only; got {cell.device}"
        return None

    @abstractmethod
    def prepare(self, module: nn.Module, inputs: tuple[Tensor, ...], kept: Path | None = None) -> Call:
        """Convert ``module`` for inputs like these, and return what calls it on them.

        It runs with as many threads as torch has now, in the inputs' dtype. An output is valid until the next call.

        Args:
            module: in the mode in which it will run.
            inputs: what every call gives it.
            kept: a folder of this module and these inputs alone, in which one process may leave for the next what it
                has converted.

        Raises:
            ConversionError: the runtime cannot.
        """


def leave(model: bytes, file: Path) -> None:
    """Leave a model for others, who find it whole or not at all, as this process may be ended at any moment.

    Where there is no room, they do without.
    """
    partial = file.with_suffix(".partial")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(model)
        partial.replace(file)


def get(name: str) -> Runtime:
    """Return the runtime called ``name``."""
    return Runtime.registry[name]


def names() -> list[str]:
    """Return the names of all runtimes, eager first."""
    return sorted(Runtime.registry, key=lambda name: (name != "eager", name))
