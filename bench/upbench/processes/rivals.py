"""Rivals side by side: live processes that are timed block by block, in random order, round after round.

All rivals of a launch are alive at once on the same core or cores, and only one of them works at a time. A neighbour's
load, the clock rate and the core's own quality then hit all of them alike, and what is inferred from a launch is how
their times compare within its rounds. Sweep, pytest and gate all time this way.

Measured on a 2-core shared machine, 13 upsamplers at ×2 between 16 channels with the control: from launch to launch
(0.5 s each) their ratios to sub-pixel convolution vary by 1.7 % (standard deviation, median over the upsamplers) on the
quiet machine, and by 1.0 % beside a neighbour on each core that multiplies matrices in bursts.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import trim_mean

BLOCK_S = 0.0005
"""Calls are timed in blocks of about this length, at least one call: shorter than most disturbances.

In blocks of 1 ms the ratios beside the neighbour vary by 1.7 % instead of 1.0 %.
"""

SHORT_S = 0.01
"""Calls no longer than this are looked at twice before their number in a block is chosen."""

LEAST_ROUNDS, MOST_ROUNDS = 6, 200
LEAST_SHARE = 0.1
"""Of the time that the slowest rival takes in its fewest rounds, for every other one."""

TRIMMED = 0.25
"""Share of its rounds left out at each end before a rival's level is averaged."""


class RivalEndedError(Exception):
    """A rival has ended, or has been ended, while it was measured."""


class Rival(Protocol):
    """A live process that times itself when it is told to, and is idle otherwise."""

    def block(self, calls: int) -> float:
        """Make one untimed call and then so many timed ones; the mean seconds of those.

        The untimed call is part of the definition. Without it a block begins with what the caches still hold after all
        other rivals, so that a figure would depend on who they are and on how many calls a block has: conv + bilinear
        at ×2 takes 0.6 ms in blocks of one call and 0.5 ms in blocks of two.

        Raises:
            RivalEndedError: there is no answer to be had any more.
        """


@dataclass(frozen=True)
class Blocks:
    """What the rivals of a launch took.

    Attributes:
        seconds: rounds × rivals, mean seconds of a call; not a number where a rival took no part.
        calls: in each block of each rival.
        ended: rivals that ended, by their place, with the error.
    """

    seconds: npt.NDArray[np.float64]
    calls: tuple[int, ...]
    ended: dict[int, RivalEndedError]

    def of(self, place: int) -> list[float]:
        """The blocks of one rival, in order."""
        column = self.seconds[:, place]
        return [float(each) for each in column[~np.isnan(column)]]

    @property
    def levels(self) -> list[float]:
        """The log of how long each rival's call takes, relative to the same for all; only their differences mean much.

        A disturbance may slow a round as a whole. How much is told by those rivals that took part in every round: the
        median of how far each is from its own median (a step of Tukey's median polish, 1977). Without that, a rival's
        rounds are averaged, its extremes left out. Of two rivals the difference is the trimmed mean of their
        log-ratios. Not a number for one that has ended.
        """
        logs = np.log(self.seconds)
        counts = np.isfinite(logs).sum(axis=0)
        frame = logs[:, counts == counts.max()]
        whole = np.isfinite(frame).all(axis=1)
        slowed = np.median(frame[whole] - np.median(frame[whole], axis=0), axis=1, keepdims=True)
        columns = [column[np.isfinite(column)] for column in (logs[whole] - slowed).T]
        return [float(trim_mean(column, TRIMMED)) if len(column) else float("nan") for column in columns]


def call_s_of(rival: Rival) -> float:
    """Seconds of one call of a rival, roughly, while all others are idle.

    Raises:
        RivalEndedError: there is no answer to be had any more.
    """
    first = rival.block(1)
    return first if first > SHORT_S else min(first, rival.block(1))


def side_by_side(
    rivals: Sequence[Rival],
    call_s: Sequence[float],
    seconds: float,
    rng: random.Random,
    block_s: float = BLOCK_S,
    most_rounds: int = MOST_ROUNDS,
    most_s: float = inf,
) -> Blocks:
    """Time the rivals for about so many seconds altogether, or for the fewest rounds of each.

    Each rival gets the same share of the time, so that one with long calls takes part in fewer rounds, evenly spread;
    and a tenth at least of what the fewest rounds of the slowest one take.

    Args:
        rivals: alive and warm.
        call_s: seconds of one call of each, roughly.
        seconds: of the launch.
        rng: of the order within each round.
        block_s: about how long a block is, at least one call; longer for a clock that is too coarse for the usual one.
        most_rounds: of any rival, even where that is less than the fewest rounds.
        most_s: after which no further round begins, whatever ``call_s`` has made expect.
    """
    calls = [max(1, round(block_s / max(each, 1e-9))) for each in call_s]
    taken_s = [max((count + 1) * each, 1e-9) for count, each in zip(calls, call_s, strict=True)]
    share_s = max(seconds / len(rivals), LEAST_SHARE * LEAST_ROUNDS * max(taken_s))
    wanted = [min(most_rounds, max(LEAST_ROUNDS, int(share_s / each))) for each in taken_s]
    rounds = max(wanted)
    taken = np.full((rounds, len(rivals)), np.nan)
    ended: dict[int, RivalEndedError] = {}
    begun = time.perf_counter()
    for number in range(rounds):
        if time.perf_counter() - begun > most_s:
            break
        # The n-th of the rounds in which a rival takes part begins its n-th share of them all.
        here = [place for place, own in enumerate(wanted) if (number * own) % rounds < own]
        for place in rng.sample(here, len(here)):
            if place in ended:
                continue
            try:
                taken[number, place] = rivals[place].block(calls[place])
            except RivalEndedError as error:
                ended[place] = error
                taken[:, place] = np.nan
        if ended and len(ended) >= len(rivals) - 1:
            break
    return Blocks(taken, tuple(calls), ended)
