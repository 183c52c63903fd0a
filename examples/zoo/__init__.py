"""Public networks that upsample: written here from their papers, or those of other packages, with random weights.

``ZOO`` has them all by name. Nothing of another package is imported before one of its networks is made.
"""

from examples.zoo import (
    cugan,
    dense_prediction,
    diffusion,
    generators,
    medical,
    restoration,
    segmentation,
    super_resolution,
    unets,
)
from examples.zoo.entry import Entry, Example, Inputs

OWN: dict[str, Entry] = {
    **super_resolution.ENTRIES,
    **cugan.ENTRIES,
    **unets.ENTRIES,
    **segmentation.ENTRIES,
    **generators.ENTRIES,
}
"""Networks whose definition stands here."""

OUTSIDERS: dict[str, Entry] = {
    **diffusion.ENTRIES,
    **medical.ENTRIES,
    **restoration.ENTRIES,
    **dense_prediction.ENTRIES,
}
"""Networks of other packages, which need not be installed."""

ZOO: dict[str, Entry] = {**OWN, **OUTSIDERS}

__all__ = ["OUTSIDERS", "OWN", "ZOO", "Entry", "Example", "Inputs"]
