"""A journal that a fault or a hand has garbled: one sentence, before anything is measured."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings

from tests.upbench.mutation import damaged, texts
from tests.upbench.synthetic import case, run_of
from upbench.errors import UserError
from upbench.processes.isolation import Isolation
from upbench.records.record import read_run, write_run
from upbench.sweep.journal import Journal, JournalError
from upbench.sweep.schedule import Sweep
from upbench.sweep.settings import SweepSettings

CASES = [case("subpixel"), case("transposed")]
HEADER = {"schema": 2, "cases": [each.id for each in CASES]}


def rival(level: float) -> dict[str, Any]:
    return {"outcome": "ok", "reason": None, "level": level, "rounds_s": [1e-3] * 3, "iterations": 2} | {
        "page_faults_per_call": 0.0
    }


ENTRIES: list[dict[str, Any]] = [
    {"case": CASES[0].id, "stage": "examine", "outcome": "ok", "reason": None, "fields": {"flops": 8, "params": 3}},
    {"case": CASES[1].id, "stage": "alone", "outcome": "timeout", "reason": "late", "fields": None},
    {
        "machine": "limits",
        "of": ["float32", 1, "cpu"],
        "outcome": "ok",
        "reason": None,
        "fields": {"flops_per_s": 80e9, "bytes_per_s": 16e9},
    },
    {
        "question": CASES[0].cell.question.label,
        "launch": "0-abcdef",
        "rivals": {each.id: rival(number / 10) for number, each in enumerate(CASES)},
        "control_s": [5e-5, 6e-5],
        "groups": 1,
        "seconds": 0.5,
    },
]


def resumed(output: Path) -> Sweep:
    with Journal.resume(output, HEADER) as journal:
        return Sweep(CASES, SweepSettings(), cast(Isolation, None), journal)


def test_a_journal_with_anything_wrong_gets_a_sentence_or_is_gone_on_with(tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    file = Journal.path_for(output)

    @settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
    @given(damaged([HEADER, *ENTRIES]))
    def garbled(lines: Any) -> None:
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        try:
            sweep = resumed(output)
        except UserError as error:
            assert "\n" not in str(error)
            return
        assert len(sweep.controls) <= 1
        # What is gone on with can be written in the end, and read by whoever gets it.
        if sweep.limits and sweep.limits[0]["dtype"] == "float32" and sweep.limits[0]["device"] == "cpu":
            write_run(run_of(sweep.records()), output)
            assert {record.case for record in read_run(output).records} == set(CASES)

    garbled()


@pytest.mark.parametrize(
    ("number", "way", "junk"),
    [
        (0, ("fields", "flops"), "many"),
        (0, ("fields", "params"), -1),
        (0, ("fields",), None),
        (0, ("fields",), {"upsampler": "another"}),
        (0, ("fields",), {"latency_s": 1e-9}),
        (0, ("outcome",), "fine"),
        (0, ("stage",), "third"),
        (1, ("reason",), 3),
        (2, ("of",), ["float32", "1", "cpu"]),
        (2, ("fields", "flops_per_s"), 0),
        (3, ("control_s",), []),
        (3, ("control_s",), ["5e-5"]),
        (3, ("launch",), 7),
        (3, ("groups",), 0),
        (3, ("rivals", CASES[0].id, "level"), 1e6),
        (3, ("rivals", CASES[0].id, "rounds_s"), []),
        (3, ("rivals", CASES[0].id, "iterations"), "2"),
        (3, ("rivals", CASES[0].id, "outcome"), "crashed and well"),
    ],
)
def test_what_is_of_another_type_is_found_before_anything_is_measured(
    number: int, way: tuple[str, ...], junk: Any, tmp_path: Path
) -> None:
    output = tmp_path / "run.json"
    entries = deepcopy(ENTRIES)
    holder = entries[number]
    for key in way[:-1]:
        holder = holder[key]
    holder[way[-1]] = junk
    Journal.path_for(output).write_text("".join(f"{json.dumps(line)}\n" for line in (HEADER, *entries)))
    with pytest.raises(JournalError, match="the journal is damaged: an entry lacks or garbles ") as error:
        resumed(output)
    assert "\n" not in str(error.value)


def test_a_journal_as_it_was_written_is_gone_on_with(tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    Journal.path_for(output).write_text("".join(f"{json.dumps(line)}\n" for line in (HEADER, *ENTRIES)))
    sweep = resumed(output)
    (limits,) = sweep.limits
    assert limits.items() >= {"dtype": "float32", "threads": 1, "device": "cpu", **ENTRIES[2]["fields"]}.items()


def test_lines_that_are_no_json_get_a_sentence(tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    for text in texts(ENTRIES[3]):
        data = f"{json.dumps(HEADER)}\n{text}\n".encode(errors="surrogatepass")
        Journal.path_for(output).write_bytes(data)
        try:
            resumed(output)
        except JournalError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 1000


def test_a_journal_of_a_later_schema_is_refused_by_name(tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    Journal.path_for(output).write_text(json.dumps(HEADER | {"schema": 3}) + "\n")
    with pytest.raises(JournalError, match="another sweep: its schema differs"):
        resumed(output)
