"""Fine detail that was recovered: the error above the small image's highest frequency, against the detail there.

Beyond 1/(2s) of the sampling rate along either axis the small image holds nothing that is in its place. An output
without any detail there has an error of 1; detail in the right place lowers it, invented detail in a wrong place raises
it, which power alone cannot tell apart.
"""

from __future__ import annotations

from upbench.quality.look import ImageMeter, Look
from upbench.quality.spectrum import power, reach
from upbench.records.quality_run import MeterCard


class HighFrequency(ImageMeter):
    """0 for equal images, 1 where the output has no detail."""

    name = "high_frequency"
    card = MeterCard(
        "High-frequency error",
        "",
        "lower",
        "Energy of the error beyond 1/(2s) cycles a pixel along an axis, against the original's: 1 recovers nothing.",
    )

    def read(self, look: Look) -> float | None:
        fine = reach(look.original.shape) > 0.5 / look.scale
        there = float(power(look.original)[fine].sum())
        return float(power(look.error)[fine].sum()) / there if there else None
