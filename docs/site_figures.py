"""The figures of ``docs/rewriting.md``: what is upsampled and convolved, before and after it is rewritten.

They are committed under ``docs/assets/``, so that they are seen wherever the page is read. Numbers in them are computed
by torch; the figures that explain upsamplers are drawn by ``docs/figures.py``. ``python docs/site_figures.py`` remakes
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

FOLDER = Path(__file__).parent / "assets"

INK, FAINT, PAPER, OUTLINE = "#1a1a1a", "#9a9a9a", "#ffffff", "#d55e00"
FILLS = {"value": PAPER, "small": "#dcebf5", "large": "#bdbdbd", "ask": "#fdebdc"}
"""Of a value, of work at low resolution, of work at the output's, and of a question; a grey print keeps their order."""

WIDE, HIGH, GAP_X, GAP_Y, MARGIN, CELL = 124, 38, 34, 18, 14, 34
FONT = 'font-family="sans-serif" text-anchor="middle" dominant-baseline="central"'


@dataclass
class Sheet:
    """A drawing in the making, in pixels, y downwards."""

    title: str
    parts: list[str] = field(default_factory=list)
    width: float = 0
    height: float = 0

    def box(
        self, x: float, y: float, width: float, height: float, text: str, fill: str, *, dashed: bool = False
    ) -> None:
        """A box with text in its middle, one line for each line of the text."""
        dash = f' stroke-dasharray="4 3" stroke="{OUTLINE}"' if dashed else f' stroke="{INK}"'
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}"{dash}/>')
        lines = text.split("\n")
        for number, line in enumerate(lines):
            self.text(x + width / 2, y + height / 2 + 14 * (number - (len(lines) - 1) / 2), line)
        self.width, self.height = max(self.width, x + width + MARGIN), max(self.height, y + height + MARGIN)

    def text(self, x: float, y: float, text: str, *, ink: str = INK) -> None:
        """Text centred on a point."""
        self.parts.append(f'<text x="{x:g}" y="{y:g}" font-size="12" fill="{ink}" {FONT}>{escape(text)}</text>')

    def arrow(self, x: float, y: float, to_x: float, to_y: float) -> None:
        """An arrow from one point to another."""
        line = f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" stroke="{INK}" marker-end="url(#head)"/>'
        self.parts.append(line)

    def svg(self) -> str:
        """Return the drawing as SVG text."""
        head = (
            '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" fill="{INK}"/></marker>'
        )
        opened = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}"'
        size = f'width="{self.width:g}" height="{self.height:g}" role="img">'
        paper = f'<rect width="{self.width:g}" height="{self.height:g}" fill="{PAPER}"/>'
        title = f"<title>{escape(self.title)}</title>"
        return "\n".join([f"{opened} {size}", title, f"<defs>{head}</defs>", paper, *self.parts, "</svg>", ""])


Boxes = Mapping[str, tuple[float, float, str, str]]
"""By a name: column, row, text and kind."""


def flow(title: str, boxes: Boxes, arrows: Sequence[tuple[str, str]], asks: Sequence[str] = ()) -> Sheet:
    """Draw boxes in a grid and arrows between them; those that ask are dashed."""
    sheet = Sheet(title)
    corner = {
        name: (MARGIN + column * (WIDE + GAP_X), MARGIN + row * (HIGH + GAP_Y))
        for name, (column, row, _, _) in boxes.items()
    }
    for name, (_, _, text, kind) in boxes.items():
        sheet.box(*corner[name], WIDE, HIGH, text, FILLS[kind], dashed=name in asks)
    for one, other in arrows:
        (x, y), (to_x, to_y) = corner[one], corner[other]
        if to_x > x:
            sheet.arrow(x + WIDE, y + HIGH / 2, to_x, to_y + HIGH / 2)
        else:
            sheet.arrow(x + WIDE / 2, y + HIGH, to_x + WIDE / 2, to_y)
    return sheet


def pipeline() -> Sheet:
    """What is done with a network, in order."""
    steps = ["one run\nis watched", "modules are\nrecorded", "sites are\nfound", "forms are\nmeasured"]
    steps += ["the fastest\ntake their place", "the output\nis compared", "the whole\nis timed"]
    places = [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (4, 1), (5, 1)]
    boxes = {
        text: (column, row, text, "ask" if "measured" in text or "timed" in text else "value")
        for text, (column, row) in zip(steps, places, strict=True)
    }
    return flow("A network is rewritten, step by step", boxes, list(pairwise(steps)))


def concatenation() -> Sheet:
    """A skip beside what is upsampled, before and after."""
    boxes = {
        "x": (0, 0, "x", "value"), "up": (1, 0, "up", "large"), "skip": (1, 1, "skip", "value"),
        "cat": (2, 0.5, "cat", "large"), "conv": (3, 0.5, "conv", "large"), "y": (4, 0.5, "y", "value"),
        "x'": (0, 2.6, "x", "value"), "form": (2, 2.6, "up and conv_x\nas an exact form", "small"),
        "skip'": (1, 3.6, "skip", "value"), "rest": (2, 3.6, "conv_skip", "large"),
        "plus": (3, 3.1, "+", "large"), "y'": (4, 3.1, "y", "value"),
    }  # fmt: skip
    arrows = [("x", "up"), ("up", "cat"), ("skip", "cat"), ("cat", "conv"), ("conv", "y"), ("x'", "form")]
    arrows += [("form", "plus"), ("skip'", "rest"), ("rest", "plus"), ("plus", "y'")]
    return flow("conv(cat(up(x), skip)) = conv_x(up(x)) + conv_skip(skip)", boxes, arrows)


def functions() -> Sheet:
    """A function of every position between an upsampler and its convolution, before and after."""
    boxes = {
        "x": (0, 0, "x", "value"), "up": (1, 0, "up", "large"), "f": (2, 0, "f", "large"),
        "conv": (3, 0, "conv", "large"), "y": (4, 0, "y", "value"),
        "x'": (0, 1.3, "x", "value"), "f'": (1, 1.3, "f", "small"),
        "form": (2, 1.3, "up and conv\nas an exact form", "small"), "y'": (4, 1.3, "y", "value"),
    }  # fmt: skip
    arrows = [("x", "up"), ("up", "f"), ("f", "conv"), ("conv", "y"), ("x'", "f'"), ("f'", "form"), ("form", "y'")]
    return flow("f(up(x)) = up(f(x))", boxes, arrows)


def guard() -> Sheet:
    """What is asked in a call before an exact form runs."""
    boxes = {
        "call": (0, 0, "a call", "value"), "asked": (1, 0, "as recorded?\nsizes, parts, mode", "ask"),
        "size": (2, 0, "size = s·(H, W),\nlarge enough?", "ask"), "form": (3, 0, "exact form", "small"),
        "own": (1, 1.4, "the module's\nown forward", "large"), "layers": (2, 1.4, "the layers\nas they are", "large"),
    }  # fmt: skip
    arrows = [("call", "asked"), ("asked", "size"), ("size", "form"), ("asked", "own"), ("size", "layers")]
    sheet = flow("What is asked in a call", boxes, arrows, asks=("asked", "size"))
    for column, answer in ((1, "no"), (2, "no")):
        sheet.text(MARGIN + column * (WIDE + GAP_X) + WIDE / 2 + 14, MARGIN + HIGH + GAP_Y - 4, answer, ink=OUTLINE)
    return sheet


def shuffled_channels() -> Sheet:
    """A function with a value for each channel, behind a shuffle and before it."""
    channels, scale = 2, 2
    slopes = torch.arange(channels * scale**2.0).reshape(1, -1, 1, 1)
    of_pixel = nn.functional.pixel_shuffle(slopes, scale)
    fills, sheet = ("#dcebf5", "#8fb8d8"), Sheet("Each value of a channel stands for s² channels before a shuffle")
    sheet.text(MARGIN + 4 * CELL, MARGIN + 8, "before the shuffle")
    for number in range(channels * scale**2):
        own = number // scale**2
        sheet.box(MARGIN + number * CELL, MARGIN + 22, CELL, CELL, f"a{own + 1}", fills[own])
    left = MARGIN + 8 * CELL + 60
    sheet.arrow(left - 48, MARGIN + 22 + CELL / 2, left - 12, MARGIN + 22 + CELL / 2)
    sheet.text(left + 2.5 * CELL, MARGIN + 8, "after it")
    for channel in range(channels):
        for y in range(scale):
            for x in range(scale):
                own = int(of_pixel[0, channel, y, x]) // scale**2
                corner = (left + (3 * channel + x) * CELL, MARGIN + 22 + y * CELL)
                sheet.box(*corner, CELL, CELL, f"a{own + 1}", fills[own])
    return sheet


def stages() -> Sheet:
    """Nearest ×2, a constant padding of 1 and a blur, along one axis, as a matrix and what it adds."""
    size = 4
    blur = nn.Conv2d(1, 1, (1, 3), bias=False)
    layers = nn.Sequential(nn.Upsample(scale_factor=(1, 2)), nn.ConstantPad2d((1, 1, 0, 0), 1.0), blur)
    with torch.no_grad():
        blur.weight.copy_(torch.tensor([1.0, 2.0, 1.0]) / 4)
        constant = layers(torch.zeros(1, 1, 1, size))[0, 0, 0]
        matrix = layers(torch.eye(size)[:, None, None])[:, 0, 0].T - constant[:, None]
    sheet, top = Sheet("Nearest ×2, constant padding and a blur as y = B·x + b"), MARGIN + 22
    ring = {0, len(constant) - 1}
    sheet.text(MARGIN + size * CELL / 2, MARGIN + 8, "B")
    sheet.text(MARGIN + (size + 1.5) * CELL, MARGIN + 8, "b")
    for row, (weights, added) in enumerate(zip(matrix.tolist(), constant.tolist(), strict=True)):
        for column, weight in [*enumerate(weights), (size + 1, added)]:
            fill = PAPER if weight == 0 else FILLS["small"] if weight < 1 else "#8fb8d8"
            corner = (MARGIN + column * CELL, top + row * CELL)
            sheet.box(*corner, CELL, CELL, f"{weight:g}".removeprefix("0") or "", fill, dashed=row in ring)
    return sheet


FIGURES = {
    "rewriting-pipeline": pipeline,
    "rewriting-cat": concatenation,
    "rewriting-functions": functions,
    "rewriting-shuffle": shuffled_channels,
    "rewriting-stages": stages,
    "rewriting-guard": guard,
}

if __name__ == "__main__":
    for name, draw in FIGURES.items():
        (FOLDER / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")
