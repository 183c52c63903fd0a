"""Images as networks are given them: luma of an original, and of what is left when it is made small.

The small image is made of the colour image and rounded to whole numbers, as the data sets of the field are stored; luma
is taken of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from upbench.quality.degradation import Kernel, cropped_to_multiple, shrunk
from upbench.quality.look import ImageMeter, Look, Plane
from upbench.quality.luma import luma, rounded
from upbench.quality.photographs import Rgb

WINDOW = 240
"""Pixels of the middle of each photograph that networks are followed on; divisible by every usual scale."""

WHITE = 255


@dataclass(frozen=True)
class View:
    """One image at one scale: luma of the original ``(sH, sW)`` and of the small image ``(H, W)``."""

    original: Plane
    small: Plane
    scale: int

    @property
    def input(self) -> Tensor:
        """The small image as networks take it, ``(1, 1, H, W)`` in [0, 1]."""
        return as_batch(self.small)


def view_of(image: Rgb, scale: int, kernel: Kernel = "matlab") -> View:
    """Make an image small and take luma of both."""
    cropped = cropped_to_multiple(image, scale)
    return View(luma(cropped), luma(shrunk(cropped, scale, kernel)), scale)


def as_batch(plane: Plane) -> Tensor:
    """Return a plane as ``(1, 1, H, W)`` float32 in [0, 1]."""
    return torch.from_numpy(plane)[None, None].float() / WHITE


def as_plane(image: Tensor) -> Plane:
    """Return ``(1, 1, H, W)`` in [0, 1] as luma in whole numbers."""
    plane: Plane = image.detach()[0, 0].double().cpu().numpy()
    return rounded(plane * WHITE)


def middle(image: Rgb, side: int = WINDOW) -> Rgb:
    """Return the middle of an image, at most ``side`` pixels high and wide."""
    top, left = (max(0, size - side) // 2 for size in image.shape[:2])
    return np.ascontiguousarray(image[top : top + side, left : left + side])


def look_at(network: nn.Module, view: View, differentiate: bool = False) -> Look:
    """Enlarge a view; with ``differentiate`` also ask what gradient reaches the small image."""
    if not differentiate:
        with torch.no_grad():
            return Look(as_plane(network(view.input)), view.original, view.scale)
    small = view.input.requires_grad_()
    output = network(small)
    (output - as_batch(view.original)).square().mean().backward()
    assert small.grad is not None
    gradient: Plane = small.grad[0, 0].double().numpy()
    return Look(as_plane(output), view.original, view.scale, gradient)


def readings(looks: Mapping[str, Look]) -> dict[str, tuple[float | None, ...]]:
    """Return what every meter says of each image, by the meter's name."""
    return {name: tuple(meter.read(look) for look in looks.values()) for name, meter in ImageMeter.registry.items()}
