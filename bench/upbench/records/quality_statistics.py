"""What a quality run says: means over images and seeds, and differences between contestants with their intervals.

Two contestants are compared on the same images with the same seeds, and a seed decides in what order both see the
data. A difference varies with the image, which may suit one of the two better, and with the seed; both are drawn at
random from many, so that its interval is that of a crossed design with two random factors.

Source: Searle, Casella & McCulloch, "Variance Components", 1992, chapter 4, with Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import mean

import numpy as np
import numpy.typing as npt
import scipy

from upbench.records.quality_run import Contestant, League, QualityRun, final
from upbench.records.statistics import CONFIDENCE, Interval


def at_the_end(run: QualityRun, contestant: str, meter: str, step: int = -1) -> dict[tuple[int, str], float]:
    """Return what a meter said, by seed and image; a meter of whole networks says it under the image ``""``.

    Args:
        run: of which.
        contestant: its id.
        meter: its name.
        step: index into the steps at which networks were looked at; the last unless given.
    """
    found: dict[tuple[int, str], float] = {}
    for training in run.trainings:
        if training.contestant != contestant or training.outcome != "ok" or meter not in training.readings:
            continue
        rows = training.readings[meter]
        row = final(training, meter) if step == -1 else rows[step] if step < len(rows) else ()
        if not row:
            continue
        images = training.images if len(row) == len(training.images) else ("",)
        found |= {(training.seed, image): value for image, value in zip(images, row, strict=True) if value is not None}
    return found


def mean_of(run: QualityRun, contestant: str, meter: str, step: int = -1) -> float | None:
    """The mean over images and seeds; None where nothing is known."""
    values = at_the_end(run, contestant, meter, step).values()
    return mean(values) if values else None


def paired_difference(run: QualityRun, a: str, b: str, meter: str, step: int = -1) -> Interval | None:
    """How much more a meter says of A than of B; None where they share fewer than two images or seeds.

    Args:
        run: of which.
        a: id of a contestant.
        b: id of the one that it is compared with.
        meter: its name.
        step: as in :func:`at_the_end`.
    """
    ours, theirs = (at_the_end(run, each, meter, step) for each in (a, b))
    shared = [key for key in ours if key in theirs]
    seeds, images = sorted({seed for seed, _ in shared}), sorted({image for _, image in shared})
    too_few = len(seeds) < 2 or (len(images) < 2 and images != [""])
    if too_few or len(shared) != len(seeds) * len(images):
        return None
    return crossed_interval(np.array([[ours[s, i] - theirs[s, i] for i in images] for s in seeds]))


def crossed_interval(differences: npt.NDArray[np.float64], confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval of the mean of ``(seeds, images)``, both drawn at random; None for a single value."""
    seeds, images = differences.shape
    centre = float(differences.mean())
    if differences.size < 2:
        return None
    variance, freedom = _variance_of_mean(differences, seeds, images)
    if not isfinite(freedom):
        return Interval(centre, centre, centre)
    half = float(scipy.stats.t.ppf((1 + confidence) / 2, freedom)) * variance**0.5
    return Interval(centre - half, centre, centre + half)


def _variance_of_mean(differences: npt.NDArray[np.float64], seeds: int, images: int) -> tuple[float, float]:
    """The variance of the mean, and its degrees of freedom; infinite where nothing varies."""
    if min(seeds, images) == 1:
        variance = float(differences.var(ddof=1)) / differences.size
        return variance, differences.size - 1 if variance else float("inf")
    by_seed, by_image = differences.mean(1), differences.mean(0)
    residual = differences - by_seed[:, None] - by_image + differences.mean()
    freedoms = (seeds - 1, images - 1, (seeds - 1) * (images - 1))
    of_seeds, of_images = images * float(by_seed.var(ddof=1)), seeds * float(by_image.var(ddof=1))
    of_rest = float((residual**2).sum()) / freedoms[2]
    # A factor that varies less than what is left of both adds nothing of its own.
    terms = [(of_seeds, freedoms[0]), (of_images, freedoms[1]), (-of_rest, freedoms[2])]
    if of_seeds <= of_rest or of_images <= of_rest:
        terms = [max(terms[0], terms[1], (of_rest, freedoms[2]))]
    total = sum(square for square, _ in terms)
    if total <= 0:
        return 0.0, float("inf")
    return total / differences.size, total**2 / sum(square**2 / freedom for square, freedom in terms)


def most_telling(runs: Sequence[QualityRun]) -> QualityRun | None:
    """Of several runs the one to judge by: with the most trainings of networks, and of these the newest."""

    def weight(run: QualityRun) -> tuple[int, str]:
        trained = sum(training.outcome == "ok" and training.seed >= 0 for training in run.trainings)
        return trained, str(run.facts.get("measured_at", ""))

    return max(runs, key=weight, default=None)


def in_league(run: QualityRun, upsampler: str, scale: int, league: League) -> Contestant | None:
    """The contestant that stands for an upsampler in a league, with its network whole and the upsampler in its place.

    One that is equal as practised already has no other network for the league.
    """
    own = [
        each
        for each in run.contestants
        if each.upsampler == upsampler and each.scale == scale and each.placement in ("inside", "first")
    ]
    in_it = [each for each in own if each.league == league]
    if in_it:
        return in_it[0] if any(t.contestant == in_it[0].id and t.outcome == "ok" for t in run.trainings) else None
    return next((each for each in own if each.league == "as practised"), None)
