"""A history finds the changes that were planted in a folder, at their commits, and invents none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from docs.change_point_methods import simulated
from tests.upbench.history.archives import Made, Plant, write_archive
from upbench.errors import UsageError
from upbench.history.archive import read_archive
from upbench.history.survey import History, survey
from upbench.history.tracks import TIMES_CONTROL, Wanted

RESULTS = Path(__file__).parents[3] / "results"

FIVE = (
    Plant(2, 30, 0.12),
    Plant(7, 61, 0.20),
    Plant(7, 104, -0.15),
    Plant(11, 88, 0.08),
    Plant(15, 120, 0.5, "peak_allocated_bytes"),
)


def history(folder: Path, **wanted: object) -> History:
    return survey(read_archive(folder), Wanted(**wanted))  # type: ignore[arg-type]


def happenings(told: History) -> set[tuple[str, str, str]]:
    """Case, quantity, and commit of each change."""
    return {
        (each.track.case, each.track.quantity, each.track.timeline.versions[change.version].commit)
        for each in told.series
        for change in each.changes
    }


def expected(made: Made, plants: tuple[Plant, ...]) -> set[tuple[str, str, str]]:
    return {(made.cases[plant.case or 0], plant.quantity, made.commits[plant.commit]) for plant in plants}


def test_five_planted_changes_in_300_runs_are_found_at_their_commits(tmp_path: Path) -> None:
    made = write_archive(tmp_path, planted=FIVE, least_runs=2, most_runs=2, seed=1)
    assert made.files == 300
    told = history(tmp_path)
    assert happenings(told) == expected(made, FIVE)
    shifts = {
        (each.track.case, change.version): change.ratio
        for each in told.series
        for change in each.changes
        if change.ratio
    }
    for plant in FIVE:
        ratio = shifts[made.cases[plant.case or 0], plant.commit]
        assert ratio.low * 0.99 <= 1 + plant.share <= ratio.high * 1.01


def test_none_is_invented_in_300_runs_without_a_change(tmp_path: Path) -> None:
    made = write_archive(tmp_path, least_runs=2, most_runs=2, seed=2)
    assert made.files == 300
    assert happenings(history(tmp_path)) == set()


def test_two_machines_never_share_a_series(tmp_path: Path) -> None:
    slow = {"cpu": "Slow CPU"}
    write_archive(tmp_path / "a", commits=60, cases=2, seed=3)
    # What a machine without the change measures between the other's commits would blur it.
    write_archive(tmp_path / "b", commits=60, cases=2, seed=3, planted=[Plant(0, 30, 0.3)], fingerprint=slow)
    told = history(tmp_path)
    assert {line.text for line in told.timelines} == {"Test CPU, 2 cores, 8 GiB", "Slow CPU, 2 cores, 8 GiB"}
    changed = {each.track.timeline.text for each in told.series if each.changes}
    assert changed == {"Slow CPU, 2 cores, 8 GiB"}


def test_a_change_says_what_else_changed(tmp_path: Path) -> None:
    plants = [Plant(0, 40, 0.2), Plant(0, 40, 0.5, "flops"), Plant(None, 40, 0.3)]
    software = {40: {"torch": "2.14.0"}, 70: {"python": "3.12.1"}}
    write_archive(tmp_path, commits=80, cases=2, planted=plants, software=software, seed=4)
    told = history(tmp_path, quantities=("latency",))
    (change,) = told.series[0].changes
    software_change, flops, control = change.beside
    assert software_change == "torch 2.13.0+cpu → 2.14.0"
    assert flops == "flops +50.0 %"
    assert control.startswith("the control itself +")
    assert {each.track.quantity for each in told.series} == {"latency"}


def test_the_machine_has_a_series_of_its_own_and_moves_no_other(tmp_path: Path) -> None:
    write_archive(tmp_path, commits=80, cases=3, planted=[Plant(None, 40, 0.2)], seed=5)
    told = history(tmp_path)
    assert [(each.track.quantity, len(each.changes)) for each in told.series if each.changes] == [("control", 1)]
    latencies = [each.track for each in told.series if each.track.quantity == "latency"]
    assert {track.unit for track in latencies} == {TIMES_CONTROL}


def test_seconds_stand_where_a_run_has_no_control(tmp_path: Path) -> None:
    made = write_archive(tmp_path, commits=10, cases=1, seed=6)
    file = next(tmp_path.glob("*.json"))
    file.write_text(file.read_text().replace('"launch_levels": [', '"launch_levels": null, "other": ['))
    (latency, *_) = history(tmp_path, cases=(made.cases[0],)).series
    assert latency.track.unit == "s"
    assert latency.track.values.max() < 1


def test_other_suites_have_a_history_of_their_medians(tmp_path: Path) -> None:
    values, versions = simulated(np.random.default_rng(10), commits=80, steps={50: 0.2})
    for number, (value, version) in enumerate(zip(values, versions, strict=True)):
        document = {
            "machine_info": {"node": "ci", "cpu": {"brand_raw": "Other CPU", "count": 4}},
            "commit_info": {"id": f"{version:040x}", "time": f"2026-03-{1 + version // 24:02}T{version % 24:02}:00:00"},
            "benchmarks": [{"name": "a", "fullname": "t.py::a", "stats": {"median": float(np.exp(value))}}],
            "datetime": f"2026-04-01T00:{number // 60:02}:{number % 60:02}",
        }
        (tmp_path / f"{number}.json").write_text(json.dumps(document))
    assert happenings(history(tmp_path)) == {("t.py::a", "latency", f"{50:040x}")}


def test_the_committed_runs_are_read() -> None:
    told = history(RESULTS)
    others = ["gate_trial", "quality", "rewritten_networks", "rewritten_onnx_files", "sweep_trial"]
    assert sum(line.runs for line in told.timelines) == len([*RESULTS.glob("*.json")]) - len(others)
    assert sorted(file.stem for file, _ in told.archive.skipped) == others


def test_a_drift_is_told_apart_from_changes(tmp_path: Path) -> None:
    creeping = tuple(Plant(0, commit, 0.004) for commit in range(4, 100, 4))
    write_archive(tmp_path, commits=100, cases=2, planted=creeping, noise=0.01, seed=7)
    told = history(tmp_path, quantities=("latency",))
    assert [len(each.changes) for each in told.series] == [0, 0]
    drifting, steady = (each.drift for each in told.series)
    assert drifting is not None
    assert drifting.low < 1.004 ** len(creeping) * 1.01
    assert drifting.high > 1.004 ** len(creeping) * 0.99
    assert steady is None


def test_cases_and_days_and_commits_are_chosen(tmp_path: Path) -> None:
    made = write_archive(tmp_path, commits=60, cases=6, planted=[Plant(1, 20, 0.3), Plant(1, 45, 0.3)], seed=8)
    told = history(tmp_path, cases=("subpixel-*",), quantities=("latency",))
    assert happenings(told) == {(made.cases[1], "latency", made.commits[commit]) for commit in (20, 45)}
    for since in (made.commits[30][:8], "2026-01-02T18:00"):
        told = history(tmp_path, cases=("subpixel-*",), quantities=("latency",), since=since)
        assert told.timelines[0].versions[0].commit == made.commits[30]
        assert happenings(told) == {(made.cases[1], "latency", made.commits[45])}


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"cases": ("bilinear*",)}, r"no case is like bilinear\*; there are 2, such as nearest_conv-x2"),
        ({"since": "soon"}, r"--since takes a day such as 2026-03-01, or a commit of these runs; got 'soon'\."),
        ({"since": ""}, r"--since takes a day"),
        ({"since": "2027-01-01"}, r"nothing was measured since 2027-01-01; the last of .* runs is of 2026-01-01\."),
    ],
)
def test_what_is_not_there_is_wrong_usage(wanted: dict[str, object], sentence: str, tmp_path: Path) -> None:
    write_archive(tmp_path, commits=3, cases=2)
    with pytest.raises(UsageError, match=sentence):
        history(tmp_path, **wanted)
