"""What becomes of a worker that misbehaves, and what every worker starts with."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing import reduction
from typing import Any

import pytest

from tests.upbench import misbehaving
from upbench.processes.allocator import PINNED_ENVIRONMENT, STEADY_ENVIRONMENT
from upbench.processes.isolation import EndedError, Isolation, ServerError
from upbench.sweep.session import PRELOAD


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    return Isolation(preload=PRELOAD)


def test_a_value_comes_back(isolation: Isolation) -> None:
    outcome = isolation.call(misbehaving.answer, 42, timeout=30)
    assert (outcome.kind, outcome.value, outcome.reason) == ("ok", 42, None)


def test_a_worker_finds_torch_imported(isolation: Isolation) -> None:
    assert isolation.call(misbehaving.modules_loaded_before_the_call, timeout=30).value is True


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
