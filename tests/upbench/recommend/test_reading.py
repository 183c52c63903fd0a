"""Which files count, and what is said of those that do not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.upbench.recommend.grids import cell, quality_of, record, run_of_any
from upbench.errors import UserError
from upbench.recommend.measurements import Surroundings
from upbench.recommend.reading import NothingToAnswerFromError, read
from upbench.records.quality_run import write_quality
from upbench.records.record import RecordError, Run, write_run


def written(path: Path, day: int, **fingerprint: str) -> Path:
    run = run_of_any([record("subpixel", cell(), 1e-3)], **fingerprint)
    write_run(replace(run, measured_at=f"2026-01-{day:02}T00:00:00+00:00"), path)
    return path


def days(runs: tuple[Run, ...]) -> list[str]:
    return [run.measured_at[8:10] for run in runs]


def test_runs_of_other_machines_than_the_newest_are_left_out_and_named(tmp_path: Path) -> None:
    files = [
        written(tmp_path / "new.json", 9),
        written(tmp_path / "old.json", 1),
        written(tmp_path / "other.json", 5, cpu="Another CPU"),
        written(tmp_path / "torch.json", 6, torch="2.12.0+cpu"),
    ]
    found = read(files)
    assert days(found.runs) == ["01", "09"]
    other, torch = map(str, found.notes)
    assert "other.json is left out" in other
    assert "(cpu differ)" in other
    assert "torch 2.12.0+cpu → 2.13.0+cpu" in torch


def test_the_newest_run_decides_which_machine_counts(tmp_path: Path) -> None:
    found = read([written(tmp_path / "a.json", 1), written(tmp_path / "b.json", 2, cpu="Another CPU")])
    assert days(found.runs) == ["02"]


def test_trials_and_other_json_are_passed_over_with_a_note_each(tmp_path: Path) -> None:
    for name, document in {
        "trial": {"upsample_bench_sweep_trial": 1, "runs": []},
        "gate": {"upsample_bench_gate_trial": 1},
        "list": [1, 2],
        "foreign": {"benchmarks": [], "machine_info": {}},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    files = [*sorted(tmp_path.glob("*.json")), written(tmp_path / "run.json", 1)]
    found = read(files)
    assert len(found.runs) == 1
    assert [str(note).partition(" holds no run")[0] for note in found.notes] == [str(file) for file in files[:-1]]


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.json"
    damaged.write_text('{"benchmarks": [')
    with pytest.raises(RecordError, match="is damaged"):
        read([written(tmp_path / "run.json", 1), damaged])
    damaged.write_text('{"benchmarks": [{}], "upsample_bench": {"schema": 2}}')
    with pytest.raises(RecordError, match="is damaged"):
        read([damaged])
    damaged.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError):
        read([damaged])


def test_without_a_run_it_is_said_how_to_measure_one(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(NothingToAnswerFromError, match="upbench run --quick"):
        read([tmp_path / "other.json"])


def test_of_records_of_quality_those_with_the_most_trainings_count_and_of_these_the_newest(tmp_path: Path) -> None:
    for day, seeds in ((1, 2), (2, 2), (3, 1)):
        run = quality_of({"subpixel": (28.0,) * seeds}, measured_at=f"2026-01-0{day}")
        write_quality(run, tmp_path / f"q{day}.json")
    files = [tmp_path / f"q{day}.json" for day in (1, 2, 3)]
    found = read([*files, written(tmp_path / "run.json", 1)])
    assert found.quality is not None
    assert found.quality.facts["measured_at"] == "2026-01-02"
    assert [str(note) for note in found.notes] == [
        f"{file} is passed over: {files[1]} has more trainings, or newer ones." for file in (files[0], files[2])
    ]


def test_the_newest_run_that_knows_what_was_asked_decides_the_machine(tmp_path: Path) -> None:
    files = [written(tmp_path / "python.json", 9)]
    in_browser = run_of_any([record("subpixel", cell(runtime="web-wasm"), 1e-3)], cpu="A browser")
    files.append(tmp_path / "browser.json")
    write_run(replace(in_browser, measured_at="2026-01-02T00:00:00+00:00"), files[-1])
    assert days(read(files).runs) == ["09"]
    assert days(read(files, Surroundings(runtime="web-wasm")).runs) == ["02"]
    # Nobody knows it: then the newest of all, as before.
    assert days(read(files, Surroundings(runtime="onnx")).runs) == ["09"]
