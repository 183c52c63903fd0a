"""A folder is read for its figures: ours, others', and what is neither is named."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.upbench.history.archives import LAUNCHES, write_archive
from tests.upbench.synthetic import CONTROL_S, case, measured, run_of, small_run
from upbench.history.archive import LATENCY, LEVEL, HistoryError, read_archive
from upbench.records.record import write_run
from upbench.wording import MOST_SHOWN

MOST_BYTES = 1 << 30


def test_a_run_is_read_with_what_a_history_needs(tmp_path: Path) -> None:
    write_run(small_run(), tmp_path / "deep" / "a.json")
    archive = read_archive(tmp_path)
    (run,) = archive.runs
    assert (run.commit, run.dirty, run.committed_at) == ("0123456789abcdef", False, None)
    assert run.measured_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert run.software["torch"] == "2.13.0+cpu"
    assert run.machine_text == "Test CPU, 2 cores"
    rows = archive.figures.set_index("case")
    row = rows.loc[case("subpixel").id]
    assert row[LATENCY] == pytest.approx(1e-3, rel=1e-3)
    assert row[LEVEL] == pytest.approx(log(1e-3 / CONTROL_S), abs=1e-3)
    assert (row["flops"], row["peak_allocated_bytes"]) == (10_000_000, 2 << 20)
    assert archive.controls[[LATENCY]].to_numpy().tolist() == [[CONTROL_S]]
    assert row["control"] == archive.controls["control"][0] == "cpu, 1 thread"


def test_one_launch_that_was_disturbed_does_not_move_the_level(tmp_path: Path) -> None:
    write_run(run_of([measured(case("subpixel"), [1e-3] * 5 + [9e-3])]), tmp_path / "a.json")
    (level,) = read_archive(tmp_path).figures[LEVEL]
    assert level == pytest.approx(log(1e-3 / CONTROL_S), abs=1e-5)


def foreign(**changes: Any) -> dict[str, Any]:
    """As pytest-benchmark writes it for a project that knows nothing of us."""
    return {
        "machine_info": {"node": "ci-1", "cpu": {"brand_raw": "Other CPU", "count": 4}, "python_version": "3.12.1"},
        "commit_info": {"id": "f" * 40, "time": "2026-05-06T07:08:09+02:00", "dirty": False},
        "benchmarks": [{"name": "a", "fullname": "t.py::a", "stats": {"median": 0.25}, "extra_info": {"x": {}}}],
        "datetime": "2026-05-06T07:08:09.123456",
        "version": "5.1.0",
    } | changes


def test_files_of_other_suites_are_read_with_their_medians(tmp_path: Path) -> None:
    (tmp_path / "0001_other.json").write_text(json.dumps(foreign()))
    archive = read_archive(tmp_path)
    (run,) = archive.runs
    assert run.committed_at is not None
    assert run.committed_at.isoformat() == "2026-05-06T05:08:09+00:00"
    assert run.measured_at.isoformat() == "2026-05-06T07:08:09.123456+00:00"
    assert run.machine_text == "Other CPU, 4 cores"
    assert archive.figures[["case", LATENCY]].to_numpy().tolist() == [["t.py::a", 0.25]]


def test_a_median_of_nothing_is_no_latency(tmp_path: Path) -> None:
    none = {"name": "a", "fullname": "a", "stats": {"median": 0.0}}
    (tmp_path / "a.json").write_text(json.dumps(foreign(benchmarks=[none])))
    assert read_archive(tmp_path).figures[LATENCY].isna().all()


NO_RUNS = {
    "empty": "",
    "no JSON": "{",
    "a list": "[]",
    "of something else": '{"benchmarks": {}}',
    "without a machine": json.dumps({**foreign(), "machine_info": None}),
    "of no time": json.dumps(foreign(datetime="yesterday")),
    "at the end of time": json.dumps(foreign(datetime="9999-12-31T23:59:59-23:59")),
    "of the future": json.dumps(foreign(upsample_bench={"schema": 99})),
    "of a schema that is none": json.dumps(foreign(upsample_bench={"schema": "2"})),
    "deep": "[" * 100_000,
    "deep inside": json.dumps(foreign())[:-1] + ', "machine_info": ' + '{"a":' * 100_000 + "}" * 100_000 + "}",
    "a number too large": '{"benchmarks": [{"name": "", "fullname": "", "stats": {"median": 1e999}}]}',
}


@pytest.mark.parametrize("text", NO_RUNS.values(), ids=NO_RUNS.keys())
def test_what_is_no_run_is_named_and_stops_nothing(text: str, tmp_path: Path) -> None:
    write_run(small_run(), tmp_path / "good.json")
    (tmp_path / "bad.json").write_text(text)
    archive = read_archive(tmp_path)
    ((file, reason),) = archive.skipped
    assert (file, len(archive.runs)) == (tmp_path / "bad.json", 1)
    assert 0 < len(reason) <= MOST_SHOWN + 1
    assert "\n" not in reason


def test_a_file_of_the_future_says_which_schema_it_has(tmp_path: Path) -> None:
    write_run(small_run(), tmp_path / "good.json")
    (tmp_path / "new.json").write_text(NO_RUNS["of the future"])
    ((_, reason),) = read_archive(tmp_path).skipped
    assert reason == "it has schema 99; this version reads schemas 1 to 2"


def test_what_is_no_file_is_named_as_well(tmp_path: Path) -> None:
    write_run(small_run(), tmp_path / "good.json")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "large.json").touch()
    with (tmp_path / "large.json").open("r+b") as file:
        file.truncate(1 << 40)
    archive = read_archive(tmp_path)
    assert [file.name for file, _ in archive.skipped] == ["gone.json", "large.json"]


def test_a_copy_of_a_run_does_not_count_twice(tmp_path: Path) -> None:
    for name in ("0001", "latest"):
        write_run(small_run(), tmp_path / f"{name}.json")
    archive = read_archive(tmp_path)
    assert len(archive.runs) == 1
    assert archive.skipped == ((tmp_path / "latest.json", f"it is a copy of {tmp_path / '0001.json'}"),)


def test_another_allocator_is_another_machine(tmp_path: Path) -> None:
    run = small_run()
    other = replace(run, facts={**run.facts, "settings": {"allocator": "default"}})
    write_run(run, tmp_path / "a.json")
    write_run(other, tmp_path / "b.json")
    pinned, default = read_archive(tmp_path).runs
    assert pinned.hardware != default.hardware
    assert default.machine_text == "Test CPU, 2 cores, default allocator"


def test_a_folder_without_runs_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"holds no runs\.$"):
        read_archive(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(HistoryError, match=r"holds no runs: .*a\.json is none \(Object missing required field"):
        read_archive(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(key=st.sampled_from(sorted(foreign())), value=JSON, ours=JSON)
def test_no_file_brings_it_down(key: str, value: Any, ours: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "a.json").write_text(json.dumps(foreign() | {key: value}))
    (folder / "b.json").write_text(json.dumps(foreign(upsample_bench=ours)))
    write_run(small_run(), folder / "good.json")
    archive = read_archive(folder)
    assert len(archive.runs) + len(archive.skipped) == 3


@pytest.mark.slow
def test_a_thousand_runs_of_200_cases_fit_into_a_gigabyte(tmp_path: Path) -> None:
    write_archive(tmp_path, commits=500, least_runs=2, most_runs=2, cases=200, rounds=80 * LAUNCHES)
    code = f"""
import resource, time
from pathlib import Path
from upbench.history.archive import read_archive
begin = time.perf_counter()
archive = read_archive(Path({str(tmp_path)!r}))
print(time.perf_counter() - begin, "s")
assert len(archive.figures) == 200_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
    # A child's own peak begins with what its parent had.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < MOST_BYTES
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    print(done.stdout)
    assert int(done.stdout.split()[-1]) < MOST_BYTES
