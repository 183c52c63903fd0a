"""The parts of images that the report shows: where there is fine detail, as 8-bit luma in PNG."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from upbench.quality.look import Look, Plane
from upbench.quality.luma import rounded
from upbench.quality.views import View, middle
from upbench.records.quality_run import Contestant, Picture

SIDE = 96
SHOWN = ("chelsea", "china")
"""The photographs that are shown; of a folder, its first two images."""


def is_shown(number: int, name: str, folder: str | None) -> bool:
    """Whether an image, the ``number``-th of those that networks are judged by, is one of those that are shown."""
    return name in SHOWN if folder is None else number < len(SHOWN)


def picture_of(contestant: Contestant, step: int, name: str, look: Look) -> Picture:
    """The middle of what a contestant made of an image."""
    return Picture(contestant.id, contestant.scale, name, step, png(middle(look.output, SIDE)))


def originals(name: str, view: View) -> list[Picture]:
    """The same parts of an original and of its small image."""
    small = middle(rounded(view.small.astype(np.float64)), SIDE // view.scale)
    return [
        Picture("original", view.scale, name, 0, png(middle(view.plane, SIDE))),
        Picture("small", view.scale, name, 0, png(small)),
    ]


def png(plane: Plane) -> str:
    """A plane of whole numbers as PNG in base64."""
    buffer = io.BytesIO()
    Image.fromarray(plane.astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
