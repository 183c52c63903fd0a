"""A checkerboard's peaks: a pattern of period s shows at multiples of 1/s of the sampling rate, on axes and diagonal.

Source: Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016.
"""

from __future__ import annotations

from upbench.quality.look import ImageMeter, Look
from upbench.quality.spectrum import strongest_peak_db
from upbench.records.quality_run import MeterCard


class SpectralPeaks(ImageMeter):
    """In dB above the median at the same radius; a natural image has 0 to 10 there, by chance."""

    name = "spectral_peaks"
    card = MeterCard(
        "Spectral peaks",
        "dB",
        "lower",
        "The strongest peak of the output at a multiple of 1/s against the median at that radius.",
    )

    def read(self, look: Look) -> float | None:
        return strongest_peak_db(look.output, look.scale)
