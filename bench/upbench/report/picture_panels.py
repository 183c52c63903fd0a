"""A quality run's pictures as the page shows them: output, error, spectrum, and a zoom where a checkerboard stands.

Outputs are kept to the bit. Errors and spectra are looked at, not read from, and are compressed with loss.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from upbench.records.quality_run import Picture, QualityRun
from upbench.wording import Message, say

ORIGINAL, SMALL = "original", "small"

BRIGHTEST_ERROR = 64.0
"""Of 255: shown white, as is everything above it."""

SPECTRUM_DB = 80.0
"""From white down to black."""

ZOOM = 24
"""Pixels of a zoom's side."""

MOST_BYTES = 3_000_000
"""Of all pictures of a page."""

MOST_PIXELS = 512 * 512

Plane = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """A contestant's pictures.

    Attributes:
        title: whose.
        league: its contestant's; empty for the original.
        alternative: what the pictures show, for those who do not see them.
        output, error, spectrum, zoom: addresses with the picture in them; None where there is none.
    """

    title: Message | str
    league: str
    alternative: Message
    output: str
    error: str | None
    spectrum: str
    zoom: str | None


@dataclass(frozen=True)
class PanelGroup:
    """What is seen together: one image at one scale after so many steps."""

    scale: int
    image: str
    step: int
    panels: Sequence[Panel]


def panel_groups(run: QualityRun) -> list[PanelGroup]:
    """All groups of a run that fit, in order; the last contestants are left out where a page would grow too large."""
    planes = {id(picture): plane for picture in run.pictures if (plane := _decoded(picture)) is not None}
    readable = [picture for picture in run.pictures if id(picture) in planes]
    groups, used = [], 0
    for scale, image in dict.fromkeys((each.scale, each.image) for each in readable):
        own = [each for each in readable if (each.scale, each.image) == (scale, image)]
        original = next((planes[id(each)] for each in own if each.contestant == ORIGINAL), None)
        corner = _uneven_corner(
            [planes[id(each)] for each in own if each.contestant not in (ORIGINAL, SMALL)], original
        )
        for step in sorted({each.step for each in own if each.contestant not in (ORIGINAL, SMALL)}):
            panels = []
            shown = [each for each in own if each.contestant in (ORIGINAL, SMALL) or each.step == step]
            for picture in sorted(shown, key=lambda each: each.contestant not in (ORIGINAL, SMALL)):
                panel = _panel(run, picture, planes[id(picture)], original, corner)
                used += sum(len(each or "") for each in (panel.output, panel.error, panel.spectrum, panel.zoom))
                if used <= MOST_BYTES:
                    panels.append(panel)
            groups.append(PanelGroup(scale, image, step, panels))
    return [group for group in groups if group.panels]


def _panel(
    run: QualityRun, picture: Picture, plane: Plane, original: Plane | None, corner: tuple[int, int] | None
) -> Panel:
    comparable = original is not None and original.shape == plane.shape and picture.contestant != ORIGINAL
    whole = picture.contestant != SMALL
    zoom = plane[corner[0] : corner[0] + ZOOM, corner[1] : corner[1] + ZOOM] if corner and whole else None
    contestant = next((each for each in run.contestants if each.id == picture.contestant), None)
    title = run.title(contestant) if contestant else _name(picture.contestant)
    return Panel(
        title=title,
        league=contestant.league if contestant else "",
        alternative=say(
            "{name}: part of {image} at ×{scale} after {step} steps of training",
            name=title,
            image=picture.image,
            scale=picture.scale,
            step=picture.step,
        ),
        output=_exact(plane),
        error=_lossy(np.abs(plane - original) * (255 / BRIGHTEST_ERROR))
        if comparable and original is not None
        else None,
        spectrum=_lossy(spectrum(plane)),
        zoom=_exact(zoom) if zoom is not None and zoom.shape == (ZOOM, ZOOM) else None,
    )


def spectrum(plane: Plane) -> Plane:
    """The power of each frequency, 0 in the middle, on a logarithmic scale from 0 to 255."""
    height, width = plane.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.abs(np.fft.fftshift(np.fft.fft2((plane - plane.mean()) * window))) ** 2
    highest = power.max()
    decibels = 10 * np.log10(np.maximum(power, highest * 1e-12) / highest) if highest else np.full(power.shape, -np.inf)
    return np.asarray(np.clip(255 * (1 + decibels / SPECTRUM_DB), 0, 255))


def _uneven_corner(planes: Sequence[Plane], original: Plane | None) -> tuple[int, int] | None:
    """Where a window has the most of the finest checkerboard, on average beyond what the original has."""
    if original is None or min(original.shape) < 2 * ZOOM:
        return None
    fitting = [plane for plane in planes if plane.shape == original.shape]
    if not fitting:
        return None
    excess = np.mean([_checkerboard(plane) for plane in fitting], axis=0) - _checkerboard(original)
    row, column = np.unravel_index(int(excess.argmax()), excess.shape)
    return int(row), int(column)


def _checkerboard(plane: Plane) -> Plane:
    """How much every window of a zoom's size holds of neighbours that differ crosswise."""
    crosswise = np.abs(plane[:-1, :-1] - plane[:-1, 1:] - plane[1:, :-1] + plane[1:, 1:])
    sums = np.pad(crosswise, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    return np.asarray(sums[ZOOM:, ZOOM:] - sums[:-ZOOM, ZOOM:] - sums[ZOOM:, :-ZOOM] + sums[:-ZOOM, :-ZOOM])


def _decoded(picture: Picture) -> Plane | None:
    """A picture's pixels; None where a record holds something else."""
    try:
        with Image.open(BytesIO(b64decode(picture.png)), formats=("PNG",)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            return np.asarray(image.convert("L"), dtype=np.float64)
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _exact(plane: Plane) -> str:
    return _address(plane, "PNG", optimize=True)


def _lossy(plane: Plane) -> str:
    return _address(plane, "WEBP", quality=60, method=4)


def _address(plane: Plane, kind: str, **options: int | bool) -> str:
    buffer = BytesIO()
    Image.fromarray(np.clip(plane.round(), 0, 255).astype(np.uint8)).save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{b64encode(buffer.getvalue()).decode()}"


def _name(contestant: str) -> Message | str:
    names = {ORIGINAL: say("the original"), SMALL: say("what all were given")}
    return names.get(contestant, contestant)
