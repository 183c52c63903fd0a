"""A journal that a fault or a hand has garbled: one sentence, before anything is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings

from tests.upbench.mutation import damaged, texts
from tests.upbench.synthetic import case
from upbench.errors import UserError
from upbench.processes.isolation import Isolation
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
            assert len(sweep.limits) <= 1
            assert len(sweep.controls) <= 1
        except UserError as error:
            assert "\n" not in str(error)

    garbled()


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
