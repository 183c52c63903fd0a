"""Functions that ruin the process they run in, importable by workers."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
import tempfile
import time

from upbench.cases.outcome import UnsupportedCaseError
from upbench.processes.isolation import Line


def answer(value: int) -> int:
    return value


def modules_loaded_before_the_call() -> bool:
    return {"torch", "upbench.sweep.worker"} <= sys.modules.keys()


def objects_that_a_collection_goes_through() -> int:
    return len(gc.get_objects())


def environment(name: str) -> str | None:
    return os.environ.get(name)


def parent_process() -> int:
    return os.getppid()


def main_file() -> str | None:
    return getattr(sys.modules["__main__"], "__file__", None)


def raise_value_error() -> None:
    raise ValueError("the first line\nand a second that nobody needs")


def raise_at_length() -> None:
    raise ValueError("\x1b[2J\ud800" + "long " * 100_000)


def cannot() -> None:
    raise UnsupportedCaseError("this machine has no such thing")


def segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave_quietly() -> None:
    os._exit(7)


def hang_in_c() -> None:
    # Python's lock is not given back, so that nothing else in this process could notice anything.
    ctypes.PyDLL(None).sleep(60)


def leave_a_child() -> int:
    """Its number; it holds open whatever this process has open."""
    child = os.fork()
    if child == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)
    return child


def leave_a_child_and_be_killed() -> None:
    leave_a_child()
    be_killed()


def print_to_stdout() -> str:
    print("printed by a worker", flush=True)
    os.write(1, b"written by a worker\n")
    return "answered"


def temporary_folder() -> str:
    return tempfile.gettempdir()


def core_size() -> int:
    return resource.getrlimit(resource.RLIMIT_CORE)[0]


def double(line: Line) -> None:
    for request in line.requests():
        if request == "crash":
            segfault()
        if request == "raise":
            raise ValueError(f"cannot double {request!r}")
        if request == "hang":
            hang()
        if request == "leave":
            return
        line.send(2 * request)


def hang() -> None:
    time.sleep(60)


def interrupt_the_parent_then_answer() -> str:
    # As Ctrl-C does: every process of the terminal gets the signal.
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


def want_everything() -> int:
    return len(bytearray(1 << 50))


def run_parallel_operator() -> float:
    import torch

    torch.set_num_threads(2)
    return float(torch.ones(512, 512).mm(torch.ones(512, 512))[0, 0])
