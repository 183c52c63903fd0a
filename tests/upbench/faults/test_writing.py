"""Whatever is written is there whole or not at all, wherever its process dies, and however many want to write it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.upbench.faults.deaths import CASES
from tests.upbench.faults.running import ROOT, until
from tests.upbench.faults.table import FAULTS, shows
from upbench.leftovers import HeldFolder
from upbench.sweep.journal import Journal, JournalError
from upbench.whole_file import NotWrittenFileError, TakenFileError, only_writer, write_text_whole


def deaths(what: str, folder: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.upbench.faults.deaths", what, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@shows("killed at a write")
def test_a_sweep_that_dies_at_any_write_loses_nothing_and_measures_nothing_twice(tmp_path: Path) -> None:
    found = deaths("journal", tmp_path)
    assert len(found) >= 50
    for each in found:
        assert [entry.split()[0] for entry in each["entries"]] == CASES, each
        kept = [note for note in each["notes"] if note != "ended"]
        # What was kept once stands in the output, by the process that had it first; and nobody else made it as well.
        assert set(kept) <= set(each["entries"]), each
        assert len({note.split()[0] for note in kept}) == len(kept), each
        assert each["meanwhile"] in (False, len(CASES)), each
        assert each["left"] == ["out.json"], each


@shows("rewriting killed at a write")
def test_a_rewriting_that_dies_at_any_step_leaves_the_old_model_or_the_new_one(tmp_path: Path) -> None:
    pytest.importorskip("onnx_ir")
    found = deaths("model", tmp_path)
    assert len(found) >= 30
    for each in found:
        assert each["weight"] in (each["old"] or False, 2.0), each
        assert each["after"] == each["weight"], each
        assert each["partial"] == [], each
        if each["weight"] != 2.0:
            assert each["same"], each
        else:
            assert each["files"] == (3 if each["old"] else 2), each


def test_a_text_that_finds_no_room_leaves_what_was_there(tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    write_text_whole(output, "old")
    script = (
        "import resource, sys; from pathlib import Path; from upbench.whole_file import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_text_whole(Path(sys.argv[1]), 'x' * 2000)\n"
        "except NotWrittenFileError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", script, str(output)], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == f"{output} cannot be written: File too large."
    assert (output.read_text(), os.listdir(tmp_path)) == ("old", ["out.json"])


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        write_text_whole(pipe, "through")
        assert reader.communicate()[0] == "through"
    assert pipe.is_fifo()


def test_a_folder_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotWrittenFileError, match=r"cannot be written: Is a directory\.$"):
        write_text_whole(tmp_path, "text")


def test_only_one_process_makes_a_trial_at_a_time(tmp_path: Path) -> None:
    output = tmp_path / "trial.json"
    with only_writer(output):
        with (
            pytest.raises(TakenFileError, match=r"trial.json is being written by another process"),
            only_writer(output),
        ):
            pass
        write_text_whole(output, "whole")
    assert os.listdir(tmp_path) == ["trial.json"]


def test_a_full_disk_keeps_the_lines_that_it_has_and_the_next_one_goes_on(tmp_path: Path) -> None:
    output, header = tmp_path / "out.json", {"cases": ["a"]}
    script = (
        "import sys; from pathlib import Path; from upbench.sweep.journal import *\n"
        "journal = Journal.open(Path(sys.argv[1]), {'cases': ['a']}, True)\n"
        "try:\n    for number in range(100): journal.append({'case': number, 'of': 'x' * 3000})\n"
        "except JournalWriteError as error: print(number, error)"
    )
    small, full = tmp_path / "small", tmp_path / "full"
    small.mkdir()
    # A disk of its own, which is gone with the process.
    commands = f'mount -t tmpfs -o size=64k none "{small}" && "{sys.executable}" -c "$0" "{small}/out.json"'
    commands += f' && cp "{small}/out.json.journal" "{full}"'
    made = subprocess.run(["unshare", "-rm", "sh", "-c", commands, script], cwd=ROOT, capture_output=True, text=True)
    if "mount" in made.stderr or "unshare" in made.stderr:
        pytest.skip(made.stderr)
    number, _, said = made.stdout.strip().partition(" ")
    assert FAULTS["disk full"].is_read_in(f"upbench: {said}")
    assert int(number) > 5
    shutil.copy(full, Journal.path_for(output))
    with Journal.resume(output, header) as journal:
        assert [entry["case"] for entry in journal.entries] == [*range(int(number))]


def test_a_second_process_is_told_that_another_writes_and_not_to_delete_anything(tmp_path: Path) -> None:
    output, header = tmp_path / "out.json", {"cases": ["a"]}
    with Journal.create(output, header):
        for resume in (False, True):
            with pytest.raises(
                JournalError, match="is being written by another process; wait for it or end it"
            ) as told:
                Journal.open(output, header, resume)
            assert "delete" not in str(told.value)


def test_a_folder_in_use_stays_and_one_that_was_left_goes_with_its_processes(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys; from pathlib import Path; from upbench.leftovers import HeldFolder\n"
        "held = HeldFolder(Path(sys.argv[1]), 'upbench-', '.tmp')\n"
        "(held.path / 'file').write_text('')\n"
        "told = {**os.environ, 'TMPDIR': str(held.path)}\n"
        "left = subprocess.Popen(['sleep', '600'], env=told, start_new_session=True)\n"
        "print(held.path, left.pid, flush=True)\n"
        "sys.stdin.read(1)\n"
        "os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    foreign = tmp_path / "upbench-foreign"
    foreign.mkdir()
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as first:
        assert first.stdout is not None
        path, pid = first.stdout.readline().split()
        with HeldFolder(tmp_path, "upbench-", ".tmp") as second:
            assert Path(path, "file").exists()
            os.kill(int(pid), 0)
        assert not second.path.exists()
        assert first.stdin is not None
        # What it has left holds its stdout open.
        first.stdin.write("x")
        first.stdin.close()
        first.wait(30)
    with HeldFolder(tmp_path, "upbench-", ".tmp") as third:
        assert sorted(tmp_path.iterdir()) == sorted([foreign, third.path])
    until(lambda: int(pid) not in psutil.pids() or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE, 10)
