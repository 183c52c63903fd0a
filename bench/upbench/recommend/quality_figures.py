"""The PSNR of each upsampler at each scale, from records of quality: what a limit of PSNR is held against.

It is of the network of that comparison, of its photographs and of the end of its trainings, not of the network of
whoever asks. Only upsamplers as they are practised, between the backbone and the last convolution, are comparable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from upbench.cases.case import Scale
from upbench.records.quality_run import Contestant, QualityRun, Training, final
from upbench.records.quality_statistics import crossed_interval
from upbench.records.statistics import Interval

PSNR = "psnr"

FEWEST_SEEDS = 2
"""One training says nothing of another."""


@dataclass(frozen=True)
class TrainedPsnr:
    """Of one upsampler at one scale, in dB.

    Attributes:
        by_seed: the mean over images, by the seed, of which there are two at least; those who share one have seen the
            same data in the same order.
    """

    by_seed: Mapping[str, float]

    @property
    def interval(self) -> Interval:
        """Student's t over seeds."""
        found = crossed_interval(np.array(list(self.by_seed.values()))[:, None])
        assert found is not None
        return found


@dataclass(frozen=True)
class QualityFigures:
    """What a run of ``upbench quality`` says.

    Attributes:
        of: by upsampler and scale.
        photographs: on how many PSNR was taken.
        seeds: how many trainings each has had, the most of any.
    """

    of: Mapping[tuple[str, Scale], TrainedPsnr]
    photographs: int
    seeds: int

    def psnr(self, name: str, usual: str, scale: Scale) -> TrainedPsnr | None:
        """Of an upsampler; an exact form has the output, and so the PSNR, of the usual one."""
        return self.of.get((name, scale)) or self.of.get((usual, scale))

    def rivals(self, scale: Scale) -> int:
        """How many upsamplers are compared with any one at a scale."""
        return sum(of == scale for _, of in self.of) - 1


def quality_figures(run: QualityRun) -> QualityFigures:
    """Gather the PSNRs; of contestants that differ in their options the first counts."""
    found: dict[tuple[str, Scale], TrainedPsnr] = {}
    images: set[str] = set()
    for contestant in run.contestants:
        where: tuple[str, Scale] = (contestant.upsampler, contestant.scale)
        own = _trainings(run.trainings, contestant) if where not in found else []
        by_seed = {str(training.seed): value for training in own if (value := _mean(training)) is not None}
        if len(by_seed) >= FEWEST_SEEDS:
            found[where] = TrainedPsnr(by_seed)
            images |= {image for training in own for image in training.images}
    return QualityFigures(found, len(images), max((len(each.by_seed) for each in found.values()), default=0))


def _trainings(trainings: Sequence[Training], contestant: Contestant) -> list[Training]:
    if contestant.league != "as practised" or contestant.placement != "inside":
        return []
    return [each for each in trainings if each.contestant == contestant.id and each.outcome == "ok"]


def _mean(training: Training) -> float | None:
    values = [value for value in final(training, PSNR) if value is not None]
    return mean(values) if values and len(values) == len(final(training, PSNR)) else None
