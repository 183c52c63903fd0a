"""Settings for all tests: nothing is timed, no process takes more than its share, nothing rests on one processor."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# No example has a deadline on a busy machine.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Inductor's cache knows nothing of the instructions that it compiled for: code for wider vectors than are used now
# would be loaded and compute nonsense.
CAPABILITY = torch.backends.cpu.get_cpu_capability().replace(" ", "-")
os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(tempfile.gettempdir(), f"upbench-inductor-{CAPABILITY}"))


OF_PROCESSES = tuple(
    f"tests/upbench/{place}"
    for place in ("test_cli.py", "test_pytest_plugin.py", "runtimes/", "gate/", "fleet/", "sweep/", "web/")
)
"""Tests that wait for processes of their own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, so that no worker is left with it alone at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(OF_PROCESSES))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tests run in as many processes as there are cores; threads of their own would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
