"""The parts of images that the report shows: where there is fine detail, as 8-bit luma in PNG."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from upbench.quality.look import Look, Plane
from upbench.quality.views import View
from upbench.records.quality_run import Contestant, Picture

SIDE = 96
SHOWN = ("chelsea", "china")
"""The photographs that are shown; of a folder, its first two images."""


def shown(images: Mapping[str, object]) -> list[str]:
    """The images to show, out of these."""
    return [name for name in SHOWN if name in images] or list(images)[: len(SHOWN)]


def pictures_of(contestant: Contestant, step: int, looks: Mapping[str, Look]) -> list[Picture]:
    """The middle of what a contestant made of the images that are shown."""
    return [
        Picture(contestant.id, contestant.scale, name, step, png(middle_of(looks[name].output)))
        for name in shown(looks)
    ]


def originals(views: Mapping[str, View]) -> list[Picture]:
    """The same parts of the originals and of the small images."""
    found = []
    for name in shown(views):
        view = views[name]
        small = middle_of(view.small, SIDE // view.scale)
        found.append(Picture("original", view.scale, name, 0, png(middle_of(view.original))))
        found.append(Picture("small", view.scale, name, 0, png(small)))
    return found


def middle_of(plane: Plane, side: int = SIDE) -> Plane:
    """The middle of a plane."""
    top, left = (max(0, size - side) // 2 for size in plane.shape)
    return plane[top : top + side, left : left + side]


def png(plane: Plane) -> str:
    """A plane of whole numbers as PNG in base64."""
    buffer = io.BytesIO()
    Image.fromarray(plane.astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
