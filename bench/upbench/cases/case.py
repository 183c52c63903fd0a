"""One point of the grid: which upsampler, on what input, under which settings. Data only, free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

from upbench.errors import UsageError

Scale = int | float | tuple[float, float]
"""A whole factor, a fractional one, or one each for height and width."""


class GridError(UsageError):
    """An axis has a value that no case can have; one sentence says what would be right."""


def scale_text(scale: Scale) -> str:
    """Such as ``2``, ``1.5``, or ``1.5x2`` for height and width."""
    return "x".join(map(str, scale)) if isinstance(scale, tuple) else str(scale)


def normal_scale(vertical: float, horizontal: float) -> Scale:
    """The simplest spelling of two factors: one number if they are equal, whole if it is."""
    vertical, horizontal = (int(each) if each == int(each) else each for each in (vertical, horizontal))
    return vertical if vertical == horizontal else (vertical, horizontal)


CUDA_AXES = ("tf32", "cudnn_benchmark", "cache")
"""Fields of a cell that mean something on a CUDA device alone; elsewhere no record has them."""


def device_text(device: str, switches: Sequence[str]) -> str:
    """What to call a device: how it computes belongs to it."""
    return " ".join((device, *switches))


@dataclass(frozen=True)
class Cell:
    """Everything that two upsamplers must share before their figures may be compared.

    Attributes:
        scale: factor by which height and width grow, or one for each.
        channels: the value of the grid's channel axis: width of the features, or of a network's backbone.
        in_channels, out_channels: of the upsampler; 3 and 3 for a network, which takes the photograph itself.
        height, width: of the low-resolution input, in pixels.
        batch: images at once.
        dtype, layout, device, runtime: as named by torch, such as ``float32``, ``channels_last``, ``cpu``, ``eager``.
        threads: of one operator.
        step: ``inference``, or ``training`` for a forward and a backward pass.
        tf32: ``on`` where float32 products may round their factors to TF32's ten bits; on CUDA, as what follows.
        cudnn_benchmark: ``on`` where cuDNN tries its algorithms on the first call, and keeps the fastest.
        cache: ``cold`` where the device's L2 cache is cleared before each timed call, ``warm`` where calls follow each
            other as they are.
    """

    scale: Scale
    channels: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    batch: int = 1
    dtype: str = "float32"
    layout: str = "contiguous"
    threads: int = 1
    device: str = "cpu"
    runtime: str = "eager"
    step: str = "inference"
    tf32: str = "off"
    cudnn_benchmark: str = "off"
    cache: str = "cold"

    @cached_property
    def label(self) -> str:
        """A short identifier, unique to the cell."""
        step = "" if self.step == "inference" else f"-{self.step}"
        return (
            f"x{scale_text(self.scale)}-c{self.channels}-{self.in_channels}to{self.out_channels}-{self.height}x{self.width}"
            f"-b{self.batch}-{self.dtype}-{self.layout}-t{self.threads}-{self.device}-{self.runtime}{step}"
            f"{''.join(f'-{switch}' for switch in self.switches)}"
        )

    @property
    def on_cuda(self) -> bool:
        """Whether it runs on a CUDA device."""
        return self.device.startswith("cuda")

    @property
    def switches(self) -> tuple[str, ...]:
        """What differs from the defaults of :data:`CUDA_AXES`, in short."""
        short = {"tf32": "tf32", "cudnn_benchmark": "cudnn.benchmark", "cache": self.cache}
        return tuple(short[name] for name in CUDA_AXES if getattr(self, name) != getattr(Cell, name))

    @property
    def settled(self) -> Cell:
        """The same without switches that its device or dtype does not know."""
        kept = {name: getattr(Cell, name) for name in CUDA_AXES} if not self.on_cuda else {}
        if self.dtype != "float32":
            kept["tf32"] = Cell.tf32
        return replace(self, **kept)

    @property
    def arithmetic(self) -> str:
        """What multiplies: the dtype, or ``tf32``."""
        return "tf32" if self.tf32 == "on" else self.dtype

    @property
    def trains(self) -> bool:
        """Whether a backward pass follows the forward pass."""
        return self.step == "training"

    @property
    def question(self) -> Cell:
        """The cell without what whoever deploys it is free to choose, runtime and layout, for which defaults stand."""
        return replace(self, runtime=Cell.runtime, layout=Cell.layout)

    @property
    def factors(self) -> tuple[float, float]:
        """The scale of height and of width."""
        return self.scale if isinstance(self.scale, tuple) else (self.scale, self.scale)

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output, rounded down as every upsampler does."""
        return int(self.height * self.factors[0]), int(self.width * self.factors[1])


@dataclass(frozen=True)
class Case:
    """One upsampler in one cell.

    ``twin``: whether it stands there a second time, so that a trial has identical code under two names.
    """

    upsampler: str
    cell: Cell
    twin: bool = False

    # A sweep of thousands asks for it thousands of times an answer.
    @cached_property
    def id(self) -> str:
        """A name that is unique in the grid and stable between runs."""
        return f"{self.upsampler}{'~2' if self.twin else ''}-{self.cell.label}"

    def as_dict(self) -> dict[str, Any]:
        """Flatten into the fields of a record's ``extra_info``."""
        apart = () if self.cell.on_cuda else CUDA_AXES
        of_cell = {name: value for name, value in asdict(self.cell).items() if name not in apart}
        return {"upsampler": self.upsampler, **of_cell}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what :meth:`as_dict` wrote; unknown keys are ignored.

        Raises:
            KeyError: a field is missing.
        """
        # Records of before there were training steps are of inference, and those of before switches had none set.
        values = {name: getattr(Cell, name) for name in ("step", *CUDA_AXES)} | values
        of_cell = {field.name: values[field.name] for field in fields(Cell)}
        if isinstance(of_cell["scale"], list):
            of_cell["scale"] = tuple(of_cell["scale"])
        return cls(values["upsampler"], Cell(**of_cell).settled)
