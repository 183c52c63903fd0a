"""Images as networks are given them: luma of an original, and of what is left when it is made small."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from upbench.errors import UsageError
from upbench.quality.degradation import Kernel, cropped_to_multiple, shrunk
from upbench.quality.look import ImageMeter, Look, Plane
from upbench.quality.luma import luma, rounded
from upbench.quality.photographs import Pixels, files_of, held_out_photographs, read_image
from upbench.quality.readings import ssim

WINDOW = 240
"""Pixels of the middle of each photograph that networks are followed on; divisible by every usual scale."""

WHITE = 255

Values = TypeVar("Values", np.uint8, np.float64)


@dataclass(frozen=True)
class View:
    """One image at one scale: luma of the original ``(sH, sW)`` and of the small image ``(H, W)``.

    Both are kept small, as a folder may hold hundreds: whole numbers in 8 bits, and fractions in 32.
    """

    original: npt.NDArray[np.uint8]
    small: npt.NDArray[np.float32]
    scale: int

    @property
    def plane(self) -> Plane:
        """Luma of the original."""
        return self.original.astype(np.float64)

    @property
    def input(self) -> Tensor:
        """The small image as networks take it, ``(1, 1, H, W)`` in [0, 1]."""
        return torch.from_numpy(self.small)[None, None] / WHITE


def view_of(image: Pixels, scale: int, kernel: Kernel = "matlab") -> View:
    """Take luma of an image and make it small."""
    plane = cropped_to_multiple(luma(image), scale)
    return View(plane.astype(np.uint8), shrunk(plane, scale, kernel).astype(np.float32), scale)


def held_out_views(scale: int, kernel: Kernel, folder: str | None) -> Iterator[tuple[str, View]]:
    """Yield the images that networks are judged by: the middle of the kept photographs, or a folder's as they are."""
    if folder is None:
        for name, image in held_out_photographs().items():
            yield name, view_of(middle(image), scale, kernel)
    else:
        for file in files_of(folder):
            yield file.name, view_of(read_image(file), scale, kernel)


def checked_folder(folder: str, scales: tuple[int, ...]) -> dict[str, str]:
    """Return a digest of each image of a folder, by name.

    Raises:
        UsageError: there are none, or one cannot be read or is too small to be judged at these scales.
    """
    found = {}
    least = max(max(ssim.WINDOW + 3 * scale, 4 * scale * scale) for scale in scales)
    for file in files_of(folder):
        height, width = read_image(file).shape[:2]
        if min(height, width) < least:
            raise UsageError(
                f"{file} has {width}×{height} pixels; at scale {max(scales)} an image needs {least} at each side."
            )
        found[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    return found


def as_batch(plane: Plane) -> Tensor:
    """Return a plane as ``(1, 1, H, W)`` float32 in [0, 1]."""
    return torch.from_numpy(plane)[None, None].float() / WHITE


def as_plane(image: Tensor) -> Plane:
    """Return ``(1, 1, H, W)`` in [0, 1] as luma in whole numbers."""
    plane: Plane = image.detach()[0, 0].double().cpu().numpy()
    return rounded(plane * WHITE)


def middle(image: npt.NDArray[Values], side: int = WINDOW) -> npt.NDArray[Values]:
    """Return the middle of an image, at most ``side`` pixels high and wide."""
    top, left = (max(0, size - side) // 2 for size in image.shape[:2])
    return np.ascontiguousarray(image[top : top + side, left : left + side])


def look_at(network: nn.Module, view: View, differentiate: bool = False) -> Look:
    """Enlarge a view; with ``differentiate`` also ask what gradient reaches the small image."""
    if not differentiate:
        with torch.no_grad():
            return Look(as_plane(network(view.input)), view.plane, view.scale)
    small = view.input.requires_grad_()
    output = network(small)
    (output - as_batch(view.plane)).square().mean().backward()
    assert small.grad is not None
    gradient: Plane = small.grad[0, 0].double().numpy()
    return Look(as_plane(output), view.plane, view.scale, gradient)


def figures_of(look: Look) -> dict[str, float | None]:
    """Return what every meter says of an enlarged image, by the meter's name."""
    return {name: meter.read(look) for name, meter in ImageMeter.registry.items()}
