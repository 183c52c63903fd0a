"""How often methods of finding change points find a planted one, or invent one: the table of history.md.

The series are like those of a shared machine: lognormal noise, single runs that were disturbed, a slow drift, several
runs a commit. ``tox run -e change-points`` prints the table; what a method needs beside ``upbench`` is installed there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import log

import numpy as np
import numpy.typing as npt

from upbench.history.change_points import change_points, noise_of, tree_proposals

COMMITS = 150
SERIES_OF_A_HISTORY = 20
"""Between which the error rate is shared."""

STEPS = (0.03, 0.05, 0.10, 0.20)
NOISES = (0.01, 0.02, 0.05)
OUTLIERS = 0.03
LEAST = 0.03
LEVEL = 0.05 / (SERIES_OF_A_HISTORY * (COMMITS - 1))

Series = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]
Method = Callable[[npt.NDArray[np.float64], npt.NDArray[np.int64]], list[int]]
"""From logarithms and the commit of each run to the commits that it calls changes."""


def simulated(
    random: np.random.Generator,
    commits: int = COMMITS,
    noise: float = 0.02,
    steps: Mapping[int, float] | None = None,
    drift: float = 0.01,
    most_runs: int = 3,
) -> Series:
    """A series of logarithms and the commit of each run.

    Args:
        random: where chance comes from.
        commits: each with one to ``most_runs`` runs.
        noise: standard deviation from run to run.
        steps: by how much, as a share, the level rises or falls at a commit.
        drift: how far the machine wanders to either side, slowly.
        most_runs: of one commit.
    """
    versions = np.repeat(np.arange(commits), random.integers(1, most_runs + 1, commits))
    period, phase = commits * random.uniform(0.5, 2), random.uniform(0, 2 * np.pi)
    logs = random.normal(0, noise, len(versions)) + drift * np.sin(2 * np.pi * versions / period + phase)
    disturbed = random.random(len(versions)) < OUTLIERS
    logs += np.where(disturbed, np.log(random.uniform(1.2, 1.5, len(versions))), 0)
    for commit, share in (steps or {}).items():
        logs += np.where(versions >= commit, log(1 + share), 0)
    return logs, versions


def confirmed(propose: Callable[..., Sequence[int]]) -> Method:
    """A method's places, moved and confirmed as a history does it."""

    def found(values: npt.NDArray[np.float64], versions: npt.NDArray[np.int64]) -> list[int]:
        points = change_points(values, versions, LEVEL, LEAST, propose)
        return [int(versions[point.run]) for point in points]

    return found


def alone(propose: Callable[..., Sequence[int]]) -> Method:
    """A method's places as they are."""
    return lambda values, versions: sorted({int(versions[run]) for run in propose(values, noise_of(values))})


def kernel_proposals(values: npt.NDArray[np.float64], noise: float) -> Sequence[int]:
    """Segments with a Gaussian kernel (Arlot, Celisse & Harchaoui, JMLR 2019)."""
    import ruptures

    search = ruptures.KernelCPD(kernel="rbf", min_size=2, params={"gamma": 1 / (8 * noise**2)})
    return list(search.fit(values[:, None]).predict(pen=0.5 * log(len(values))))[:-1]


def mean_proposals(values: npt.NDArray[np.float64], noise: float) -> Sequence[int]:
    """Segments of the least squares (PELT: Killick, Fearnhead & Eckley, JASA 2012)."""
    import ruptures

    search = ruptures.KernelCPD(kernel="linear", min_size=2)
    return list(search.fit(values[:, None] / noise).predict(pen=3 * log(len(values))))[:-1]


def otava_proposals(values: npt.NDArray[np.float64], noise: float, max_pvalue: float = 0.001) -> Sequence[int]:
    """Apache Otava (Fleming et al., ICPE 2023) with its own settings and the same least change."""
    from otava.analysis import compute_change_points

    found, _ = compute_change_points(np.exp(values).tolist(), max_pvalue=max_pvalue, min_magnitude=LEAST)
    return [point.index for point in found]


METHODS: dict[str, Method] = {
    "Apache Otava": alone(otava_proposals),
    "Apache Otava, p < 1e-6": alone(partial(otava_proposals, max_pvalue=1e-6)),
    "Apache Otava, confirmed": confirmed(otava_proposals),
    "ruptures, means": alone(mean_proposals),
    "ruptures, kernel": alone(kernel_proposals),
    "ruptures, kernel, confirmed": confirmed(kernel_proposals),
    "scikit-learn, tree": alone(tree_proposals),
    "scikit-learn, tree, confirmed: `upbench history`": confirmed(tree_proposals),
}


@dataclass
class Score:
    """What a method made of many series."""

    planted: dict[float, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    at_commit: dict[float, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    one_off: dict[float, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    invented: int = 0
    quiet_series: int = 0
    seconds: float = 0.0
    series: int = 0

    def row(self) -> str:
        """Cells of the table."""
        shares = [[100 * of[step] / self.planted[step] for of in (self.at_commit, self.one_off)] for step in STEPS]
        cells = [f"{at_commit:.0f} + {one_off:.0f} %" for at_commit, one_off in shares]
        return " | ".join(
            [*cells, f"{1000 * self.invented / self.quiet_series:.0f}", f"{1000 * self.seconds / self.series:.1f} ms"]
        )


def score(method: Method, count: int) -> Score:
    """Try a method on ``count`` series without a change, and as many with three."""
    result = Score()
    random = np.random.default_rng(0)
    for number in range(count):
        noise = NOISES[number % len(NOISES)]
        result.invented += len(_timed(method, simulated(random, noise=noise), result))
        result.quiet_series += 1
        places = np.sort(random.choice(np.arange(12, COMMITS - 12, 20), 3, replace=False)) + random.integers(0, 9, 3)
        sizes = random.choice(STEPS, 3)
        signed = [size if random.random() < 0.5 else 1 / (1 + size) - 1 for size in sizes]
        steps = dict(zip(places.tolist(), signed, strict=True))
        found = _timed(method, simulated(random, noise=noise, steps=steps), result)
        for place, size in zip(places.tolist(), sizes.tolist(), strict=True):
            result.planted[size] += 1
            result.at_commit[size] += place in found
            result.one_off[size] += place not in found and bool({place - 1, place + 1} & set(found))
    return result


def _timed(method: Method, series: Series, result: Score) -> list[int]:
    begin = time.perf_counter()
    found = method(*series)
    result.seconds += time.perf_counter() - begin
    result.series += 1
    return found


def table(count: int) -> str:
    """The whole table."""
    heads = [f"+{100 * step:.0f} %" for step in STEPS]
    lines = [
        " | ".join(["| method", *heads, "invented in 1,000 series", "time a series |"]),
        "|---|" + "--:|" * (len(heads) + 2),
    ]
    return "\n".join([*lines, *(f"| {name} | {score(method, count).row()} |" for name, method in METHODS.items())])


if __name__ == "__main__":
    print(table(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
