"""The same peaks on the gradient that reaches the small image: a checkerboard there teaches the layers before it badly.

Source: Odena et al., Distill 2016, "Artifacts in gradients".
"""

from __future__ import annotations

from upbench.quality.look import ImageMeter, Look
from upbench.quality.spectrum import strongest_peak_db
from upbench.records.quality_run import MeterCard


class GradientPeaks(ImageMeter):
    """In dB above the median at the same radius; None where nothing was differentiated."""

    name = "gradient_peaks"
    card = MeterCard(
        "Gradient peaks",
        "dB",
        "lower",
        "The strongest peak, at a multiple of 1/s, of the gradient that reaches the small image.",
    )

    def read(self, look: Look) -> float | None:
        return None if look.gradient is None else strongest_peak_db(look.gradient, look.scale)
