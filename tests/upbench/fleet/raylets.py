"""A real Ray cluster of several nodes on this machine, each with a raylet of its own that a test can kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[3]
STORE_BYTES = 80 << 20
SOON_DEAD = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
"""How soon Ray takes a node that does not answer for dead; by default it is half a minute."""


class Raylets:
    """A head node that measures nothing, and others that are added."""

    def __init__(self, folder: str) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
        self._cluster = Cluster(initialize_head=True, head_node_args={**head, "_system_config": dict(SOON_DEAD)})
        self.folder = folder
        self.address = str(self._cluster.address)
        self.nodes: dict[str, Any] = {}

    def add(self, name: str, resources: Mapping[str, float] | None = None, **more: Any) -> None:
        environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'bench'}", **more.pop("env_vars", {})}
        offered = {"upbench": 1} if resources is None else dict(resources)
        self.nodes[name] = self._cluster.add_node(
            num_cpus=1, resources=offered, node_name=name, object_store_memory=STORE_BYTES, env_vars=environment, **more
        )

    def processes(self, name: str) -> list[psutil.Process]:
        """The raylet of a node and all that it has started, stations and their workers included."""
        raylet = psutil.Process(self.nodes[name].all_processes["raylet"][0].process.pid)
        return [raylet, *raylet.children(recursive=True)]

    def kill(self, name: str) -> None:
        """As when the power fails: everything of a node at once."""
        for process in self.processes(name):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def vanish(self, name: str) -> None:
        """As when the network fails: the node is there and does not answer."""
        for process in self.processes(name):
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def stop(self) -> None:
        for name in self.nodes:
            with suppress(psutil.NoSuchProcess):
                self.kill(name)
        self._cluster.shutdown()


@contextmanager
def raylets(*names: str, **more: Any) -> Iterator[Raylets]:
    """A cluster with nodes of these names."""
    # A folder of pytest's would have too long a name for Ray's sockets.
    with (
        warnings.catch_warnings(),
        tempfile.TemporaryDirectory(prefix="r-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        warnings.simplefilter("ignore")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TMPDIR", folder)
        Path(folder, "ray").mkdir()
        cluster = Raylets(folder)
        try:
            for name in names:
                cluster.add(name, **more)
            yield cluster
        finally:
            cluster.stop()


class Driver:
    """The program that runs a sweep on the cluster."""

    def __init__(self, folder: Path, address: str, **asked: Any) -> None:
        self.output, self.diary = folder / "out.json", folder / "diary"
        given = {"address": address, "output": str(self.output), "diary": str(self.diary), "pause_s": 0.0, **asked}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.upbench.fleet.driver", json.dumps(given)], cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'bench'}"},
        )  # fmt: skip

    def lines(self) -> list[dict[str, Any]]:
        """The diary of the stations."""
        if not self.diary.exists():
            return []
        return [json.loads(line) for line in self.diary.read_text().splitlines()]

    def journal(self) -> list[dict[str, Any]]:
        file = self.output.with_name("out.json.journal")
        text = file.read_text() if file.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def until(self, true: Callable[[], bool], timeout_s: float = 90.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not true():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def end(self, timeout_s: float = 300.0) -> tuple[int, list[str], str]:
        """Its exit code, the files that it wrote, and what it said."""
        out, err = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, json.loads(out) if out.strip() else [], err
