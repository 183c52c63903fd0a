"""The figures by which upsamplers are explained, drawn from what the operators really do, for any kernel and stride.

Every number in a figure is computed by ``upsample`` or by torch when the figure is drawn. The same settings give the
same bytes. ``python docs/figures.py --kernel 3 --scale 2 --output DIR`` writes them as SVG files.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import nn

import upsample
from upsample.exact import NormalForm
from upsample.exact.axis import TOLERANCE, Axis
from upsample.exact.blocks import phase_sets
from upsample.families.transposed import TransposedPhases, exact_padding, zero_stuff, zero_stuffed_conv

Grid = npt.NDArray[Any]
Colour = str | tuple[float, float, float]

STYLE: Any = {"font.size": 9, "svg.hashsalt": "upsample-bench", "svg.fonttype": "path", "hatch.linewidth": 0.5}
WIDTH = 8.0
SMALLEST_CELL, LARGEST_CELL = 0.24, 0.42
POINTS = 72

INK, FAINT, PAPER = "#1a1a1a", "#9a9a9a", "#ffffff"
STUFFED, OUTLINE = "#ececec", "#d55e00"
PHASES, COUNTS = "viridis", "Greys"  # both run steadily from dark to light, so that a grey print keeps their order


class Sheet:
    """A drawing whose unit is one cell of a grid, y downwards."""

    def __init__(self, columns: float, rows: float) -> None:
        cell = min(max(WIDTH / columns, SMALLEST_CELL), LARGEST_CELL)
        self.figure = Figure(figsize=(columns * cell, rows * cell), facecolor=PAPER)
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
        self.axes.set_axis_off()
        self.points = min(0.36 * cell * POINTS, 11)

    def cell(
        self, x: float, y: float, text: str = "", fill: Colour = PAPER, *, ink: Colour | None = None, hatch: str = ""
    ) -> None:
        """One cell with its upper left corner at ``x``, ``y``; the text is black or white unless ``ink`` is given."""
        edge = FAINT if hatch else "#808080"
        self.axes.add_patch(Rectangle((x, y), 1, 1, facecolor=fill, edgecolor=edge, linewidth=0.6, hatch=hatch))
        self.text(x + 0.5, y + 0.5, text, ink=_readable_on(fill) if ink is None else ink)

    def outline(self, x: float, y: float, width: float, height: float, *, style: str = "-", ink: str = OUTLINE) -> None:
        """A thick frame around cells."""
        frame = Rectangle((x, y), width, height, fill=False, edgecolor=ink, linewidth=2, linestyle=style, zorder=3)
        self.axes.add_patch(frame)

    def text(self, x: float, y: float, text: str, *, ink: Colour = INK, size: float = 1) -> None:
        """Text centred on a point, ``size`` times as large as in a cell."""
        self.axes.text(x, y, text, color=ink, fontsize=size * self.points, ha="center", va="center_baseline", zorder=4)

    def title(self, x: float, y: float, text: str) -> None:
        """What a panel shows, above its upper left corner."""
        self.axes.text(x, y - 0.45, text, color=INK, fontsize=9, ha="left", va="baseline")

    def arrow(self, x: float, y: float, length: float) -> None:
        """An arrow to the right."""
        arrow = FancyArrowPatch((x, y), (x + length, y), arrowstyle="-|>", mutation_scale=11, color=INK, linewidth=1)
        self.axes.add_patch(arrow)


@dataclass(frozen=True)
class Drawing:
    """One kind of figure.

    Attributes:
        name: the stem of its file.
        title: a heading for it.
        draw: makes the figure for a kernel size and a scale.
        caption: says what is to be seen in it.
    """

    name: str
    title: str
    draw: Callable[[int, int], Figure]
    caption: Callable[[int, int], str]

    def svg(self, kernel_size: int, scale: int) -> str:
        """Return the figure as SVG text, with the caption as its description.

        Raises:
            upsample.UnsupportedError: the kernel is smaller than the scale.
        """
        metadata = {"Title": self.title, "Description": self.caption(kernel_size, scale), "Date": None, "Creator": None}
        target = io.StringIO()
        with mpl.rc_context(STYLE):
            self.draw(kernel_size, scale).savefig(target, format="svg", metadata=metadata)
        return target.getvalue()


def stem(drawing: Drawing, kernel_size: int, scale: int) -> str:
    """Return the name of a figure's file, without its ending."""
    return f"{drawing.name}-k{kernel_size}-s{scale}"


def zero_stuffed_grid(kernel_size: int, scale: int) -> Figure:
    """Draw a ramp, the ramp with zeros between its pixels and a kernel on it, and the output of a kernel of ones."""
    side = 3
    ramp = torch.arange(1.0, side**2 + 1).reshape(1, 1, side, side)
    padding, output_padding = exact_padding(kernel_size, scale)
    ones = torch.ones(1, 1, kernel_size, kernel_size)
    output = _plane(zero_stuffed_conv(ramp, ones, None, scale, padding, output_padding))
    met = _plane(zero_stuffed_conv(torch.ones_like(ramp), ones, None, scale, padding, output_padding))
    stuffed = _plane(zero_stuff(ramp, scale))
    before = kernel_size - 1 - padding
    size = len(stuffed) + 2 * before + output_padding
    row, column = _central_maximum(met)

    gap, top = 1.6, 1.4
    sheet = Sheet(side + size + len(output) + 2 * gap + 0.4, size + top + 0.2)
    left = 0.2

    def centred(rows: int) -> float:
        return top + (size - rows) / 2

    sheet.title(left, centred(side), "input")
    for y, x in np.ndindex(side, side):
        sheet.cell(left + x, centred(side) + y, f"{ramp[0, 0, y, x]:g}", "#4d4d4d")
    sheet.arrow(left + side + 0.3, top + size / 2, gap - 0.6)

    left += side + gap
    sheet.title(left, top, f"zeros between and around, {kernel_size}×{kernel_size} kernel")
    for y, x in np.ndindex(size, size):
        inner = (y - before, x - before)
        if not all(0 <= position < len(stuffed) for position in inner):
            sheet.cell(left + x, top + y, "0", ink="#c4c4c4")
        elif any(position % scale for position in inner):
            sheet.cell(left + x, top + y, f"{stuffed[inner]:g}", STUFFED, ink="#7a7a7a")
        else:
            sheet.cell(left + x, top + y, f"{stuffed[inner]:g}", "#4d4d4d")
    sheet.outline(left + column, top + row, kernel_size, kernel_size)
    sheet.arrow(left + size + 0.3, top + size / 2, gap - 0.6)

    left += size + gap
    upper = centred(len(output))
    sheet.title(left, upper, "output, kernel of ones")
    for y, x in np.ndindex(*output.shape):
        sheet.cell(left + x, upper + y, f"{output[y, x]:g}", _shade(float(met[y, x]), float(met.max())))
    sheet.outline(left + column, upper + row, 1, 1)
    return sheet.figure


def zero_stuffed_caption(kernel_size: int, scale: int) -> str:
    """Say what :func:`zero_stuffed_grid` shows."""
    return (
        f"A transposed convolution with stride {scale} is an ordinary convolution over the input with {scale - 1} "
        f"zero{'s' if scale > 2 else ''} between its pixels. Dark: input pixels. Grey: the zeros between them. White: "
        f"the zeros around them. The framed {kernel_size}×{kernel_size} kernel makes the framed output pixel; with a "
        "kernel of ones it is the sum of the dark cells in the frame. An output pixel is the darker, the more input "
        "pixels it meets."
    )


def kernel_phases(kernel_size: int, scale: int) -> Figure:
    """Draw a kernel, the s² kernels that it falls apart into, and how many taps each output pixel meets."""
    kernels = phase_kernels(kernel_size, scale)
    phases, taps = len(kernels), kernels.shape[1]
    colours = _colours(phases)
    phase_of = {int(tap): phase for phase in range(phases) for tap in kernels[phase].flat if tap}

    inputs = 3
    shifted = upsample.pixel_shuffle(
        torch.arange(phases).reshape(1, phases, 1, 1).expand(-1, -1, inputs + taps - 1, inputs + taps - 1), scale
    )
    first = exact_padding(kernel_size, scale)[0]
    output = _plane(shifted)[first : first + inputs * scale, first : first + inputs * scale]

    pitch, gap, top = taps + 0.9, 1.8, 2.0
    split = scale * pitch - 0.9
    height = max(kernel_size, split, len(output))
    sheet = Sheet(kernel_size + split + len(output) + 2 * gap + 0.4, height + top + 0.3)
    left = 0.2

    sheet.title(left, top - 0.5, f"{kernel_size}×{kernel_size} kernel")
    for y, x in np.ndindex(kernel_size, kernel_size):
        tap = y * kernel_size + x + 1
        sheet.cell(left + x, top + y, str(tap), colours[phase_of[tap]])
    sheet.arrow(left + kernel_size + 0.4, top + kernel_size / 2, gap - 0.8)

    left += kernel_size + gap
    sheet.title(left, top - 0.5, f"its {phases} phases")
    for phase in range(phases):
        x0, y0 = left + phase % scale * pitch, top + phase // scale * pitch
        sheet.text(x0 + taps / 2, y0 - 0.35, f"({phase // scale}, {phase % scale})", size=0.85)
        for y, x in np.ndindex(taps, taps):
            tap = int(kernels[phase, y, x])
            if tap:
                sheet.cell(x0 + x, y0 + y, str(tap), colours[phase])
            else:
                sheet.cell(x0 + x, y0 + y, hatch="////")
    sheet.arrow(left + split + 0.4, top + kernel_size / 2, gap - 0.8)

    left += split + gap
    sheet.title(left, top - 0.5, "taps per output pixel")
    for y, x in np.ndindex(*output.shape):
        phase = int(output[y, x])
        sheet.cell(left + x, top + y, str(np.count_nonzero(kernels[phase])), colours[phase])
    return sheet.figure


def kernel_phases_caption(kernel_size: int, scale: int) -> str:
    """Say what :func:`kernel_phases` shows."""
    counts = [int(np.count_nonzero(kernel)) for kernel in phase_kernels(kernel_size, scale)]
    even = len(set(counts)) == 1
    balance = (
        f"Every phase has {counts[0]} taps."
        if even
        else f"{kernel_size} is not divisible by {scale}: the phases have {_listed(counts)} taps, which shows as a "
        "checkerboard. Hatched: taps that are missing."
    )
    return (
        f"A {kernel_size}×{kernel_size} kernel with stride {scale} is {scale**2} kernels, one for each phase of the "
        f"output. Numbers: the taps, row by row; in the small kernels they are flipped in space. {balance} Right: how "
        "many taps each output pixel has away from the border, coloured by its phase."
    )


def overlap_counts(kernel_size: int, scale: int) -> Figure:
    """Draw how often each output position is written to, along one axis and in the plane."""
    inputs = -(-kernel_size // scale) + 2
    line = _overlaps(kernel_size, scale, 1, inputs)[0]
    plane = _overlaps(kernel_size, scale, inputs, inputs)
    padding, _ = exact_padding(kernel_size, scale)
    kept = inputs * scale
    length, gap, top = len(line), 1.6, 1.4

    height = max(length, inputs + 2 + line.max())
    sheet = Sheet(2 * length + gap + 0.4, height + top + 0.3)
    left = 0.2
    sheet.title(left, top, f"one axis: kernel {kernel_size}, stride {scale}")
    for source in range(inputs):
        for tap in range(kernel_size):
            sheet.cell(left + source * scale + tap, top + source, "1", "#d9d9d9" if source % 2 else "#b0b0b0")
    sums = top + inputs + 0.6
    foot = sums + 1.3 + 0.9 * line.max()
    for position, count in enumerate(line.tolist()):
        sheet.cell(left + position, sums, f"{count:g}", _shade(count, float(plane.max())))
        bar = Rectangle((left + position + 0.1, foot), 0.8, -0.9 * count, facecolor="#4d4d4d", linewidth=0)
        sheet.axes.add_patch(bar)
    sheet.outline(left + padding, sums, kept, 1, style="--")

    left += length + gap
    sheet.title(left, top, "in the plane")
    for y, x in np.ndindex(*plane.shape):
        sheet.cell(left + x, top + y, f"{plane[y, x]:g}", _shade(float(plane[y, x]), float(plane.max())))
    sheet.outline(left + padding, top + padding, kept, kept, style="--")
    return sheet.figure


def overlap_counts_caption(kernel_size: int, scale: int) -> str:
    """Say what :func:`overlap_counts` shows."""
    period = interior(kernel_size, scale)
    steady = len(set(period)) == 1
    along = f"{period[0]} everywhere" if steady else f"{', '.join(map(str, period * 2))}, …"
    plane = f"{period[0] ** 2} everywhere" if steady else f"from {min(period) ** 2} to {max(period) ** 2}"
    return (
        f"Each input writes {kernel_size} outputs, {scale} further on than the input before it; the counts are the "
        f"output of ones through a kernel of ones. Away from the border they are {along} along an axis, and {plane} in "
        "the plane. Dashed: what is left after cropping to a whole multiple of the input."
    )


def channel_shuffle(kernel_size: int, scale: int) -> Figure:
    """Draw which pixel of the output each channel goes to, for two output channels."""
    channels, side = 2, 2
    phases = scale**2
    index = torch.arange(channels * phases).reshape(1, -1, 1, 1).expand(-1, -1, side, side)
    output = upsample.pixel_shuffle(index, scale)[0].numpy()
    counts = [int(np.count_nonzero(kernel)) for kernel in phase_kernels(kernel_size, scale)]
    colours = _colours(phases)

    pitch_x, pitch_y, gap, top = side + 0.7, side + 1.7, 1.4, 2.2
    tiles = scale * pitch_x - 0.7
    group = tiles + gap + side * scale
    height = scale * pitch_y - 0.7
    sheet = Sheet(channels * group + (channels - 1) * gap + 0.4, height + top + 0.1)
    for channel in range(channels):
        left = 0.2 + channel * (group + gap)
        sheet.title(left, top - 0.7, f"channels {channel * phases} to {(channel + 1) * phases - 1}")
        for phase in range(phases):
            dy, dx = divmod(phase, scale)
            x0, y0 = left + dx * pitch_x, top + dy * pitch_y
            sheet.text(x0 + side / 2, y0 - 0.35, f"({dy}, {dx})", size=0.85)
            sheet.text(x0 + side / 2, y0 + side + 0.4, f"{counts[phase]} tap{'s' * (counts[phase] > 1)}", size=0.75)
            for y, x in np.ndindex(side, side):
                sheet.cell(x0 + x, y0 + y, str(channel * phases + phase), colours[phase])
        upper = top + (height - 1 - side * scale) / 2
        sheet.arrow(left + tiles + 0.25, upper + side * scale / 2, gap - 0.5)
        left += tiles + gap
        sheet.title(left, upper, f"output channel {channel}")
        for y, x in np.ndindex(side * scale, side * scale):
            value = int(output[channel, y, x])
            sheet.cell(left + x, upper + y, str(value), colours[value % phases])
        for y, x in np.ndindex(side, side):
            sheet.outline(left + x * scale, upper + y * scale, scale, scale, ink=INK)
    return sheet.figure


def channel_shuffle_caption(kernel_size: int, scale: int) -> str:
    """Say what :func:`channel_shuffle` shows."""
    return (
        f"The shuffle moves channel c·{scale**2} + {scale}·dy + dx to pixel (dy, dx) of every {scale}×{scale} block of "
        f"channel c. Numbers: the channel; above each plane: (dy, dx). Frames: the pixels that stem from one input "
        f"pixel. Below each plane: the taps of its kernel when the convolution before the shuffle is a "
        f"{kernel_size}×{kernel_size} transposed convolution with stride {scale}, split into its phases."
    )


def bank_of_phases(kernel_size: int, scale: int) -> Figure:
    """Draw one axis of bilinear interpolation + convolution as a matrix, and the small kernel of each phase."""
    axis = _bilinear_axis(kernel_size, scale)
    inputs = max(axis.least, sum(axis.sources) + 2)
    matrix = axis.matrices(inputs).sum(0).numpy()
    low, high = axis.ring
    colours = _colours(scale)

    gap, top = 2.6, 1.4
    sets = phase_sets(axis)
    first, last = min(each.first for each in sets), max(each.last for each in sets)
    width = last - first + 1
    sheet = Sheet(inputs + width + gap + 3.4, len(matrix) + top + 0.3)
    left = 1.6
    sheet.title(left, top, "outputs down, inputs across")
    for y, x in np.ndindex(*matrix.shape):
        ring = y < low or y >= len(matrix) - high
        if abs(matrix[y, x]) > TOLERANCE:
            sheet.cell(left + x, top + y, _short(matrix[y, x]), STUFFED if ring else colours[y % scale])
        else:
            sheet.cell(left + x, top + y)
    for start, count in ((0, low), (len(matrix) - high, high)):
        sheet.outline(left, top + start, inputs, count, style="--")

    left += inputs + gap
    middle = top + (len(matrix) - scale * 1.6) / 2
    sheet.title(left, middle, "the kernel of each phase")
    for each in sets:
        taps = each.split(axis.impulse.sum(0)[None], 1)[0]
        for column, phase in enumerate(each.phases):
            for tap, weight in enumerate(taps[:, column].tolist()):
                x = left + last - each.last + tap
                sheet.cell(x, middle + 1.6 * phase, _short(weight), colours[phase])
    return sheet.figure


def bank_of_phases_caption(kernel_size: int, scale: int) -> str:
    """Say what :func:`bank_of_phases` shows."""
    axis = _bilinear_axis(kernel_size, scale)
    taps = [each.taps for each in phase_sets(axis) for _ in each.phases]
    return (
        f"One axis of bilinear ×{scale} and a convolution with {kernel_size} taps of 1, as the weights with which each "
        f"output reads the inputs. Row Y + {scale} is row Y, one input further: {scale} kernels with {_listed(taps)} "
        "taps, on the right, make all of it. Dashed: the outputs next to a border, which are made otherwise, as the "
        "interpolation repeats its edge there and the convolution reads zeros."
    )


DRAWINGS = (
    Drawing("zero-stuffing", "Zeros between the pixels", zero_stuffed_grid, zero_stuffed_caption),
    Drawing("phases", "One kernel, s² phases", kernel_phases, kernel_phases_caption),
    Drawing("overlap", "How often each output is written", overlap_counts, overlap_counts_caption),
    Drawing("shuffle", "From channels to pixels", channel_shuffle, channel_shuffle_caption),
    Drawing("bank", "A bank of small kernels, and its border", bank_of_phases, bank_of_phases_caption),
)


def phase_kernels(kernel_size: int, scale: int) -> Grid:
    """Return the s² small kernels of a kernel whose taps are numbered from 1, row by row; 0 where a tap is missing."""
    module = TransposedPhases(1, 1, scale, kernel_size)
    with torch.no_grad():
        module.weight.copy_(torch.arange(1.0, kernel_size**2 + 1).reshape(1, 1, kernel_size, kernel_size))
        kernels: Grid = module.phase_kernels().squeeze(1).numpy().astype(int)
    return kernels


def interior(kernel_size: int, scale: int) -> list[int]:
    """Return one period of the overlap counts along an axis, away from the border, the smallest first."""
    middle = 2 * -(-kernel_size // scale)
    line = _overlaps(kernel_size, scale, 1, 2 * middle)[0]
    period = [int(count) for count in line[middle * scale - scale : middle * scale]]
    return min(period[start:] + period[:start] for start in range(scale))


def _bilinear_axis(kernel_size: int, scale: int) -> Axis:
    conv = nn.Conv2d(1, 1, kernel_size, padding="same", bias=False)
    return NormalForm([nn.Upsample(scale_factor=scale, mode="bilinear"), conv], channels=1).axes[0]


def _short(weight: float) -> str:
    return f"{weight:.2f}".rstrip("0").rstrip(".").removeprefix("0")


def _overlaps(kernel_size: int, scale: int, rows: int, columns: int) -> Grid:
    """Counts from ones through a transposed convolution of ones, uncropped; one row stays one row."""
    vertical, stride = (kernel_size, scale) if rows > 1 else (1, 1)
    ones = torch.ones(1, 1, vertical, kernel_size)
    return _plane(F.conv_transpose2d(torch.ones(1, 1, rows, columns), ones, stride=(stride, scale))).astype(int)


def _plane(tensor: torch.Tensor) -> Grid:
    plane: Grid = tensor[0, 0].numpy()
    return plane


def _central_maximum(values: Grid) -> tuple[int, int]:
    """Where the largest value is, of several the one closest to the middle."""
    middle = (len(values) - 1) / 2
    largest = np.argwhere(values == values.max())
    nearest = largest[np.abs(largest - middle).sum(axis=1).argmin()]
    return int(nearest[0]), int(nearest[1])


def _colours(count: int) -> list[Colour]:
    return [_opaque(mpl.colormaps[PHASES](share)) for share in np.linspace(0.12, 1, count)]


def _shade(value: float, largest: float) -> Colour:
    return _opaque(mpl.colormaps[COUNTS](0.05 + 0.6 * value / largest))


def _opaque(colour: Sequence[float]) -> Colour:
    return float(colour[0]), float(colour[1]), float(colour[2])


def _readable_on(fill: Colour) -> str:
    red, green, blue = mpl.colors.to_rgb(fill)
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else INK


def _listed(counts: Sequence[int]) -> str:
    return f"{', '.join(map(str, counts[:-1]))} and {counts[-1]}"


def main() -> int:
    """Write every figure for the kernel and the scale asked for."""
    parser = argparse.ArgumentParser(description="Write the figures for one kernel size and one scale.")
    parser.add_argument("--kernel", type=int, default=3, help="side of the kernel")
    parser.add_argument("--scale", type=int, default=2, help="stride, and the factor of the shuffle")
    parser.add_argument("--output", type=Path, required=True, help="folder for the SVG files; made if missing")
    chosen = parser.parse_args()
    if chosen.scale < 2:
        parser.error("--scale must be at least 2")
    try:
        exact_padding(chosen.kernel, chosen.scale)
    except upsample.UnsupportedError as error:
        parser.error(str(error))
    chosen.output.mkdir(parents=True, exist_ok=True)
    for drawing in DRAWINGS:
        path = chosen.output / f"{stem(drawing, chosen.kernel, chosen.scale)}.svg"
        path.write_text(drawing.svg(chosen.kernel, chosen.scale), encoding="utf-8")
        print(f"{path}: {drawing.caption(chosen.kernel, chosen.scale)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
