"""How unevenly the s² output phases err: a checkerboard makes some of them worse than others."""

from __future__ import annotations

from upbench.quality.look import ImageMeter, Look
from upbench.records.quality_run import MeterCard


class PhaseVariance(ImageMeter):
    """Of the mean squared error of each phase, relative: standard deviation against mean; None without any error.

    Interpolation is uneven as well: pixels further from those of the small image are guessed worse. What matters is how
    much more than that an upsampler has.
    """

    name = "phase_variance"
    card = MeterCard(
        "Phase variance of the error",
        "",
        "lower",
        "Standard deviation of the mean squared error over the s² output phases, against its mean.",
    )

    def read(self, look: Look) -> float | None:
        scale = look.scale
        height, width = (size - size % scale for size in look.error.shape)
        error = look.error[:height, :width] ** 2
        by_phase = error.reshape(height // scale, scale, width // scale, scale).mean((0, 2))
        mean = float(by_phase.mean())
        return float(by_phase.std()) / mean if mean else None
