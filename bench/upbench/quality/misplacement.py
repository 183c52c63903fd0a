"""How far an enlarged image lies from where it belongs, and how unevenly its phases err.

Sources: Guizar-Sicairos et al., Optics Letters 2008, for shifts of fractions of a pixel, as scikit-image has it.

Traps: a blur over 2×2 pixels moves the image by half a pixel, ``align_corners`` by more the further from the middle,
and a transposed convolution with another padding by whole pixels; none of it shows in a loss that is trained around it.
"""

from __future__ import annotations

from skimage.registration import phase_cross_correlation

from upbench.quality.spectrum import Plane

FRACTIONS = 100
"""Of a pixel, to which a shift is known."""


def shift(plane: Plane, reference: Plane) -> tuple[float, float]:
    """Return by how many pixels a plane lies below and to the right of the reference."""
    found, *_ = phase_cross_correlation(reference, plane, upsample_factor=FRACTIONS)
    return -float(found[0]), -float(found[1])


def phase_variance(plane: Plane, reference: Plane, scale: int) -> float:
    """Return the variance of the mean squared error over the s² output phases, relative to the square of its mean."""
    height, width = (size - size % scale for size in plane.shape)
    error = (plane - reference)[:height, :width] ** 2
    by_phase = error.reshape(height // scale, scale, width // scale, scale).mean((0, 2))
    mean = float(by_phase.mean())
    return float(by_phase.var()) / mean**2 if mean else 0.0
