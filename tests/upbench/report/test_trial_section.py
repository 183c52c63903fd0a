"""The table and the chart of a trial, from records made up by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from upbench.cli import app
from upbench.gate.rates import TRIAL
from upbench.report import write_trial_report


def gate(outcome: str, seconds: float, injected: dict[str, float], found: int) -> dict[str, Any]:
    """One gate on three benchmarks; of those that were slowed, the first ``found`` were noticed."""
    shares = [*injected.values(), *[0.0] * (3 - len(injected))]
    kinds = ["regression"] * found + ["same"] * (3 - found)
    cases = [{"name": f"case{i}", "kind": k, "injected": s} for i, (s, k) in enumerate(zip(shares, kinds, strict=True))]
    return {"outcome": outcome, "seconds": seconds, "injected": injected, "cases": cases}


@pytest.fixture
def trial() -> dict[str, Any]:
    slowed = {"a:f": 0.03, "b:g": 0.1}
    plain = [{"case0": dict.fromkeys(("median", "mean", "min"), seconds)} for seconds in (1.0, 1.08, 1.0, 1.02)]
    runs = [gate("pass", 40, {}, 0), gate("regression", 60, slowed, 2), gate("inconclusive", 44, {}, 0)]
    return {TRIAL.key: TRIAL.schema, "runs": [*runs, gate("regression", 66, slowed, 1)], "plain": plain}


def test_the_table_says_how_often_and_how_sure(trial: dict[str, Any], tmp_path: Path) -> None:
    findings = write_trial_report(trial, tmp_path)
    lines = (tmp_path / "trial.md").read_text().splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:]] == [
        "0.0% (0.0% to 65.8%), 0 of 2",
        "50.0% (9.5% to 90.5%), 1 of 2",
        *["33.3% (6.1% to 79.2%), 1 of 3"] * 3,
        *["0.0% (0.0% to 56.1%), 0 of 3"] * 3,
        "100.0% (34.2% to 100.0%), 2 of 2",
        "50.0% (9.5% to 90.5%), 1 of 2",
        "44 s",
        "66 s",
    ]
    assert "slowed by 10%, found: 50.0% (9.5% to 90.5%), 1 of 2" in findings


def test_the_chart_is_the_same_bytes_from_the_same_records(trial: dict[str, Any], tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_trial_report(trial, tmp_path / name)
    assert (tmp_path / "first" / "trial.svg").read_bytes() == (tmp_path / "second" / "trial.svg").read_bytes()
    assert (tmp_path / "first" / "trial.png").stat().st_size > 1000


def test_upbench_report_knows_a_trial_from_a_run(trial: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "trial.json"
    file.write_text(json.dumps(trial))
    result = CliRunner().invoke(app, ["report", str(file), "--output", str(tmp_path / "plots")])
    assert result.exit_code == 0
    assert "slowed by 3%, found" in result.output
    assert (tmp_path / "plots" / "trial.svg").exists()


def test_a_trial_of_a_later_schema_is_refused(trial: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "trial.json"
    file.write_text(json.dumps({**trial, TRIAL.key: TRIAL.schema + 1}))
    result = CliRunner().invoke(app, ["report", str(file), "--output", str(tmp_path / "plots")])
    assert f"has schema {TRIAL.schema + 1}; this version reads schema {TRIAL.schema}" in str(result.exception)
