"""Fixed interpolation, the part of an upsampler that learns nothing: nearest, bilinear, bicubic, area and Lanczos.

Each reads the input at fractional positions with fixed weights. Along one axis that is a matrix with one row per output
position, :func:`sampling_matrix`: the definition. An output pixel Y of scale s lies at the input position
``(Y + 1/2)/s - 1/2`` (half-pixel centres, ``align_corners=False``), and sources beyond the edge stand for the edge.

Sources: Keys, IEEE TASSP 1981, for the cubic kernel; Turkowski, Graphics Gems 1990, for Lanczos.

Traps: PyTorch's bicubic uses a = -0.75 where MATLAB and PIL use -0.5, and each of the three has edges of its own; the
kernel alone moves the published baseline of super-resolution by 0.2 to 0.3 dB. ``nearest`` takes the floor of ``Y/s``
while ``nearest-exact`` rounds the centre. At whole scales the windows of ``area`` hold one pixel each, which makes it
nearest by another name. Lanczos weights do not sum to 1 by themselves and are divided by their sum. Where a fractional
scale leaves the size as it was, such as 1.1 times 5 pixels, torch copies its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sin
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.contract import UnsupportedError, UpsampleError, Work

Mode = Literal["nearest", "nearest-exact", "bilinear", "bicubic", "area", "lanczos"]

FLOPS_PER_OUTPUT: dict[Mode, int] = {"nearest": 0, "nearest-exact": 0, "bilinear": 8, "bicubic": 32, "area": 0}
"""FLOPs for one value interpolated in a single step; ``area`` only copies at the whole scales that it is used for."""

WHOLE_SCALES_ONLY: tuple[Mode, ...] = ("nearest", "nearest-exact", "area", "lanczos")
"""At other scales the precision of the input decides between neighbours in torch's nearest modes (output row 81 at
scale 2.7 is input row 30, or 29 in float32), the windows of area change in size, and Lanczos' kernels do not repeat."""

LANCZOS_LOBES = 3

Cubic = Literal["torch", "pil", "matlab"]
"""Whose bicubic interpolation: how much its kernel overshoots (Keys' parameter a), and what lies beyond the edge.

``torch``: a = -0.75, the edge's pixel. ``pil``: a = -0.5, nothing, and the other weights are divided by their sum.
``matlab``: a = -0.5, the image mirrored with its edge doubled; at whole scales only here.
"""

OVERSHOOT: dict[Cubic, float] = {"torch": -0.75, "pil": -0.5, "matlab": -0.5}

MIRRORED = 2
"""Pixels beyond each edge that a bicubic kernel reaches."""


def sampling_matrix(
    mode: Mode, size: int, scale: float, dtype: torch.dtype = torch.float64, cubic: Cubic = "torch"
) -> Tensor:
    """Return the ``(floor(scale*size), size)`` matrix that interpolates one axis, from the formula of ``mode``.

    Args:
        mode: of interpolation.
        size: of the axis.
        scale: by which it grows.
        dtype: of the matrix.
        cubic: whose bicubic interpolation; see :data:`Cubic`.
    """
    length = int(size * scale)
    matrix = torch.zeros(length, size, dtype=dtype)
    edges = cubic if mode == "bicubic" else "torch"
    for position in range(length):
        for source, weight in _taps(mode, position, scale, OVERSHOOT[cubic]):
            if edges == "pil" and not 0 <= source < size:
                continue
            inside = mirrored(source, size) if edges == "matlab" else min(max(source, 0), size - 1)
            matrix[position, inside] += weight
    if edges == "pil":
        matrix /= matrix.sum(1, keepdim=True)
    return matrix


def mirrored(source: int, size: int) -> int:
    """Where a position beyond the edge lies in an image that is mirrored there, its edge doubled."""
    place = source % (2 * size)
    return min(place, 2 * size - 1 - place)


def _taps(mode: Mode, position: int, scale: float, cubic: float = OVERSHOOT["torch"]) -> list[tuple[int, float]]:
    """The sources of one output position and their weights; sources beyond the edge stand for the edge."""
    if mode == "nearest":
        return [(int(position // scale), 1.0)]
    if mode == "nearest-exact":
        return [(int((position + 0.5) // scale), 1.0)]
    if mode == "area":
        first, last = int(position // scale), -int(-(position + 1) // scale)
        return [(source, 1 / (last - first)) for source in range(first, last)]
    centre = (position + 0.5) / scale - 0.5
    left = int(centre // 1)
    offset = centre - left
    if mode == "bilinear":
        return [(left, 1 - offset), (left + 1, offset)]
    if mode == "bicubic":
        return [(left + tap, _keys(offset - tap, cubic)) for tap in (-1, 0, 1, 2)]
    weights = [lanczos(offset - tap) for tap in range(1 - LANCZOS_LOBES, LANCZOS_LOBES + 1)]
    return [(left + 1 - LANCZOS_LOBES + tap, weight / sum(weights)) for tap, weight in enumerate(weights)]


def _keys(distance: float, a: float) -> float:
    """Keys' cubic convolution kernel."""
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def lanczos(distance: float) -> float:
    """Lanczos' kernel with three lobes: ``sinc(x) * sinc(x/3)`` for ``|x| < 3``, else 0."""
    if distance == 0:
        return 1.0
    x = pi * distance
    return LANCZOS_LOBES * sin(x) * sin(x / LANCZOS_LOBES) / x**2 if abs(distance) < LANCZOS_LOBES else 0.0


def interpolate(input: Tensor, mode: Mode, factors: Sequence[float], cubic: Cubic = "torch") -> Tensor:
    """Interpolate ``(N, C, H, W)`` to ``(N, C, floor(s_y·H), floor(s_x·W))``, half-pixel centres.

    The framework's operator, and for Lanczos, which it has from 2.13 on the CPU only, one convolution for each axis.

    Raises:
        UnsupportedError: MATLAB's bicubic kernel at a scale that is not whole.
        UpsampleError: nobody's bicubic kernel is called that.
    """
    if mode == "lanczos":
        return _lanczos(input, int(factors[0]))
    if cubic not in OVERSHOOT:
        raise UpsampleError(f"cubic must be one of {', '.join(OVERSHOOT)}; got {cubic!r}.")
    if mode == "bicubic" and cubic != "torch":
        return _other_cubic(input, factors, cubic)
    align_corners = False if mode in ("bilinear", "bicubic") else None
    return F.interpolate(input, scale_factor=tuple(factors), mode=mode, align_corners=align_corners)


def _other_cubic(input: Tensor, factors: Sequence[float], cubic: Cubic) -> Tensor:
    """Torch's antialiased interpolation has PIL's kernel and edges, and has nothing to smooth where an image grows."""
    if cubic == "pil":
        return F.interpolate(input, scale_factor=tuple(factors), mode="bicubic", align_corners=False, antialias=True)
    if any(factor != int(factor) for factor in factors):
        raise UnsupportedError(f"MATLAB's bicubic interpolation is known here at whole scales only; got {factors}.")
    for axis in (2, 3):
        size = input.shape[axis]
        places = [mirrored(source, size) for source in range(-MIRRORED, size + MIRRORED)]
        input = input.index_select(axis, torch.tensor(places, device=input.device))
    beyond = [MIRRORED * int(factor) for factor in factors]
    enlarged = _other_cubic(input, factors, "pil")
    return enlarged[:, :, beyond[0] : -beyond[0], beyond[1] : -beyond[1]]


def _lanczos(input: Tensor, scale: int) -> Tensor:
    """Every s-th output of an axis has the same six weights, so that s small convolutions make all of them."""
    batch, channels, height, width = input.shape
    kernels = input.new_tensor(_lanczos_kernels(scale))
    planes = F.pad(input.reshape(-1, 1, height, width), (LANCZOS_LOBES, LANCZOS_LOBES, 0, 0), mode="replicate")
    wide = F.conv2d(planes, kernels[:, None, None]).movedim(1, -1).flatten(2)
    wide = F.pad(wide[:, None], (0, 0, LANCZOS_LOBES, LANCZOS_LOBES), mode="replicate")
    high = F.conv2d(wide, kernels[:, None, :, None]).movedim(1, 2).flatten(1, 2)
    return high.reshape(batch, channels, height * scale, width * scale)


def _lanczos_kernels(scale: int) -> list[list[float]]:
    """The weights of each output phase on the sources from -3 to +3 around its own input pixel."""
    kernels = [[0.0] * (2 * LANCZOS_LOBES + 1) for _ in range(scale)]
    for phase, kernel in enumerate(kernels):
        for source, weight in _taps("lanczos", phase, scale):
            kernel[source + LANCZOS_LOBES] += weight
    return kernels


def interpolate_by_definition(input: Tensor, mode: Mode, factors: Sequence[float], cubic: Cubic = "torch") -> Tensor:
    """The same output from two sampling matrices: ``R_h · input · R_wᵀ``."""
    rows, columns = (
        sampling_matrix(mode, size, factor, cubic=cubic).to(device=input.device, dtype=input.dtype)
        for size, factor in zip(input.shape[2:], factors, strict=True)
    )
    return rows @ input @ columns.T


def interpolation_work(mode: Mode, planes: int, height: int, width: int, factors: Sequence[float]) -> Work:
    """Work of interpolating ``planes`` planes of ``height`` by ``width``."""
    high, wide = int(height * factors[0]), int(width * factors[1])
    if mode == "lanczos":
        taps = 2 * LANCZOS_LOBES + 1
        return Work(flops=2 * taps * planes * (height * wide + high * wide))
    return Work(flops=FLOPS_PER_OUTPUT[mode] * planes * high * wide)
