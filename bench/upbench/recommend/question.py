"""What is asked: a cell, limits, and what is best among those that keep them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from upbench.cases.case import CUDA_AXES, Cell, scale_text
from upbench.errors import UsageError
from upbench.recommend.measurements import Surroundings
from upbench.recommend.quantities import Objective

SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
BINARY = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}


@dataclass(frozen=True)
class Question:
    """A case and what is wanted of it.

    Attributes:
        cell: of the case.
        objective: what is to be best: least, but for PSNR.
        limits: what each quantity may be at most, and PSNR at least, in seconds, bytes and dB.
    """

    cell: Cell
    objective: Objective = "latency"
    limits: Mapping[Objective, float] = field(default_factory=dict)

    @property
    def surroundings(self) -> Surroundings:
        """What interpolation holds fixed."""
        return Surroundings.of(self.cell)

    def __post_init__(self) -> None:
        cell = self.cell
        numbers = (cell.in_channels, cell.out_channels, cell.height, cell.width, cell.batch, cell.threads)
        if min(numbers) < 1 or min(cell.factors) <= 1:
            raise UsageError("a case has a scale above 1, and channels, sizes, batch and threads of at least 1.")


IN_BROWSERS = "web-"
"""With which the runtimes of a page begin; there the page chooses what is not spelt here."""

CHOSEN_BY_PAGE = ("--dtype", "--layout", "--device", "--runtime", "--step")


def command_to_measure(names: Sequence[str], cell: Cell) -> str:
    """The command that measures upsamplers in a cell, or writes the page that does; defaults are left out."""
    in_browser = cell.runtime.startswith(IN_BROWSERS)
    options = {
        "--upsampler": ",".join(names),
        "--scale": scale_text(cell.scale),
        "--channels": str(cell.in_channels),
        "--out-channels": "same" if cell.in_channels == cell.out_channels else str(cell.out_channels),
        "--size": f"{cell.height}x{cell.width}",
        "--batch": str(cell.batch),
        "--dtype": cell.dtype,
        "--layout": cell.layout,
        "--threads": str(cell.threads),
        "--device": cell.device,
        "--runtime": cell.runtime,
        "--step": cell.step,
        **{f"--{name.replace('_', '-')}": getattr(cell, name) for name in CUDA_AXES},
    }
    usual = {
        "--out-channels": "same",
        "--batch": str(Cell.batch),
        "--dtype": Cell.dtype,
        "--layout": Cell.layout,
        "--threads": str(Cell.threads),
        "--device": Cell.device,
        "--runtime": Cell.runtime,
        "--step": Cell.step,
        **{f"--{name.replace('_', '-')}": getattr(Cell, name) for name in CUDA_AXES},
    }
    asked = {option: value for option, value in options.items() if usual.get(option) != value}
    if in_browser:
        asked = {option: value for option, value in asked.items() if option not in CHOSEN_BY_PAGE}
    given = [part for option, value in asked.items() for part in (option, value)]
    return shlex.join(
        [
            "upbench",
            *(["export", *given, "--web", "asked"] if in_browser else ["run", *given, "--output", "asked.json"]),
        ]
    )


def bytes_of(text: str) -> float:
    """Read memory such as ``200MB``, ``200 MiB`` or ``1.5GB``: of 1000, or of 1024 with an ``i``; else of bytes.

    Raises:
        UsageError: it is spelt otherwise, or not above 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]?)(i?)b?\s*", text.lower())
    value = float(match[1]) * (BINARY if match[3] else SUFFIXES)[match[2]] if match else 0.0
    if not value:
        raise UsageError(f"memory is spelt such as 200MB, 200MiB or 1.5GB; got {text!r}.")
    return value


def seconds_of(text: str) -> float:
    """Read a time such as ``4ms``, ``0.5 s`` or ``250us``.

    Raises:
        UsageError: it is spelt otherwise, or not above 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*(s|ms|us|µs)\s*", text)
    value = float(match[1]) * SECONDS[match[2]] if match else 0.0
    if not value:
        raise UsageError(f"a time is spelt such as 4ms, 0.5s or 250us; got {text!r}.")
    return value


def decibels_of(value: float) -> float:
    """Check a PSNR.

    Raises:
        UsageError: it is no number.
    """
    if not isfinite(value):
        raise UsageError(f"PSNR is a number of dB such as 28; got {value}.")
    return value
