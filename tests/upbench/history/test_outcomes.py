"""A case that stops running is a change at its commit, and what does not run in the end is named with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.upbench.commands import Here
from tests.upbench.history.archives import commit_id
from tests.upbench.synthetic import case, measured, refused, run_of
from upbench.cases.case import Case
from upbench.history.archive import read_archive
from upbench.history.survey import Happening, survey
from upbench.history.tracks import OUTCOME, Wanted
from upbench.records.record import Record, write_run

STEADY, FALLING = case("subpixel"), case("transposed")
LATE = "timeout: no answer within 120 s"


def ran(which: Case) -> Record:
    return measured(which, [1e-3] * 5)


def failed(which: Case) -> Record:
    return refused(which, *LATE.split(": "))


def write(folder: Path, runs: Sequence[tuple[int, Sequence[Record]]]) -> None:
    """A file for each run: the number of its commit, and its records."""
    for number, (commit, records) in enumerate(runs):
        at = f"2026-01-{1 + commit:02}T00:00:00+00:00"
        info = {"id": commit_id(commit), "time": at, "dirty": False}
        run = run_of(records, python="3.12.1" if commit >= 6 else "3.11.7")
        write_run(
            replace(run, commit_info=info, measured_at=f"2026-02-01T00:00:{number:02}+00:00"), folder / f"{number}.json"
        )


def outcomes(folder: Path) -> dict[str, tuple[Happening, ...]]:
    told = survey(read_archive(folder), Wanted())
    return {each.track.case: each.changes for each in told.series if each.track.quantity == OUTCOME}


def sentences(printed: str) -> list[str]:
    """What stands under the tables, but for that there are too few runs to tell of latencies."""
    return [line for line in printed.splitlines() if line.startswith("• ") and "enough runs" not in line]


def test_a_case_that_stops_running_is_told_with_its_commit_and_its_reason(tmp_path: Path, here: Here) -> None:
    write(tmp_path, [(at, [ran(STEADY), ran(FALLING) if at < 6 else failed(FALLING)]) for at in range(9)])
    ((name, (change,)),) = outcomes(tmp_path).items()
    assert (name, change.version, change.before, change.ended) == (FALLING.id, 6, 5, LATE)
    assert change.beside == ("python 3.11.7 → 3.12.1",)
    done = here("history", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = (line for line in done.stdout.splitlines() if "no longer runs" in line and "│" in line)
    cells = [cell.strip() for cell in row.split("│")[1:-1]]
    since = commit_id(6)[:9]
    assert cells[:7] == [
        since, f"{commit_id(5)[:9]}..{since}", FALLING.id, "outcome", "ok", "timeout", "no longer runs"
    ]  # fmt: skip
    assert f"• {FALLING.id} no longer runs since {since} ({LATE})." in done.stdout.splitlines()


def test_a_case_that_runs_again_is_named_no_more(tmp_path: Path, here: Here) -> None:
    write(tmp_path, [(at, [failed(FALLING) if 2 <= at < 6 else ran(FALLING)]) for at in range(9)])
    ((_, (fell, rose)),) = outcomes(tmp_path).items()
    assert [(fell.version, fell.text), (rose.version, rose.text)] == [(2, "no longer runs"), (6, "runs now")]
    assert sentences(here("history", tmp_path).stdout) == []


def test_what_fails_now_and_then_or_always_is_no_change(tmp_path: Path) -> None:
    fails = {1, 3, 4}
    runs = [
        (number // 2, [ran(STEADY), failed(FALLING) if number in fails else ran(FALLING), failed(case("subpixel", 3))])
        for number in range(12)
    ]
    # Wherever one run of a version has no latency, another has one.
    write(tmp_path, runs)
    assert outcomes(tmp_path) == {FALLING.id: ()}


def test_many_that_fall_at_once_share_a_row_and_a_sentence(tmp_path: Path, here: Here) -> None:
    many = [case("transposed", channels=channels) for channels in range(4, 12)]
    write(tmp_path, [(at, [ran(STEADY), *(ran(each) if at < 6 else failed(each) for each in many)]) for at in range(8)])
    printed = here("history", tmp_path).stdout
    (row,) = (line for line in printed.splitlines() if "no longer runs" in line and "│" in line)
    assert "8 of 9 cases" in row
    (sentence,) = sentences(printed)
    assert sentence.startswith(f"• 8 cases no longer run since {commit_id(6)[:9]}: transposed-x2-c10")
    assert sentence.endswith(f" and 5 more ({LATE}).")


def test_only_outcomes_can_be_asked_for(tmp_path: Path) -> None:
    write(tmp_path, [(at, [ran(STEADY), ran(FALLING) if at < 6 else failed(FALLING)]) for at in range(9)])
    told = survey(read_archive(tmp_path), Wanted(quantities=(OUTCOME,)))
    assert [(each.track.case, len(each.changes)) for each in told.series] == [(FALLING.id, 1)]


def test_a_case_that_does_not_run_is_known_by_how_its_gpu_was_set(tmp_path: Path) -> None:
    on_tensor_cores = case("subpixel", device="cuda", tf32="on")
    write(tmp_path, [(0, [failed(on_tensor_cores), failed(case("subpixel", device="cuda"))])])
    cases = set(read_archive(tmp_path).failures["case"])
    assert cases == {on_tensor_cores.id, case("subpixel", device="cuda").id}
