"""The file format: what goes in comes out, foreign tools can read it, and damage is named in one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.upbench.synthetic import case, measured, run_of, small_run
from upbench.records.record import RecordError, read_run, write_run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    write_run(small_run(), path)
    return path


def test_a_run_survives_being_written_and_read(file: Path, tmp_path: Path) -> None:
    written, read = small_run(), read_run(file)
    by_case = {record.case: record for record in read.records}
    assert by_case.keys() == {record.case for record in written.records}
    for before in written.records:
        after = by_case[before.case]
        assert (before.outcome, before.outcome_reason) == (after.outcome, after.outcome_reason)
        assert after.rounds_s == pytest.approx(before.rounds_s, rel=5e-6)
        for name, value in before.quantities.items():
            numbers = isinstance(value, float) or (isinstance(value, list) and value and name != "launch_ids")
            assert after.quantities[name] == (pytest.approx(value, rel=5e-6) if numbers else value), name
    # Its digits are cut once.
    write_run(read, tmp_path / "again.json")
    assert read_run(tmp_path / "again.json") == read
    assert (read.facts, read.machine_info, read.commit_info) == (
        written.facts,
        written.machine_info,
        written.commit_info,
    )
    assert read.measured_at == written.measured_at


def test_nothing_partial_is_left_beside_the_file(file: Path) -> None:
    assert [path.name for path in file.parent.iterdir()] == ["run.json"]


def test_a_record_is_a_line(file: Path) -> None:
    lines = file.read_text().splitlines()
    for record in small_run().records:
        assert sum(f'"upsampler": "{record.case.upsampler}"' in line for line in lines) >= 1
    assert len(lines) < len(small_run().records) + 30


@pytest.mark.parametrize(
    ("command", "upsampler", "version", "said"),
    [
        ("python -m bench run --output a.json", "subpixel", "0.1.0", "'python -m bench run --output a.json' names"),
        ("upbench run --module bench.mine:Up", "subpixel", "0.1.0", "'upbench run --module bench.mine:Up' names"),
        ("upbench run --output a.json", "bench.mine:Up", "0.1.0", "bench.mine:Up names"),
        ("upbench run --output bench.json", "subpixel", "0.1.0", None),
        ("upbench run --module bench.mine:Up", "bench.mine:Up", "0.2.0", None),
    ],
)
def test_a_run_that_names_modules_of_the_old_layout_says_so(
    command: str, upsampler: str, version: str, said: str | None
) -> None:
    run = small_run()
    record = replace(run.records[0], case=replace(run.records[0].case, upsampler=upsampler))
    run = replace(run, records=(record,), facts={**run.facts, "command": command, "version": version})
    end = "the package bench, which is called upbench now; the figures are read as they are."
    assert run.of_old_layout == (said and f"{said} {end}")


def test_every_field_of_the_fixed_interface_stands_in_extra_info(file: Path) -> None:
    document = json.loads(file.read_text())
    everything = [b["extra_info"] for b in document["benchmarks"]] + document["upsample_bench"]["not_measured"]
    assert len(everything) == len(small_run().records)
    fixed = (
        "upsampler scale in_channels out_channels height width dtype layout device runtime threads latency_s "
        "latency_ci_s macs flops params peak_allocated_bytes peak_tensor_bytes peak_rss_bytes "
        "peak_cuda_allocated_bytes peak_cuda_reserved_bytes min_bytes roofline_share outcome outcome_reason"
    )
    for extra_info in everything:
        assert set(fixed.split()) <= extra_info.keys()


def test_pytest_benchmarks_own_command_reads_the_file(file: Path) -> None:
    command = [sys.executable, "-m", "pytest_benchmark", "--storage", str(file.parent), "compare", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=file.parent)
    assert result.returncode == 0, result.stderr
    assert "nearest_conv-x2-c16" in result.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged: it is not JSON"),
        ("", "is damaged: it is not JSON"),
        ("[1, 2]", "is not a pytest-benchmark file"),
        ('{"benchmarks": []}', "was not measured by upsample-bench"),
        ('{"benchmarks": [], "upsample_bench": {"schema": 99}}', "has schema 99; this version reads schemas 1 to 2."),
        (
            '{"benchmarks": [{"extra_info": {"upsampler": "x"}}], "upsample_bench": {"schema": 1}}',
            "is damaged: a record",
        ),
        ('{"benchmarks": [7], "upsample_bench": {"schema": 1}}', "is damaged: a record"),
        ('{"benchmarks": [], "upsample_bench": {"schema": 2}}', "is damaged: it lacks command, version, source,"),
    ],
)
def test_a_damaged_or_foreign_file_gets_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(RecordError) as caught:
        read_run(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_binary_file_gets_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "image.json"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(RecordError, match="is damaged: it is not JSON"):
        read_run(path)


def test_benchmarks_of_other_suites_in_the_same_file_are_left_out(file: Path) -> None:
    document = json.loads(file.read_text())
    document["benchmarks"].append({"name": "test_theirs", "extra_info": {}, "stats": {}})
    file.write_text(json.dumps(document))
    assert len(read_run(file).records) == len(small_run().records)


def test_a_latency_that_stays_vague_is_unstable_and_says_how_vague() -> None:
    record = measured(case("subpixel"), [1e-3, 2e-3, 4e-3, 1e-3, 3e-3])
    assert record.outcome == "unstable"
    assert record.outcome_reason is not None
    assert "its launches disagree: its ratios are known only to ±" in record.outcome_reason


def test_a_run_of_before_rivals_were_timed_side_by_side_says_so(file: Path) -> None:
    document = json.loads(file.read_text())
    ours = document["upsample_bench"]
    del ours["protocol"], ours["controls"]
    for benchmark in document["benchmarks"]:
        del benchmark["extra_info"]["launch_ids"], benchmark["extra_info"]["launch_levels"]
    for interleaved, protocol in ((True, "interleaved"), (False, "one at a time")):
        ours |= {"schema": 1, "interleaved": interleaved}
        file.write_text(json.dumps(document))
        read = read_run(file)
        assert (read.protocol, read.facts["controls"]) == (protocol, [])
        assert {len(record.levels) for record in read.records} == {0}


def test_a_run_without_any_record_is_still_a_file(tmp_path: Path) -> None:
    write_run(run_of([]), tmp_path / "empty.json")
    assert read_run(tmp_path / "empty.json").records == ()
