"""A trial of the sweep: twins, by turns beside a neighbour, kept run by run; and the neighbour itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.upbench.synthetic import case, measured
from upbench.cases.case import Case
from upbench.progress import Silent
from upbench.records.record import Record
from upbench.records.trials import TrialFileError
from upbench.report import write_twins_report
from upbench.sweep import neighbour, twins
from upbench.sweep.settings import SweepSettings

CASES = [case("subpixel"), case("transposed")]


class FakeSweep:
    """Answers at once, and remembers which cases it was given and who else was there."""

    asked: list[tuple[list[Case], int]] = []  # noqa: RUF012 -- shared with the test on purpose

    def __init__(self, cases: list[Case], *_: Any) -> None:
        self.cases = cases

    def run(self) -> list[Record]:
        FakeSweep.asked.append((self.cases, len(_neighbours())))
        medians = {"subpixel": [1e-3, 1.01e-3, 0.99e-3, 1e-3], "transposed": [2e-3, 2.01e-3, 1.99e-3, 2.02e-3]}
        return [measured(each, medians[each.upsampler]) for each in self.cases]


def _neighbours() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "upbench.sweep.neighbour" in each.cmdline()]


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Case], int]]:
    monkeypatch.setattr(twins, "Sweep", FakeSweep)
    FakeSweep.asked = []
    return FakeSweep.asked


def test_every_upsampler_has_a_twin_and_every_second_run_a_neighbour(
    sweeps: list[tuple[list[Case], int]], tmp_path: Path
) -> None:
    file = tmp_path / "trial.json"
    lines = list(twins.run_twins(CASES, SweepSettings(), 2, file, Silent()))
    assert [len(cases) for cases, _ in sweeps] == [4] * 4
    assert {each.id.split("-")[0] for each in sweeps[0][0]} == {"subpixel", "subpixel~2", "transposed", "transposed~2"}
    assert [count > 0 for _, count in sweeps] == [False, True, False, True]
    assert _neighbours() == []
    assert "identical pairs called different: quiet machine: 0.0%" in lines[1]
    write_twins_report(json.loads(file.read_text()), tmp_path / "plots")
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"trial.md", "trial.png", "trial.svg"}


def test_a_trial_goes_on_where_it_was_and_not_with_other_settings(
    sweeps: list[tuple[list[Case], int]], tmp_path: Path
) -> None:
    file = tmp_path / "trial.json"
    for wanted, made in ((1, 2), (1, 2), (2, 4)):
        list(twins.run_twins(CASES, SweepSettings(), wanted, file, Silent()))
        assert len(sweeps) == made
    with pytest.raises(TrialFileError, match="differs from this one in settings; give"):
        list(twins.run_twins(CASES, SweepSettings(seed=1), 3, file, Silent()))


def test_a_neighbour_works_in_bursts_on_its_core_until_it_is_ended() -> None:
    with neighbour.neighbour():
        processes = _neighbours()
        deadline = time.monotonic() + 60
        while any(sum(each.cpu_times()[:2]) < 0.5 for each in processes):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert [len(each.cpu_affinity()) for each in processes] == [1] * len(processes)
    assert not any(each.is_running() for each in processes)
