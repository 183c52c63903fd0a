"""The power spectrum of a plane, as the meters of detail and of checkerboards read it.

Trap: an image does not go on at its other edge, and the jump there makes a cross of power on the axes, just where the
peaks of a checkerboard are looked for; a Hann window takes it away.
"""

from __future__ import annotations

from itertools import product
from math import hypot

import numpy as np

from upbench.quality.look import Plane

ANNULUS = 3
"""Half the width, in frequencies, of the annulus that a peak is held against."""


def power(plane: Plane) -> Plane:
    """Return the power of a plane without its mean, seen through a Hann window, frequency 0 first."""
    window = np.outer(*(np.hanning(size + 2)[1:-1] for size in plane.shape))
    weighted = (plane - (plane * window).sum() / window.sum()) * window
    spectrum: Plane = np.abs(np.fft.fft2(weighted)) ** 2
    return spectrum


def radii(shape: tuple[int, ...]) -> Plane:
    """Return the distance of each frequency from 0, in cycles a pixel."""
    rows, columns = (np.fft.fftfreq(size) for size in shape)
    distances: Plane = np.hypot(rows[:, None], columns)
    return distances


def mean_by_radius(spectrum: Plane, bins: int) -> Plane:
    """Return the mean power at each of ``bins`` radii up to half a cycle a pixel."""
    number = np.minimum((radii(spectrum.shape) * 2 * bins).astype(int), bins)
    sums = np.bincount(number.ravel(), spectrum.ravel(), minlength=bins + 1)[:bins]
    return np.asarray(sums / np.bincount(number.ravel(), minlength=bins + 1)[:bins], dtype=np.float64)


def strongest_peak(plane: Plane, period: int) -> float | None:
    """Return the power of the strongest peak at multiples of 1/period against the median of its annulus.

    Peaks are looked for on both axes and on the diagonal. The plane is cropped to a multiple of ``period``, so that
    they fall on frequencies. None where a plane has no power at all at these radii.
    """
    height, width = (size - size % period for size in plane.shape)
    spectrum = power(plane[:height, :width])
    distances = radii(spectrum.shape)
    half = ANNULUS / min(height, width)
    found = []
    for i, j in product(range(period // 2 + 1), repeat=2):
        if (i, j) == (0, 0) or not (i == 0 or j == 0 or i == j):
            continue
        near = np.abs(distances - hypot(i / period, j / period)) <= half
        around = float(np.median(spectrum[near]))
        if around > 0:
            found.append(float(spectrum[i * height // period, j * width // period]) / around)
    return max(found, default=None)
