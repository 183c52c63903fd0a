"""Sweeps that are killed, stopped, started twice, out of room or out of time: nothing is lost and nothing is wrong."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from tests.upbench.faults.running import ONE_CELL, ROOT, SOON, Place, check_kept, kill, modules, until
from tests.upbench.faults.table import FAULTS, shows
from upbench.records.record import read_run

pytestmark = pytest.mark.slow


@shows("killed")
def test_a_sweep_killed_again_and_again_ends_with_everything_once(place: Place) -> None:
    rng = random.Random(0)
    lines: list[str] = []
    for death in range(6):
        if death % 2:
            process = place.start_sweep("--resume")
            time.sleep(rng.uniform(2, 12))
            with suppress(ProcessLookupError):
                kill(process)
        else:
            # At a line of the journal.
            number, moment = 3 + rng.randrange(12), rng.choice(["before", "amid", "after"])
            program = ("tests.upbench.faults.dying", str(number), moment)
            process = place.start_sweep("--resume", program=program)
            process.communicate(timeout=300)
            assert process.returncode == -signal.SIGKILL
        until(lambda: not place.processes(), 30)
        now = place.lines()
        assert now[: len(lines)] == lines
        lines = now
    result = place.sweep("--resume")
    assert result.returncode == 0, result.stderr
    check_kept(place.output, lines)
    assert place.left_behind() == []
    assert [path.name for path in place.outputs.iterdir()] == ["out.json"]


@shows("killed while a case hangs")
def test_a_case_that_hangs_ends_with_the_sweep_that_is_killed(place: Place) -> None:
    options = (*modules("Hanging"), "--timeout", "30")
    process = place.start_sweep(*options)
    # Its own line never comes; it hangs when the two others have theirs.
    place.wait_for_lines(3)
    time.sleep(3)
    assert len(place.processes()) >= 3
    kill(process)
    # A server takes its time to end, and does nothing else.
    until(lambda: not place.processes(), 30)
    assert place.left_behind() != []
    lines = place.lines()
    result = place.sweep(*options, "--resume")
    assert result.returncode == 0, result.stderr
    check_kept(place.output, lines)
    assert place.left_behind() == []


@shows("killed with its fleet")
def test_a_sweep_on_a_fleet_of_this_machine_that_is_killed_takes_it_along(place: Place) -> None:
    pytest.importorskip("ray")
    fleet = ("--fleet", "local")
    process = place.start_sweep(*fleet)
    place.wait_for_lines(3)
    kill(process)
    until(lambda: not place.processes(), 60)
    assert place.left_behind() != []
    lines = place.lines()
    result = place.sweep(*fleet, "--resume")
    assert result.returncode == 0, result.stderr
    check_kept(place.output, lines)
    assert place.left_behind() == []


@shows("two at once")
def test_a_second_sweep_with_the_same_output_is_told_so(place: Place) -> None:
    process = place.start_sweep()
    place.wait_for_lines(2)
    # It might have ended before the second one has begun.
    process.send_signal(signal.SIGSTOP)
    for options in ((), ("--resume",)):
        second = place.sweep(*options)
        assert (second.returncode, second.stderr.count("\n")) == (2, 1)
        assert FAULTS["two at once"].is_read_in(second.stderr)
    process.send_signal(signal.SIGCONT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert all(record.measured for record in read_run(place.output).records)
    assert place.left_behind() == []


@shows("suspended")
def test_a_sweep_that_was_stopped_takes_no_case_for_one_that_hangs(place: Place) -> None:
    process = place.start_sweep("--timeout", "10")
    for count in (2, 7):
        place.wait_for_lines(count)
        stopped = place.processes()
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for each in stopped:
                with suppress(psutil.NoSuchProcess):
                    each.send_signal(number)
            if number == signal.SIGSTOP:
                time.sleep(15)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert {record.outcome for record in read_run(place.output).records} <= {"ok", "unstable"}, stdout
    assert place.left_behind() == []


@shows("clock")
def test_a_clock_that_is_set_changes_nothing(place: Place) -> None:
    result = place.sweep(program=("tests.upbench.faults.jumping",))
    assert result.returncode == 0, result.stderr
    assert {record.outcome for record in read_run(place.output).records} <= {"ok", "unstable"}
    assert place.left_behind() == []


@shows("disk full")
def test_a_full_disk_ends_a_sweep_in_one_sentence_and_it_goes_on_where_there_is_room(place: Place) -> None:
    small = place.outputs / "small"
    small.mkdir()
    cells = ("--scale", "2,3,4", "--channels", "4,8")
    command = f'mount -t tmpfs -o size=64k none "{small}" && cd "{ROOT}" && "{sys.executable}" "$@"; '
    command += f'code=$?; cp "{small}"/* "{place.outputs}"; exit $code'
    options = ["-m", "upbench", "run", *ONE_CELL, *SOON, *cells, "--output"]
    made = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, "sh", *options, str(small / "out.json")], capture_output=True, text=True
    )
    if "mount" in made.stderr or "unshare" in made.stderr:
        pytest.skip(made.stderr)
    assert made.returncode == 1, made.stderr
    assert "Traceback" not in made.stderr
    assert FAULTS["disk full"].is_read_in(made.stderr.splitlines()[-1])
    lines = place.lines()
    assert len(lines) > 10
    result = place.sweep(*cells, "--resume")
    assert result.returncode == 0, result.stderr
    check_kept(place.output, lines)


@shows("output too large")
def test_an_output_that_cannot_be_written_leaves_the_journal_whole(place: Place) -> None:
    # Its size is known beforehand: of a run that ends.
    assert place.sweep().returncode == 0
    size = place.output.stat().st_size
    place.output.unlink()
    process = place.start_sweep(program=("tests.upbench.faults.limiting", str(size // 2)))
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 1, stderr
    assert "Traceback" not in stderr
    assert FAULTS["output too large"].is_read_in(stderr.splitlines()[-1])
    assert [path.name for path in place.outputs.iterdir()] == ["out.json.journal"]
    lines = place.lines()
    result = place.sweep("--resume")
    assert result.returncode == 0, result.stderr
    check_kept(place.output, lines)
