"""The grid: axes, the cases that they span, and the two presets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import torch

import upsample
from upbench.cases.case import Case, Cell, GridError, Scale, scale_text

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
STEPS = ("inference", "training")
SWITCH, CACHES = ("off", "on"), ("cold", "warm")
DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Axes:
    """The values of every axis; the grid is their product.

    Attributes:
        upsamplers: names from the catalogue.
        scales: factors above 1, whole or not, or pairs of them for height and width.
        channels, batches, threads: positive whole numbers.
        out_channels: of the operators; None for as many as go in.
        sizes: height and width of the low-resolution input.
        dtypes, layouts, devices: as named by torch.
        runtimes: names from :mod:`upbench.runtimes`.
        steps: ``inference``, ``training``.
        tf32, cudnn_benchmark, caches: of CUDA devices; see :class:`~upbench.cases.case.Cell`.
    """

    upsamplers: tuple[str, ...]
    scales: tuple[Scale, ...] = (2, 3, 4)
    channels: tuple[int, ...] = (16, 64)
    out_channels: tuple[int | None, ...] = (None,)
    sizes: tuple[tuple[int, int], ...] = ((48, 48),)
    batches: tuple[int, ...] = (1,)
    dtypes: tuple[str, ...] = ("float32",)
    layouts: tuple[str, ...] = ("contiguous",)
    threads: tuple[int, ...] = (1,)
    devices: tuple[str, ...] = ("cpu",)
    runtimes: tuple[str, ...] = ("eager",)
    steps: tuple[str, ...] = ("inference",)
    tf32: tuple[str, ...] = ("off",)
    cudnn_benchmark: tuple[str, ...] = ("off",)
    caches: tuple[str, ...] = ("cold",)

    def __post_init__(self) -> None:
        for name in self.upsamplers:
            try:
                upsample.card(name)
            except upsample.UpsampleError as error:
                raise GridError(str(error)) from error
        choices: dict[str, Iterable[str]] = {
            "dtypes": DTYPES,
            "layouts": LAYOUTS,
            "steps": STEPS,
            "tf32": SWITCH,
            "cudnn_benchmark": SWITCH,
            "caches": CACHES,
        }
        for axis, allowed in choices.items():
            for value in getattr(self, axis):
                if value not in allowed:
                    raise GridError(f"{axis.removesuffix('s')} must be one of {', '.join(allowed)}; got {value!r}.")
        for device in self.devices:
            if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
                raise GridError(f"device must be cpu, cuda or cuda:N; got {device!r}.")
        for scale in self.scales:
            if min(scale if isinstance(scale, tuple) else (scale,)) <= 1:
                raise GridError(f"scale must be above 1; got {scale_text(scale)}.")
        numbers = (
            *self.channels,
            *self.batches,
            *self.threads,
            *(n for size in self.sizes for n in size),
        )
        if min(numbers, default=1) < 1 or min((n for n in self.out_channels if n is not None), default=1) < 1:
            raise GridError("channels, sizes, batches and threads must be whole numbers of at least 1.")


def quick() -> Axes:
    """The default grid: what people choose between, at one size, in a few minutes."""
    return Axes(upsamplers=tuple(card.name for card in upsample.cards() if card.preset == "quick"))


def full() -> Axes:
    """The long grid: the whole catalogue, to features and to images; memory layouts and threads are further axes."""
    return Axes(upsamplers=tuple(upsample.names()), out_channels=(None, 3))


def expand(axes: Axes) -> list[Case]:
    """Return every case of the grid, also those that will turn out unsupported; each once."""
    cases: dict[Case, None] = {}
    settings = product(
        axes.dtypes, axes.layouts, axes.threads, axes.devices, axes.runtimes, axes.steps,
        axes.tf32, axes.cudnn_benchmark, axes.caches,
    )  # fmt: skip
    for scale, channels, out_channels, (height, width), batch, setting, name in product(
        axes.scales, axes.channels, axes.out_channels, axes.sizes, axes.batches, settings, axes.upsamplers
    ):
        # A network maps images to images; the channel axis is the width of its backbone.
        ends = (3, 3) if is_network(name) else (channels, out_channels or channels)
        dtype, layout, threads, *others = setting
        cell = Cell(scale, channels, *ends, height, width, batch, dtype, layout, threads, *others)
        # A switch that a device does not know makes no second case of it.
        cases[Case(name, cell.settled)] = None
    return list(cases)


def is_network(name: str) -> bool:
    """Whether the upsampler is a whole network, which takes the photograph and has the channel axis as its width."""
    return upsample.card(name).kind == "network"


def with_exact_forms(upsamplers: Sequence[str]) -> tuple[str, ...]:
    """Return the names with those of every exact form beside them."""
    return tuple(each for name in upsamplers for each in (name, *upsample.exact_names(name)))
