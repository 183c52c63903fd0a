"""Everything of Ray that a fleet uses: its nodes, an actor on each that holds the machine, and its stream of answers.

Ray is imported here and nowhere else, and only when a cluster is opened.
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from upbench.errors import UsageError, UserError
from upbench.fleet.rig import STATION, STOP_S, Rig
from upbench.leftovers import HeldFolder

LOCAL = "local"
"""In place of an address: a cluster that is started here, and ends with the sweep."""

RESOURCE = "upbench"
"""What a node must offer to be measured on. All of it is taken, so that no two timings share a machine."""

HOW_TO_START = f"""ray start --address=HEAD:6379 --resources='{{"{RESOURCE}": 1}}'"""

OF_A_LOCAL_CLUSTER = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # What is timed must not give way to others, and a worker that needs much memory is ended by the sweep itself.
    "RAY_worker_niceness": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    # There is nobody here to whom metrics would be of use.
    "RAY_enable_metrics_collection": "0",
}
CONNECT_S = 10.0
"""Allowed for the first node of a cluster to answer at all."""

PREFIX = "upbench-ray-"
"""Of the folder of a cluster that is started here, which the next one removes if nobody could."""

STORE_BYTES = 100 << 20
"""Of Ray's object store; answers are some kilobytes, and taken at once."""


class FleetError(UserError):
    """A sweep over several machines cannot go on; one sentence says why."""


@dataclass(frozen=True)
class Node:
    """One machine of a cluster, as far as Ray tells.

    Attributes:
        id: Ray's own.
        name: for people.
        resources: what it has of each in all.
        labels: that it was started with.
    """

    id: str
    name: str
    resources: Mapping[str, float]
    labels: Mapping[str, str]


@dataclass(eq=False)
class Post:
    """The actor that holds a node, with the stream of answers to what it was last asked.

    ``came``: whether it has answered anything yet; it waits for as long as somebody else has some of its node.
    """

    node: Node
    actor: Any
    stream: Any = None
    came: bool = False

    def ask(self, request: Mapping[str, Any]) -> None:
        """Ask one thing; the answers come through :meth:`Cluster.listen`."""
        self.stream = self.actor.answers.remote(request)


class Cluster:
    """A connection to Ray; a context manager that ends everything that it has started.

    Args:
        address: of a cluster, or :data:`LOCAL` to start one of this machine alone.
        labels: that a node must have.
        command: that starts a station.

    Raises:
        UsageError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str, labels: Mapping[str, str], command: Sequence[str] = STATION) -> None:
        self.address, self.labels, self.command = address, labels, tuple(command)
        self._ray = _imported()
        self._posts: list[Post] = []
        self._folder: HeldFolder | None = None

    def __enter__(self) -> Self:
        # Ray sets a handler of its own for the signal with which a job is cancelled.
        handler = signal.getsignal(signal.SIGTERM)
        try:
            self._connect()
        except BaseException:
            self.close()
            raise
        finally:
            signal.signal(signal.SIGTERM, handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self) -> None:
        shared: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "namespace": RESOURCE}
        if self.address != LOCAL:
            if "://" in self.address:
                raise UsageError(
                    f"--fleet takes {LOCAL}, auto or HOST:PORT of a cluster that this machine is part of; "
                    f"got {self.address!r}."
                )
            try:
                _check_that_somebody_answers(self.address)
                with _environment({"RAY_USAGE_STATS_ENABLED": "0"}):
                    self._ray.init(address=self.address, **shared)
            except (OSError, OverflowError, RuntimeError, ValueError) as error:
                raise UsageError(
                    f"there is no Ray cluster at {self.address} that this machine is part of ({_in_short(error)}); "
                    f"start its first node with: ray start --head --resources='{{\"{RESOURCE}\": 1}}'"
                ) from error
            return
        # The longest socket in it must be of no more than 107 characters, so that its name has no end of its own.
        self._folder = HeldFolder(Path(tempfile.gettempdir()), PREFIX, "")
        with _environment(OF_A_LOCAL_CLUSTER):
            self._ray.init(
                address=LOCAL, resources={RESOURCE: 1}, include_dashboard=False, object_store_memory=STORE_BYTES,
                _temp_dir=str(self._folder.path), **shared,
            )  # fmt: skip

    def nodes(self) -> list[Node]:
        """Those that are alive and may be measured on."""
        found = [_node(each) for each in self._ray.nodes() if each["Alive"]]
        return [node for node in found if node.resources.get(RESOURCE, 0) > 0 and _has(node.labels, self.labels)]

    def hold(self, node: Node) -> Post:
        """Put an actor on a node, which has it to itself; it comes when nobody else has any of the node."""
        everything = dict(node.resources)
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node.id, soft=False)
        actor = (
            self._ray.remote(Rig)
            .options(
                num_cpus=everything.get("CPU", 0),
                num_gpus=everything.get("GPU", 0),
                resources={RESOURCE: everything[RESOURCE]},
                scheduling_strategy=strategy,
                max_restarts=0,
                max_task_retries=0,
                # One for the question, one for the call that stops it.
                max_concurrency=2,
            )
            .remote(self.command, os.getcwd())
        )
        post = Post(node, actor)
        self._posts.append(post)
        return post

    def listen(self, posts: Sequence[Post], timeout_s: float) -> list[tuple[Post, dict[str, Any]]]:
        """The next answer of each post that has one, waited for at most so long; ``lost`` where the post is gone.

        Raises:
            FleetError: the cluster itself is gone.
        """
        if not posts:
            time.sleep(timeout_s)
            return []
        streams = [post.stream for post in posts]
        try:
            ready, _ = self._ray.wait(streams, num_returns=1, timeout=timeout_s)
            if ready:
                ready, _ = self._ray.wait(streams, num_returns=len(streams), timeout=0)
        except self._ray.exceptions.RayError as error:
            raise FleetError(
                f"the cluster at {self.address} does not answer any more ({_in_short(error)}); nothing that was "
                "measured is lost: go on with --resume."
            ) from error
        at_hand = {id(stream) for stream in ready}
        return [(post, self._next_answer(post)) for post in posts if id(post.stream) in at_hand]

    def _next_answer(self, post: Post) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._ray.get(next(post.stream))
        except StopIteration:
            return {"lost": "it stopped answering"}
        except self._ray.exceptions.RayError as error:
            return {"lost": _in_short(error)}
        post.came = True
        return answer

    def give_up(self, post: Post) -> None:
        """Let a node go; its actor may be gone already."""
        if post in self._posts:
            self._posts.remove(post)
        with suppress(Exception):
            self._ray.kill(post.actor)

    def close(self) -> None:
        """End the stations, the actors, and the cluster if it was started here; interrupts wait until that is done."""
        with _interrupts_ignored():
            if self._ray.is_initialized():
                stops = [post.actor.stop.remote() for post in self._posts if post.came]
                with suppress(Exception):
                    if stops:
                        self._ray.wait(stops, num_returns=len(stops), timeout=STOP_S + 5)
                for post in list(self._posts):
                    self.give_up(post)
                self._ray.shutdown()
            if self._folder is not None:
                self._folder.remove()


def _imported() -> Any:
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise UsageError("a fleet needs Ray: pip install 'upsample-bench[ray]'.") from error
    # It prints paragraphs on every node that is gone into our output, and has no setting for that.
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda *_, **__: None
    return ray


def _check_that_somebody_answers(address: str) -> None:
    """Ray itself tries for minutes, and tells of each time."""
    host, _, port = address.rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()


def _node(told: Mapping[str, Any]) -> Node:
    name = told.get("NodeName") or told["NodeManagerAddress"]
    return Node(told["NodeID"], name, told["Resources"], told.get("Labels") or {})


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def _in_short(error: Exception) -> str:
    """The first line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0].rstrip(".:")


@contextmanager
def _environment(additions: Mapping[str, str]) -> Iterator[None]:
    """Add variables that are not set to the environment for a while."""
    new = {name: value for name, value in additions.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
