"""Run functions in fresh processes, and turn whatever happens to such a process into an outcome.

Processes are forked from a server that has imported torch and run nothing, which takes tens of milliseconds where a
fresh import takes seconds. The server inherits the allocator's settings when it starts, which is the only moment at
which glibc reads them; to change them is to start a new server.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from types import FrameType, ModuleType
from typing import Any, Self

import psutil

from upbench.cases.outcome import OutcomeKind, RefusedCaseError, UnsupportedCaseError
from upbench.errors import UserError
from upbench.leftovers import end_strays
from upbench.processes import allocator, scratch
from upbench.processes.allocator import PINNED_ENVIRONMENT, STEADY_ENVIRONMENT, Allocator
from upbench.processes.isolated import arrange
from upbench.processes.patience import ready
from upbench.processes.rivals import RivalEndedError
from upbench.processes.scratch import own_scratch
from upbench.wording import visible

QUIET_PROFILER = {"KINETO_LOG_LEVEL": "99"}
"""Keeps torch's profiler from writing to the terminal."""

OWN_MODULES = {"PYTHONSAFEPATH": "1"}
"""Keeps the current folder, in which somebody may have an ``upsample`` of his own, out of the server's imports."""

QUIET_TRACKER = "ignore:resource_tracker"
"""For Python's warnings: of shared memory that a case has left, which is removed, a user need not be told."""

START_S = 120.0
"""Allowed for the server's imports."""

MOST_TOLD = 2000  # characters of a reason, which is somebody else's text
STARTS, AGAIN_S = 5, 0.1
"""How often a process is tried to be started, and the pause between: the kernel may end the server for memory."""


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
        self._has_server = True
        _alive.add(self)

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
        if not self._has_spoken(timeout):
            self.end()
            raise EndedError(Outcome("timeout", reason=f"no answer within {timeout:g} s"))
        try:
            if not self._connection.poll():
                # It has died, and a child of its own holds the line open.
                raise EOFError
            answer = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(timeout=5)
            raise EndedError(_died(self._process.exitcode)) from None
        if isinstance(answer, Outcome):
            raise EndedError(replace(answer, reason=answer.reason and visible(answer.reason[:MOST_TOLD])))
        return answer

    @property
    def ends(self) -> tuple[Any, ...]:
        """What can be read from when it has answered or ended."""
        return (self._connection, self._process.sentinel) if self._has_server else (self._connection,)

    def outlives_its_server(self) -> bool:
        """Whether its sentinel told of the server, which has ended, and not of itself."""
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE:
                self._has_server = False
        return not self._has_server

    def _has_spoken(self, timeout: float) -> bool:
        found = ready(self.ends, timeout)
        if found and self._connection not in found and self.outlives_its_server():
            found = ready(self.ends, timeout)
        return bool(found)

    def end(self) -> None:
        """See to it that the process is gone, and what it has started as well."""
        if not self._has_server:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        elif self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._connection.close()
        if self in _alive:
            _alive.remove(self)
            if not _alive:
                end_strays(own_scratch(), _servers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


_alive: set[Worker] = set()
"""The workers of this process, which have one server."""

_servers: set[int] = set()
"""The numbers of the server and of what multiprocessing has started beside it."""


def speaking(workers: Iterable[Worker], timeout: float) -> list[Worker]:
    """Those workers that have answered or ended, as soon as there are any; none after ``timeout`` seconds."""
    by_end = {end: worker for worker in workers for end in worker.ends}
    found = ready(list(by_end), timeout)
    heard = dict.fromkeys(by_end[end] for end in found)
    return [each for each in heard if each.ends[0] in found or not each.outlives_its_server()]


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

    def renew(self, steady: bool, preload: tuple[str, ...] | None = None) -> None:
        """Let the next workers come from a new server, with an address space of its own.

        Args:
            steady: whether a pinned allocator takes huge pages, as for what is timed; without, memory is told exactly.
            preload: what it imports instead of what the one before did.
        """
        self.preload = self.preload if preload is None else preload
        if self._context is not None:
            found = self.call(os.getppid, timeout=START_S)
            if found.kind != "ok":
                raise ServerError(f"the server that forks workers does not answer: {found.reason}.")
            server = psutil.Process(found.value)
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
            _servers.update(child.pid for child in psutil.Process().children())
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
        with suppress(psutil.Error):
            _servers.add(psutil.Process(process.pid).ppid())
        return Worker(process, ours)

    def _start(self, process: BaseProcess) -> None:
        """Start a process; the server that forks it starts with the environment of this moment, if it does not run."""
        warnings = {"PYTHONWARNINGS": ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), QUIET_TRACKER]))}
        environment = QUIET_PROFILER | OWN_MODULES | warnings | scratch.environment() | self._environment
        with _interrupts_held(), _environment(environment), _main_module_hidden(), scratch.made_there():
            try:
                for pause_s in [AGAIN_S] * (STARTS - 1):
                    try:
                        return process.start()
                    except (EOFError, ConnectionError):
                        # The server has just been killed; by the next time it is known to be gone.
                        time.sleep(pause_s)
                process.start()
            except (EOFError, ConnectionError) as error:
                raise ServerError(f"the server that forks workers was killed {STARTS} times as it started.") from error
            except OSError as error:
                if "AF_UNIX path too long" not in str(error):
                    raise
                raise ServerError(
                    f"the fork server's socket would have too long a name in {own_scratch().parent}: "
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
    arrange()
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
