"""The journal survives what kills a sweep, and refuses to mix two of them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from upbench.sweep.entry_shapes import check_entries
from upbench.sweep.journal import Journal, JournalError, asked, is_whole

HEADER = {"schema": 1, "cases": ["a", "b"], "commit": "abc"}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "run.json"


def test_what_was_appended_is_there_though_nothing_was_closed(output: Path) -> None:
    copy = output.with_name("copy.json")
    with Journal.create(output, HEADER) as journal:
        journal.append({"case": "a"})
        # Still open: a killed process closes nothing.
        shutil.copy(journal.path, Journal.path_for(copy))
    with Journal.resume(copy, HEADER) as resumed:
        assert resumed.entries == [{"case": "a"}]


def test_two_processes_cannot_write_the_same_journal(output: Path) -> None:
    with Journal.create(output, HEADER), pytest.raises(JournalError, match="is being written by another process"):
        Journal.resume(output, HEADER)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_a_warning(output: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.warns(UserWarning, match="knows no locks"):
        journal = Journal.create(output, HEADER)
    with journal:
        journal.append({"case": "a"})
    with pytest.warns(UserWarning, match="let no other process write run.json.journal"):
        resumed = Journal.resume(output, HEADER)
    with resumed:
        assert resumed.entries == [{"case": "a"}]


def test_a_line_cut_off_in_the_middle_is_dropped_and_the_next_one_is_whole(output: Path) -> None:
    with Journal.create(output, HEADER) as journal:
        journal.append({"case": "a"})
    with journal.path.open("a") as file:
        file.write('{"case": "b", "fiel')
    with Journal.resume(output, HEADER) as resumed:
        assert resumed.entries == [{"case": "a"}]
        resumed.append({"case": "c"})
    with Journal.resume(output, HEADER) as again:
        assert again.entries == [{"case": "a"}, {"case": "c"}]


def test_an_unfinished_sweep_is_not_overwritten(output: Path) -> None:
    with Journal.create(output, HEADER):
        pass
    with pytest.raises(JournalError, match="unfinished sweep: continue it with --resume"):
        Journal.create(output, HEADER)


@pytest.mark.parametrize("text", ["", '{"schema": 1, "ca'])
@pytest.mark.parametrize("resume", [True, False])
def test_one_that_was_killed_before_its_header_was_whole_stands_in_nobodys_way(
    output: Path, text: str, resume: bool
) -> None:
    path = Journal.path_for(output)
    path.parent.mkdir()
    path.write_text(text)
    with Journal.open(output, HEADER, resume) as journal:
        assert journal.is_new
        journal.append({"case": "a"})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [HEADER, {"case": "a"}]


def test_what_was_half_written_of_an_output_goes_when_its_sweep_goes_on(output: Path) -> None:
    with Journal.create(output, HEADER):
        pass
    partial = output.with_name("run.json.partial")
    partial.write_text("half")
    with Journal.resume(output, HEADER):
        assert not partial.exists()


def test_another_sweep_is_not_continued(output: Path) -> None:
    with Journal.create(output, HEADER):
        pass
    with pytest.raises(JournalError, match="another sweep: its cases differs"):
        Journal.resume(output, HEADER | {"cases": ["a"]})


def test_there_must_be_something_to_resume(output: Path) -> None:
    with pytest.raises(JournalError, match="there is nothing to resume"):
        Journal.resume(output, HEADER)


def test_whoever_may_resume_begins_where_there_is_nothing_to_go_on_with(output: Path) -> None:
    with Journal.open(output, HEADER, resume=True) as journal:
        journal.append({"case": "a"})
    with Journal.open(output, HEADER, resume=True) as again:
        assert (again.entries, again.is_new) == ([{"case": "a"}], False)
    with pytest.raises(JournalError, match="unfinished sweep"):
        Journal.open(output, HEADER, resume=False)


def test_a_sweep_that_has_ended_is_known_by_what_was_asked(output: Path) -> None:
    assert not is_whole(output, HEADER)
    output.parent.mkdir()
    output.write_text(json.dumps({"facts": {"asked": asked(HEADER)}}))
    assert is_whole(output, HEADER)
    assert not is_whole(output, HEADER | {"commit": "def"})


def test_a_header_with_tuples_is_known_again(output: Path) -> None:
    header = HEADER | {"settings": {"scales": (2, 3)}}
    with Journal.create(output, header):
        pass
    with Journal.resume(output, header) as resumed:
        assert resumed.entries == []


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"{]\n", "is damaged"), (b"\xff\n", "is damaged"), (b"[]\n", "is not a journal")],
)
def test_a_useless_journal_is_named(output: Path, text: bytes, message: str) -> None:
    path = Journal.path_for(output)
    path.parent.mkdir()
    path.write_bytes(text)
    with pytest.raises(JournalError, match=message):
        Journal.resume(output, HEADER)


def test_a_finished_sweep_leaves_no_journal(output: Path) -> None:
    with Journal.create(output, HEADER) as journal:
        journal.delete()
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize(
    "entry",
    [
        {"case": "a", "stage": "alone", "fields": {"queueing_s": 1e-5, "device_s": 2e-4, "unjoined_s": 1e-5}},
        {"machine": "clock", "of": "cuda", "fields": {"hz": 1.9e9, "told_hz": None, "bend": -1e-3}},
        {"machine": "limits", "of": ["tf32", 1, "cuda"], "fields": {"flops_per_s": 1e14, "bytes_per_s": 3e12}},
    ],
    ids=["a case", "its clock", "its limits"],
)
def test_what_a_sweep_writes_of_a_gpu_can_be_gone_on_with(entry: dict[str, Any]) -> None:
    check_entries([{"outcome": "ok", "reason": None, **entry}])
    with pytest.raises(JournalError, match="damaged"):
        check_entries([{"outcome": "ok", "reason": None, **entry, "fields": None}])
