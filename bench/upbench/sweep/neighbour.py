"""A neighbour as shared machines have them: it multiplies matrices in bursts, on every core.

Run as a module it is that neighbour on one core, until it is ended or its parent has gone.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from upbench.processes import cores

SIDE = 512
BURST_S = PAUSE_S = (0.05, 0.5)
"""Each burst, and each pause after it, takes a time drawn anew from between these."""


@contextmanager
def neighbour() -> Iterator[None]:
    """Have a neighbour on every core for a while."""
    environment = {**os.environ, **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(core), str(os.getpid())], env=environment, stdin=subprocess.DEVNULL
        )
        for core in cores.usable()
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main(core: int, parent: int) -> None:
    """Multiply in bursts on one core, as long as the process that asked for it lives."""
    cores.pin(os.getpid(), [core])
    matrix = np.random.default_rng(0).standard_normal((SIDE, SIDE), dtype=np.float32)
    while os.getppid() == parent:
        end = time.monotonic() + random.uniform(*BURST_S)
        while time.monotonic() < end:
            matrix @ matrix
        time.sleep(random.uniform(*PAUSE_S))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
