"""The power spectrum of a plane, as the meters of detail and of checkerboards read it.

Trap: an image does not go on at its other edge, and the jump there makes a cross of power on the axes, just where the
peaks of a checkerboard are looked for; a Hann window takes it away.
"""

from __future__ import annotations

from math import hypot

import numpy as np

from upbench.quality.look import Plane
from upbench.records.quality_run import decibels

ANNULUS = 3
"""Half the width, in frequencies, of the annulus that a peak is held against."""


def power(plane: Plane) -> Plane:
    """Return the power of a plane without its mean, seen through a Hann window, frequency 0 first."""
    # Periodic, so that a pattern that repeats within the plane is in three frequencies along each axis and no other.
    window = np.outer(*(np.hanning(size + 1)[:-1] for size in plane.shape))
    weighted = (plane - (plane * window).sum() / window.sum()) * window
    spectrum: Plane = np.abs(np.fft.fft2(weighted)) ** 2
    return spectrum


def radii(shape: tuple[int, ...]) -> Plane:
    """Return the distance of each frequency from 0, in cycles a pixel."""
    rows, columns = (np.fft.fftfreq(size) for size in shape)
    distances: Plane = np.hypot(rows[:, None], columns)
    return distances


def reach(shape: tuple[int, ...]) -> Plane:
    """Return the larger of the two frequencies along the axes, in cycles a pixel: what a smaller grid can hold."""
    rows, columns = (np.abs(np.fft.fftfreq(size)) for size in shape)
    larger: Plane = np.maximum(rows[:, None], columns)
    return larger


def mean_by_radius(spectrum: Plane, bins: int) -> Plane:
    """Return the mean power at each of ``bins`` radii up to half a cycle a pixel; nan where no frequency has it.

    The mean of the image, frequency 0, is none of them: the window has taken it away.
    """
    number = np.minimum((radii(spectrum.shape) * 2 * bins).astype(int), bins).ravel()[1:]
    counts = np.bincount(number, minlength=bins + 1)[:bins].astype(np.float64)
    sums = np.bincount(number, spectrum.ravel()[1:], minlength=bins + 1)[:bins]
    means: Plane = np.divide(sums, counts, out=np.full(bins, np.nan), where=counts > 0)
    return means


def strongest_peak(plane: Plane, period: int) -> float | None:
    """Return the power of the strongest peak at multiples of 1/period against the median of its annulus.

    Peaks are looked for on both axes and both diagonals. The plane is cropped to a multiple of ``period``, so that they
    fall on frequencies. None where a plane is smaller than that, or has no power at all at these radii.
    """
    height, width = (size - size % period for size in plane.shape)
    if not min(height, width):
        return None
    spectrum = power(plane[:height, :width])
    distances = radii(spectrum.shape)
    half = ANNULUS / min(height, width)
    found = []
    half_way = range(1, period // 2 + 1)
    for i, j in [place for k in half_way for place in ((0, k), (k, 0), (k, k), (k, -k))]:
        place = i * height // period, j * width // period
        near = np.abs(distances - hypot(i / period, j / period)) <= half
        # The window spreads a peak over its neighbours, which are no measure of what it stands in.
        beside = (np.arange(at - 1, at + 2) % size for at, size in zip(place, spectrum.shape, strict=True))
        near[np.ix_(*beside)] = False
        around = float(np.median(spectrum[near])) if near.any() else 0.0
        if around > 0:
            found.append(float(spectrum[place]) / around)
    return max(found, default=None)


def strongest_peak_db(plane: Plane, period: int) -> float | None:
    """Return the same in dB; None also where nothing stands at any of these places."""
    return decibels(strongest_peak(plane, period) or None)
