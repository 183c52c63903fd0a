"""What becomes of a worker that misbehaves, and what every worker starts with."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import reduction
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.upbench import misbehaving
from upbench.processes import isolation as isolation_module
from upbench.processes.allocator import PINNED_ENVIRONMENT, STEADY_ENVIRONMENT
from upbench.processes.isolation import EndedError, Isolation, ServerError, speaking
from upbench.processes.patience import ready
from upbench.processes.scratch import own_scratch
from upbench.sweep.preloading import PRELOAD


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    return Isolation(preload=PRELOAD)


def test_a_value_comes_back(isolation: Isolation) -> None:
    outcome = isolation.call(misbehaving.answer, 42, timeout=30)
    assert (outcome.kind, outcome.value, outcome.reason) == ("ok", 42, None)


def test_a_worker_finds_torch_imported(isolation: Isolation) -> None:
    assert isolation.call(misbehaving.modules_loaded_before_the_call, timeout=30).value is True


def test_a_reason_that_nobody_can_read_is_short_and_visible(isolation: Isolation) -> None:
    outcome = isolation.call(misbehaving.raise_at_length, timeout=30)
    assert outcome.reason is not None
    assert outcome.reason.startswith("ValueError: [U+001B][2J[U+D800]long long ")
    assert len(outcome.reason) < 3000


def test_a_collection_in_a_worker_leaves_alone_what_the_server_has_imported(isolation: Isolation) -> None:
    # Of some hundred thousand objects all would be copied, which takes longer than most of what a worker is for.
    assert isolation.call(misbehaving.objects_that_a_collection_goes_through, timeout=30).value < 5000


def test_a_worker_does_not_run_the_parents_script(isolation: Isolation) -> None:
    # multiprocessing would import pytest's own script again in each worker, which takes most of a second.
    assert "pytest" not in str(isolation.call(misbehaving.main_file, timeout=30).value)


@pytest.mark.parametrize("name", list(PINNED_ENVIRONMENT))
def test_the_allocator_is_pinned_before_the_server_starts(isolation: Isolation, name: str) -> None:
    assert isolation.call(misbehaving.environment, name, timeout=30).value == PINNED_ENVIRONMENT[name]
    assert name not in os.environ


@pytest.mark.parametrize(
    ("function", "kind", "reason"),
    [
        (misbehaving.raise_value_error, "crashed", "ValueError: the first line"),
        (misbehaving.cannot, "unsupported", "this machine has no such thing"),
        (misbehaving.segfault, "crashed", "the worker was killed by SIGSEGV"),
        (misbehaving.be_killed, "out_of_memory", "the worker was killed by SIGKILL, as the kernel does for memory"),
        (misbehaving.leave_quietly, "crashed", "the worker exited with code 7 before it answered"),
        (misbehaving.want_everything, "out_of_memory", "MemoryError"),
    ],
)
def test_a_misbehaving_worker_becomes_an_outcome(
    isolation: Isolation, function: Callable[[], object], kind: str, reason: str
) -> None:
    outcome = isolation.call(function, timeout=30)
    assert (outcome.kind, outcome.reason) == (kind, reason)


def test_a_server_that_died_comes_back_pinned(isolation: Isolation) -> None:
    server = isolation.call(misbehaving.parent_process, timeout=30).value
    os.kill(server, signal.SIGKILL)
    name, value = next(iter(PINNED_ENVIRONMENT.items()))
    assert isolation.call(misbehaving.environment, name, timeout=60).value == value
    assert isolation.call(misbehaving.parent_process, timeout=30).value != server


def test_a_server_with_another_setting_is_refused(isolation: Isolation) -> None:
    isolation.call(misbehaving.answer, 1, timeout=30)
    with pytest.raises(ServerError, match="must start with the allocator default, but this program has"):
        Isolation("default", PRELOAD).call(misbehaving.answer, 1, timeout=30)


def test_a_renewed_server_is_another_one_with_the_memory_that_was_asked_for(isolation: Isolation) -> None:
    seen = set()
    for steady in (True, True, False):
        isolation.renew(steady)
        seen.add(isolation.call(misbehaving.parent_process, timeout=30).value)
        huge = isolation.call(misbehaving.environment, "GLIBC_TUNABLES", timeout=30).value
        assert huge == (STEADY_ENVIRONMENT["GLIBC_TUNABLES"] if steady else os.environ.get("GLIBC_TUNABLES"))
        for name, value in PINNED_ENVIRONMENT.items():
            assert isolation.call(misbehaving.environment, name, timeout=30).value == value
    assert len(seen) == 3
    assert os.environ.get("GLIBC_TUNABLES") != STEADY_ENVIRONMENT["GLIBC_TUNABLES"]


def test_a_live_worker_answers_until_it_is_ended(isolation: Isolation) -> None:
    with isolation.start(misbehaving.double) as worker:
        assert [worker.ask(number, 30) for number in (2, 3, 5)] == [4, 6, 10]
        pid = worker.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("message", "kind", "reason"),
    [
        ("crash", "crashed", "the worker was killed by SIGSEGV"),
        ("raise", "crashed", "ValueError: cannot double 'raise'"),
        ("hang", "timeout", "no answer within 0.5 s"),
        ("leave", "crashed", "the worker exited with code 0 before it answered"),
    ],
)
def test_a_live_worker_that_ends_says_how_and_the_others_go_on(
    isolation: Isolation, message: str, kind: str, reason: str
) -> None:
    with isolation.start(misbehaving.double) as worker, isolation.start(misbehaving.double) as other:
        with pytest.raises(EndedError) as caught:
            worker.ask(message, timeout=0.5 if message == "hang" else 30)
        assert (caught.value.outcome.kind, caught.value.outcome.reason) == (kind, reason)
        assert other.ask(4, 30) == 8


def test_a_worker_that_hangs_is_ended(isolation: Isolation) -> None:
    outcome = isolation.call(misbehaving.hang, timeout=0.5)
    assert (outcome.kind, outcome.reason) == ("timeout", "no answer within 0.5 s")


HANGS = """
import os, signal
from tests.upbench import misbehaving
from upbench.processes.isolation import Isolation, _call
worker = Isolation().start(_call, misbehaving.hang_in_c)
print(worker.pid, flush=True)
input()
os.kill(os.getpid(), signal.SIGKILL)
"""


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(reached: Callable[[], bool], longest_s: float = 10.0) -> None:
    end = time.monotonic() + longest_s
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_worker_that_hangs_ends_with_its_parent_that_is_killed(tmp_path: Path) -> None:
    """It went on for as long as it hung; and a training until it was through, beside the next one of its kind."""
    with tempfile.TemporaryDirectory() as temporary:
        environment = os.environ | {"TMPDIR": temporary}
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [sys.executable, "-c", HANGS], stdin=pipe, stdout=pipe, env=environment, text=True
        ) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            (server,) = (each.pid for each in psutil.Process(pid).parents()[:1])
            time.sleep(0.2)
            assert not is_gone(pid)
            parent.communicate("\n")
        until(lambda: is_gone(pid) and is_gone(server))


def test_a_worker_that_dies_beside_its_child_is_not_waited_for(isolation: Isolation) -> None:
    """The child held the line open, so that it seemed to think."""
    begun = time.monotonic()
    outcome = isolation.call(misbehaving.leave_a_child_and_be_killed, timeout=30)
    assert (outcome.kind, outcome.reason) == (
        "out_of_memory",
        "the worker was killed by SIGKILL, as the kernel does for memory",
    )
    assert time.monotonic() - begun < 15


def test_a_child_that_a_worker_has_left_is_ended(isolation: Isolation) -> None:
    child = isolation.call(misbehaving.leave_a_child, timeout=30).value
    until(lambda: is_gone(child))


def test_what_a_worker_prints_is_not_what_the_command_prints(
    isolation: Isolation, capfd: pytest.CaptureFixture[str]
) -> None:
    isolation.renew(steady=False)
    assert isolation.call(misbehaving.print_to_stdout, timeout=60).value == "answered"
    assert capfd.readouterr() == ("", "")


def test_a_workers_temporary_files_lie_in_the_one_folder_of_this_process(isolation: Isolation) -> None:
    assert isolation.call(misbehaving.temporary_folder, timeout=30).value == str(own_scratch())
    assert os.environ.get("TMPDIR") != str(own_scratch())
    assert tempfile.gettempdir() != str(own_scratch())


def test_a_worker_that_crashes_leaves_no_image_of_its_memory(isolation: Isolation) -> None:
    assert isolation.call(misbehaving.core_size, timeout=30).value == 0


def test_a_worker_goes_on_when_its_server_is_killed(isolation: Isolation) -> None:
    with isolation.start(misbehaving.double) as worker:
        assert worker.ask(1, 30) == 2
        psutil.Process(worker.pid).parent().kill()  # type: ignore[union-attr]
        time.sleep(0.2)
        assert [worker.ask(number, 30) for number in (2, 3)] == [4, 6]
        assert speaking([worker], 0.1) == []
        pid = worker.pid
    until(lambda: is_gone(pid))
    assert isolation.call(misbehaving.answer, 1, timeout=60).value == 1


def test_a_server_that_does_not_answer_is_an_error_and_not_taken_for_this_process(
    isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it should have answered was the number of the process to be killed."""
    isolation.call(misbehaving.answer, 1, timeout=30)
    monkeypatch.setattr(isolation_module, "START_S", 0.0)
    with pytest.raises(ServerError, match="does not answer: no answer within 0 s"):
        isolation.renew(steady=False)


STOPPED = """
import sys
from upbench.processes.patience import ready
print("waiting", flush=True)
print("heard" if ready([sys.stdin], 2.0) else "given up")
"""


def test_time_in_which_a_process_was_stopped_is_not_waited(tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.3)
        assert process.communicate("\n")[0] == "heard\n"


def test_nobody_is_waited_for_longer_than_asked() -> None:
    ours, theirs = multiprocessing.Pipe()
    begun = time.monotonic()
    assert ready([ours], 1.3) == []
    assert 1.3 <= time.monotonic() - begun < 3
    theirs.send("a word")
    assert ready([ours], 0) == [ours]


def test_ctrl_c_does_not_reach_a_worker(isolation: Isolation) -> None:
    assert isolation.call(misbehaving.interrupt_the_parent_then_answer, timeout=30).value == "still here"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_between_two_steps_of_a_start_leaves_the_server_whole(
    isolation: Isolation, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """With half a request the server ended, and its traceback stood on the user's terminal."""
    server = isolation.call(misbehaving.parent_process, timeout=30).value
    # As the command line has it.
    before = signal.signal(number, signal.default_int_handler)
    send = reduction.sendfds

    def interrupted(*arguments: Any) -> None:
        signal.raise_signal(number)
        send(*arguments)

    monkeypatch.setattr(reduction, "sendfds", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            isolation.call(misbehaving.hang, timeout=30)
    finally:
        signal.signal(number, before)
    monkeypatch.setattr(reduction, "sendfds", send)
    assert multiprocessing.active_children() == []
    assert isolation.call(misbehaving.parent_process, timeout=30).value == server


def test_parallel_operators_run_in_worker_after_worker(isolation: Isolation) -> None:
    # A process forked after a parallel operator hangs; the server must never have run one.
    for _ in range(3):
        assert isolation.call(misbehaving.run_parallel_operator, timeout=30).value == 512.0
