"""Interpolation alone, with nothing learnt: what any network has to beat, and a control for every meter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from upsample.resampling import Cubic, Mode, interpolate


@dataclass(frozen=True)
class Interpolation:
    """An interpolation by name.

    Attributes:
        title: what a table calls it.
        mode, cubic: as :func:`upsample.resampling.interpolate` takes them.
    """

    title: str
    mode: Mode
    cubic: Cubic = "torch"


INTERPOLATIONS: Mapping[str, Interpolation] = {
    "nearest": Interpolation("Nearest", "nearest"),
    "bilinear": Interpolation("Bilinear", "bilinear"),
    "bicubic_matlab": Interpolation("Bicubic, a = −0.5 (MATLAB)", "bicubic", "matlab"),
    "bicubic_torch": Interpolation("Bicubic, a = −0.75 (PyTorch)", "bicubic"),
    "lanczos": Interpolation("Lanczos, a = 3", "lanczos"),
}


class Interpolated(nn.Module):
    """``(N, C, H, W)`` to ``(N, C, scale·H, scale·W)``."""

    def __init__(self, name: str, scale: int) -> None:
        super().__init__()
        self.how, self.scale = INTERPOLATIONS[name], scale

    def forward(self, image: Tensor) -> Tensor:
        return interpolate(image, self.how.mode, (self.scale, self.scale), self.how.cubic)
