"""Run functions in fresh processes, and turn whatever happens to such a process into an outcome.

Processes are forked from a server that has imported torch and run nothing, which takes tens of milliseconds where a
fresh import takes seconds. The server inherits the allocator's settings when it starts, which is the only moment at
which glibc reads them; to change them is to start a new server.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Self

import psutil

from upbench.cases.outcome import OutcomeKind, RefusedCaseError, UnsupportedCaseError
from upbench.errors import UserError
from upbench.processes import allocator, container
from upbench.processes.allocator import PINNED_ENVIRONMENT, STEADY_ENVIRONMENT, Allocator
from upbench.processes.rivals import RivalEndedError

QUIET_PROFILER = {"KINETO_LOG_LEVEL": "99"}
"""Keeps torch's profiler from writing to the terminal."""

OWN_MODULES = {"PYTHONSAFEPATH": "1"}
"""Keeps the current folder, in which somebody may have an ``upsample`` of his own, out of the server's imports."""

START_S = 120.0
"""Allowed for the server's imports."""

MEMORY_SHARE = 0.9
"""Share of the machine's available memory that a worker may take before its allocations fail."""


@dataclass(frozen=True)
class Outcome:
    """How a call ended: ``ok`` with its value, or another kind with one sentence of reason."""

    kind: OutcomeKind
    value: Any = None
    reason: str | None = None


class ServerError(UserError):
    """The server that forks workers is not as it must be; one sentence says why."""


class EndedError(RivalEndedError):
    """A worker has ended, or was ended as it did not answer; ``outcome`` says how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class Line:
    """The worker's end of the conversation with whoever started it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Any) -> None:
        """Answer; a parent that has gone needs no answer, and its terminal no traceback."""
        with suppress(BrokenPipeError):
            self._connection.send(message)

    def requests(self) -> Iterator[Any]:
        """Everything that is asked, until nobody asks any more."""
        while True:
            try:
                yield self._connection.recv()
            except (EOFError, ConnectionResetError):
                return


class Worker:
    """A live process; a context manager that ends it."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self._process, self._connection = process, connection

    @property
    def pid(self) -> int:
        """The system's number of the process."""
        return int(self._process.pid or 0)

    def ask(self, message: Any, timeout: float) -> Any:
        """Send a request and return its answer.

        Raises:
            EndedError: as for :meth:`receive`.
        """
        with suppress(BrokenPipeError):
            self._connection.send(message)
        return self.receive(timeout)

    def receive(self, timeout: float) -> Any:
        """The next answer, waited for at most ``timeout`` seconds.

        Raises:
            EndedError: the process died, failed or took too long; it is gone then.
        """
        try:
            if not self._connection.poll(timeout):
                self.end()
                raise EndedError(Outcome("timeout", reason=f"no answer within {timeout:g} s"))
            answer = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(timeout=5)
            raise EndedError(_died(self._process.exitcode)) from None
        if isinstance(answer, Outcome):
            raise EndedError(answer)
        return answer

    def end(self) -> None:
        """See to it that the process is gone."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def fileno(self) -> int:
        """So that several can be waited for at once."""
        return self._connection.fileno()


class Isolation:
    """A source of fresh processes, all with the same environment.

    Args:
        setting: the allocator ``pinned`` for timings that can be repeated, ``default`` to measure as deployed.
        preload: modules that the server imports once, so that no worker has to.

    Functions to be called must be importable: those of a ``__main__`` script are not.

    Raises:
        ServerError: at the first call, when the server runs already with another setting, or cannot be started.
    """

    def __init__(self, setting: Allocator = "pinned", preload: tuple[str, ...] = ()) -> None:
        self.allocator = setting
        self.preload = preload
        self._context: ForkServerContext | None = None
        self._environment = PINNED_ENVIRONMENT if setting == "pinned" else {}

    def renew(self, steady: bool) -> None:
        """Let the next workers come from a new server, with an address space of its own.

        Args:
            steady: whether a pinned allocator takes huge pages, as for everything that is timed; what memory is used is
                told exactly without.
        """
        if self._context is not None:
            server = psutil.Process(self.call(os.getppid, timeout=START_S).value)
            server.kill()
            # Python asks the system whether it still runs, which must find it dead and not yet collected.
            while server.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.001)
            self._context = None
        pinned = STEADY_ENVIRONMENT if steady else PINNED_ENVIRONMENT
        self._environment = pinned if self.allocator == "pinned" else {}
        self._ensure_server()

    def call(self, function: Callable[..., Any], *arguments: Any, timeout: float) -> Outcome:
        """Run ``function(*arguments)`` in a fresh process and wait at most ``timeout`` seconds for its value."""
        with self.start(_call, function, *arguments) as worker:
            return outcome_of(worker, timeout)

    def start(self, function: Callable[..., Any], *arguments: Any) -> Worker:
        """Start ``function(line, *arguments)`` in a fresh process, which lives until that returns or is ended.

        What the function raises is its last answer, as an :class:`EndedError`.
        """
        self._ensure_server()
        return self._fork(function, *arguments)

    def _ensure_server(self) -> None:
        if self._context is not None:
            return
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(self.preload))
        # The first answer also waits until the server has imported everything, so that no timeout allows for it.
        with self._fork(_call, allocator.current) as worker:
            setting = outcome_of(worker, START_S).value
        if allocator.is_glibc() and setting != self.allocator:
            self._context = None
            raise ServerError(
                f"workers must start with the allocator {self.allocator}, but this program has already started "
                f"multiprocessing's fork server with the allocator {setting}: measure in a program of its own."
            )

    def _fork(self, function: Callable[..., Any], *arguments: Any) -> Worker:
        assert self._context is not None
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_run, args=(theirs, function, arguments), daemon=True)
        try:
            self._start(process)
        except BaseException:
            ours.close()
            if process.pid is not None:
                process.kill()
                process.join()
            raise
        finally:
            theirs.close()
        return Worker(process, ours)

    def _start(self, process: BaseProcess) -> None:
        """Start a process; the server that forks it starts with the environment of this moment, if it does not run."""
        environment = QUIET_PROFILER | OWN_MODULES | self._environment
        with _interrupts_held(), _environment(environment), _main_module_hidden():
            try:
                process.start()
            except (EOFError, ConnectionError):
                # The server has just been killed, as the kernel may do for memory; by now it is known to be gone.
                time.sleep(0.1)
                process.start()
            except OSError as error:
                if "AF_UNIX path too long" not in str(error):
                    raise
                raise ServerError(
                    f"the fork server's socket would have too long a name in {tempfile.gettempdir()}: "
                    "set TMPDIR to a folder with a shorter one."
                ) from error


def outcome_of(worker: Worker, timeout: float) -> Outcome:
    """What a worker answers in the end, its failure included."""
    try:
        return Outcome("ok", worker.receive(timeout))
    except EndedError as error:
        return error.outcome


def _call(line: Line, function: Callable[..., Any], *arguments: Any) -> None:
    line.send(function(*arguments))


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let an interrupt wait until a process has started: half a request makes the server end, with a traceback."""
    held: list[tuple[int, FrameType | None]] = []
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        handlers = {number: handler for number, handler in found.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, frame: held.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in held:
            handlers[number](number, frame)


@contextmanager
def _environment(additions: Mapping[str, str]) -> Iterator[None]:
    """Add variables to the environment for a while."""
    saved = {name: os.environ.get(name) for name in additions}
    os.environ.update(additions)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Start a process that does not import the parent's main script first.

    multiprocessing would run that script again in every worker, which costs most of a second for a command-line
    program and starts over in a script without a main guard. Workers only call functions of importable modules.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _run(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Body of a worker: call, and send an Outcome in place of whatever Python can still catch."""
    # Ctrl-C belongs to the parent, which ends the worker and keeps the journal whole.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _be_the_first_to_go()
    line = Line(connection)
    try:
        function(line, *arguments)
    except UnsupportedCaseError as error:
        line.send(Outcome("unsupported", reason=str(error)))
    except RefusedCaseError as error:
        line.send(Outcome("refused", reason=str(error)))
    except MemoryError as error:
        line.send(Outcome("out_of_memory", reason=str(error) or "MemoryError"))
    except Exception as error:
        line.send(_raised(error))
    connection.close()


def _raised(error: Exception) -> Outcome:
    first_line = (str(error).strip().splitlines() or [""])[0]
    reason = f"{type(error).__name__}: {first_line}"
    if type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error):
        return Outcome("out_of_memory", reason=reason)
    if "not implemented for" in str(error):
        return Outcome("unsupported", reason=reason)
    return Outcome("crashed", reason=reason)


def _died(exit_code: int | None) -> Outcome:
    if exit_code is None or exit_code >= 0:
        return Outcome("crashed", reason=f"the worker exited with code {exit_code} before it answered")
    name = signal.Signals(-exit_code).name
    if name == "SIGKILL":
        return Outcome("out_of_memory", reason="the worker was killed by SIGKILL, as the kernel does for memory")
    return Outcome("crashed", reason=f"the worker was killed by {name}")


def _be_the_first_to_go() -> None:
    """Keep a hungry case from taking the machine with it: a limit on its data, and first choice for the OOM killer."""
    own = psutil.Process().memory_info().vms
    limit = own + int(MEMORY_SHARE * container.available_memory())
    if hasattr(resource, "RLIMIT_DATA"):
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000")
