"""What a meter of quality is shown, and the two small interfaces behind which every meter stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import nn

from upbench.records.quality_run import MeterCard

Plane = npt.NDArray[np.float64]
"""One channel, ``(H, W)``; luma from 16 to 235 where it is of an image."""


@dataclass(frozen=True)
class Look:
    """One enlarged image beside its original.

    Attributes:
        output: luma as enlarged, rounded.
        original: of the same size.
        scale: by which it was enlarged.
        gradient: of the mean squared error with respect to the small image; None where nothing was differentiated.
    """

    output: Plane
    original: Plane
    scale: int
    gradient: Plane | None = None

    @property
    def error(self) -> Plane:
        """What was added to the original."""
        return self.output - self.original


class ImageMeter(ABC):
    """A figure of one enlarged image; a subclass registers itself."""

    registry: ClassVar[dict[str, ImageMeter]] = {}

    name: ClassVar[str]
    card: ClassVar[MeterCard]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        ImageMeter.registry[cls.name] = cls()

    @abstractmethod
    def read(self, look: Look) -> float | None:
        """The figure; None where this look cannot tell it."""


class ModuleMeter(ABC):
    """A figure of an upsampler or a network as such, whatever the image; a subclass registers itself.

    Class attributes:
        of_networks: in a network it is asked of the network as a whole, not of the upsampler in it.
    """

    registry: ClassVar[dict[str, ModuleMeter]] = {}

    name: ClassVar[str]
    card: ClassVar[MeterCard]
    of_networks: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        ModuleMeter.registry[cls.name] = cls()

    @abstractmethod
    def read(self, module: nn.Module, in_channels: int, scale: int) -> float | None:
        """The figure of ``(N, in_channels, H, W)`` to ``(N, O, scale·H, scale·W)``, in float64; None if undefined."""
