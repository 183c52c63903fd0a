"""Folders of runs with known changes, written as a sweep writes them: no case in them was ever run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from docs.change_point_methods import simulated
from tests.upbench.synthetic import CONTROL_S, case, measured, run_of
from upbench.records.record import write_run

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
UPSAMPLERS = ("nearest_conv", "subpixel", "transposed", "transposed_phases", "nearest_conv_staged")
LAUNCHES = 5


@dataclass(frozen=True)
class Plant:
    """A change that is in the folder.

    Attributes:
        case: number of the case; of the control's own series, None.
        commit: number of the first commit that has it.
        share: by how much more, as a share; negative for less.
        quantity: which.
    """

    case: int | None
    commit: int
    share: float
    quantity: str = "latency"


@dataclass(frozen=True)
class Made:
    """A folder that was written: its cases, and its commits in order."""

    folder: Path
    cases: tuple[str, ...]
    commits: tuple[str, ...]
    files: int = field(default=0)


def commit_id(number: int, seed: int = 0) -> str:
    """As good as a hash: their order says nothing."""
    return hashlib.sha1(f"{seed} {number}".encode(), usedforsecurity=False).hexdigest()


def case_names(count: int) -> tuple[str, ...]:
    return tuple(case(UPSAMPLERS[at % len(UPSAMPLERS)], channels=8 + at // len(UPSAMPLERS)).id for at in range(count))


def write_archive(
    folder: Path,
    commits: int = 150,
    most_runs: int = 3,
    cases: int = 20,
    planted: Sequence[Plant] = (),
    seed: int = 0,
    noise: float = 0.02,
    rounds: int = 3,
    least_runs: int | None = None,
    fingerprint: Mapping[str, Any] | None = None,
    software: Mapping[int, Mapping[str, str]] | None = None,
) -> Made:
    """Write a file for each run of each commit.

    Args:
        folder: made if need be.
        commits: as many, an hour after each other.
        most_runs: of one commit.
        cases: in each run.
        planted: the changes.
        seed: of everything.
        noise: of the ratios to the control, from run to run; what the machine does to seconds comes on top.
        rounds: of each case in the file.
        least_runs: of one commit; ``most_runs`` for as many of each.
        fingerprint: parts of the machine that are another's.
        software: parts of the fingerprint from a commit on.
    """
    random = np.random.default_rng(seed)
    names = case_names(cases)
    # Which commits were measured how often is the same for all cases.
    runs_of = random.integers(least_runs or 1, most_runs + 1, commits)
    version = np.repeat(np.arange(commits), runs_of)
    levels = np.array([_noise(random, len(version), noise) for _ in names]) + np.log(10 + np.arange(cases))[:, None]
    control = np.log(CONTROL_S) + _noise(random, len(version), noise / 2)
    exact = {
        "flops": np.tile(np.arange(1, cases + 1)[:, None] * 1e6, len(version)),
        "params": np.tile(np.arange(1, cases + 1)[:, None] * 100.0, len(version)),
        "peak_allocated_bytes": np.tile(np.arange(1, cases + 1)[:, None] * 4096.0, len(version)),
    }
    for plant in planted:
        after = version >= plant.commit
        if plant.case is None:
            control += np.where(after, np.log1p(plant.share), 0)
        elif plant.quantity == "latency":
            levels[plant.case] += np.where(after, np.log1p(plant.share), 0)
        else:
            exact[plant.quantity][plant.case] *= np.where(after, 1 + plant.share, 1)
    writer = _Writer(folder, names, rounds, random)
    order = random.permutation(len(version))
    for place in range(len(version)):
        machine = dict(fingerprint or {})
        for first, changed in (software or {}).items():
            machine |= changed if version[place] >= first else {}
        writer.write(
            name=f"{commit_id(place, seed + 1)[:12]}.json",
            commit=commit_id(int(version[place]), seed),
            committed=BEGIN + timedelta(hours=int(version[place])),
            # Some commits are measured long after they were made.
            measured=BEGIN + timedelta(hours=int(version[place]), days=int(order[place] % 7), seconds=place),
            control_s=float(np.exp(control[place])),
            levels=levels[:, place],
            exact={quantity: of[:, place] for quantity, of in exact.items()},
            fingerprint=machine,
        )
    return Made(folder, names, tuple(commit_id(number, seed) for number in range(commits)), len(version))


def _noise(random: np.random.Generator, runs: int, noise: float) -> Any:
    """What a series is beside its changes: chance, disturbed runs, and the machine's drift."""
    logs, _ = simulated(random, runs, noise, drift=noise / 2, most_runs=1)
    return logs


class _Writer:
    """Files as :func:`write_run` writes them, from one that it wrote: thousands would take minutes otherwise."""

    def __init__(self, folder: Path, names: Sequence[str], rounds: int, random: np.random.Generator) -> None:
        self._folder, self._random = folder, random
        folder.mkdir(parents=True, exist_ok=True)
        records = []
        for at, name in enumerate(names):
            of_case = case(UPSAMPLERS[at % len(UPSAMPLERS)], channels=8 + at // len(UPSAMPLERS))
            assert of_case.id == name
            record = measured(of_case, [1e-3] * LAUNCHES)
            records.append(replace(record, rounds_s=(1e-3,) * rounds))
        sample = folder / "sample.partial"
        write_run(replace(run_of(records), commit_info={"id": "", "time": "", "dirty": False}), sample)
        self._document = json.loads(sample.read_text())
        sample.unlink()
        self._rounds = [json.dumps(np.round(random.lognormal(-7, 0.1, rounds), 9).tolist()) for _ in range(50)]
        self._templates = [self._template(benchmark) for benchmark in self._document["benchmarks"]]

    @staticmethod
    def _template(benchmark: dict[str, Any]) -> str:
        for key in ("launch_levels", "latency_s", "flops", "params", "peak_allocated_bytes"):
            benchmark["extra_info"][key] = f"@{key}"
        benchmark["stats"] |= {"data": "@data", "median": "@latency_s"}
        return json.dumps(benchmark)

    def write(
        self,
        name: str,
        commit: str,
        committed: datetime,
        measured: datetime,
        control_s: float,
        levels: Any,
        exact: Mapping[str, Any],
        fingerprint: Mapping[str, Any],
    ) -> None:
        busy = self._random.uniform(1, 1.3)
        within = self._random.normal(0, 0.005, (len(levels), LAUNCHES))
        # What is written is what the run saw, not what its launches average to.
        within -= np.sort(within, axis=1)[:, 1:-1].mean(axis=1, keepdims=True)
        texts = []
        for at, template in enumerate(self._templates):
            values = {
                "@launch_levels": json.dumps((levels[at] + within[at]).tolist()),
                "@latency_s": repr(float(control_s * busy * np.exp(levels[at]))),
                "@data": self._rounds[int(self._random.integers(len(self._rounds)))],
                **{f"@{quantity}": str(int(of[at])) for quantity, of in exact.items()},
            }
            for key, value in values.items():
                template = template.replace(f'"{key}"', value)
            texts.append(template)
        document = {key: value for key, value in self._document.items() if key != "benchmarks"}
        document["commit_info"] = {"id": commit, "time": committed.isoformat(), "dirty": False}
        document["datetime"] = measured.isoformat()
        document["machine_info"] = {"fingerprint": document["machine_info"]["fingerprint"] | dict(fingerprint)}
        controls = [{"threads": 1, "device": "cpu", "quiet_s": control_s}]
        document["upsample_bench"] = document["upsample_bench"] | {"controls": controls}
        rest = json.dumps(document)[1:]
        (self._folder / name).write_text('{"benchmarks": [\n' + ",\n".join(texts) + "],\n" + rest)
