"""What an enlarged image's spectrum betrays: peaks where a checkerboard stands, and power that is missing or too much.

A pattern of period s shows at the multiples of 1/s of the sampling rate, on the axes and on the diagonals, as a peak
above what else lies at the same radius. The mean power at each radius, against that of the original, says how much of
the fine detail was recovered.

Sources: Odena et al., Distill 2016; Durall et al., "Watch your Up-Convolution", CVPR 2020, for the mean over radii.

Trap: an image does not go on at its other edge, and the jump there makes a cross of power on the axes, just where the
peaks are looked for; a Hann window takes it away.
"""

from __future__ import annotations

from itertools import product
from math import hypot

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float64]
"""One channel, ``(H, W)``."""

ANNULUS = 3
"""Half the width, in frequencies, of the annulus that a peak is held against."""


def power(plane: Plane) -> Plane:
    """Return the power of a plane without its mean, seen through a Hann window, frequency 0 first."""
    window = np.outer(*(np.hanning(size + 2)[1:-1] for size in plane.shape))
    weighted = (plane - (plane * window).sum() / window.sum()) * window
    spectrum: Plane = np.abs(np.fft.fft2(weighted)) ** 2
    return spectrum


def _radii(shape: tuple[int, ...]) -> Plane:
    """Distance of each frequency from 0, in cycles a pixel."""
    rows, columns = (np.fft.fftfreq(size) for size in shape)
    radii: Plane = np.hypot(rows[:, None], columns)
    return radii


def peaks_db(plane: Plane, scale: int) -> float:
    """Return the strongest of the peaks at multiples of 1/scale against the median of its annulus, in dB.

    The plane is cropped to a multiple of ``scale``, so that the peaks fall on frequencies.
    """
    height, width = (size - size % scale for size in plane.shape)
    spectrum = power(plane[:height, :width])
    radii = _radii(spectrum.shape)
    half = ANNULUS / min(height, width)
    found = []
    for i, j in product(range(scale // 2 + 1), repeat=2):
        if (i, j) == (0, 0) or not (i == 0 or j == 0 or i == j):
            continue
        radius = hypot(i / scale, j / scale)
        near = np.abs(radii - radius) <= half
        found.append(spectrum[i * height // scale, j * width // scale] / np.median(spectrum[near]))
    return float(10 * np.log10(max(found)))


def radial_power(plane: Plane, bins: int) -> Plane:
    """Return the mean power at each of ``bins`` radii up to half a cycle a pixel."""
    spectrum, radii = power(plane), _radii(plane.shape)
    number = np.minimum((radii * 2 * bins).astype(int), bins)
    sums = np.bincount(number.ravel(), spectrum.ravel(), minlength=bins + 1)[:bins]
    return np.asarray(sums / np.bincount(number.ravel(), minlength=bins + 1)[:bins], dtype=np.float64)


def radial_error(plane: Plane, reference: Plane, bins: int = 32) -> float:
    """Return by how much the mean power at a radius differs from the reference's, relative, mean over the radii."""
    ours, theirs = radial_power(plane, bins), radial_power(reference, bins)
    return float(np.mean(np.abs(ours - theirs) / theirs))
