"""Upsamplers that ruin the process they run in, as classes that a user brings with ``--module``."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import tempfile
import time
import uuid
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import torch
from torch import Tensor

from tests.upbench.own_upsamplers import NotANumber, Plain, Stated

__all__ = ["NotANumber"]

LONG_S = 600


class Segfaulting(Plain):
    def forward(self, input: Tensor) -> Tensor:
        ctypes.string_at(0)
        return super().forward(input)


class Exiting(Plain):
    def forward(self, input: Tensor) -> Tensor:
        os._exit(7)


class Raising(Plain):
    def forward(self, input: Tensor) -> Tensor:
        raise RuntimeError("this is the first line\nand this a second one")


class RaisingAtLength(Plain):
    def forward(self, input: Tensor) -> Tensor:
        raise ValueError("\x1b[2J\ud800" + "long " * 200_000)


class RaisingEarly(Stated):
    """Of which the command itself would like to know what it costs."""

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        raise ValueError("this cannot be built")


class Killed(Plain):
    def forward(self, input: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(input)


class Growing(Plain):
    """Keeps what it could give back."""

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.kept: list[Tensor] = []

    def forward(self, input: Tensor) -> Tensor:
        self.kept.append(torch.ones(1 << 26))
        return super().forward(input)


class Hanging(Plain):
    """Nothing in this process runs any more, as Python's lock is not given back."""

    def forward(self, input: Tensor) -> Tensor:
        ctypes.PyDLL(None).sleep(LONG_S)
        return super().forward(input)


class OtherDtype(Plain):
    def forward(self, input: Tensor) -> Tensor:
        torch.set_default_dtype(torch.float64)
        return super().forward(input)


class OtherThreads(Plain):
    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__(in_channels, out_channels, scale)
        torch.set_num_threads(2)


class Deterministic(Plain):
    def forward(self, input: Tensor) -> Tensor:
        torch.use_deterministic_algorithms(True)
        return super().forward(input)


class Printing(Plain):
    def forward(self, input: Tensor) -> Tensor:
        print("written by a case", flush=True)
        os.write(1, b"written by a case\n")
        return super().forward(input)


class Forking(Plain):
    """Its child has neither its session nor a parent, so that nothing but its environment tells where it came from."""

    has_forked = False

    def forward(self, input: Tensor) -> Tensor:
        first, Forking.has_forked = not Forking.has_forked, True
        if first and os.fork() == 0:
            os.setsid()
            time.sleep(LONG_S)
            os._exit(0)
        return super().forward(input)


class ForkingAndKilled(Forking):
    def forward(self, input: Tensor) -> Tensor:
        super().forward(input)
        os.kill(os.getpid(), signal.SIGKILL)
        return input


class Littering(Plain):
    def forward(self, input: Tensor) -> Tensor:
        # A worker's temporary files have a folder in the command's; the memory's name tells whose it was.
        SharedMemory(f"{Path(tempfile.gettempdir()).parent.name}-{uuid.uuid4().hex[:8]}", create=True, size=1 << 16)
        descriptor, _ = tempfile.mkstemp()
        os.write(descriptor, b"litter")
        os.kill(os.getpid(), signal.SIGKILL)
        return input


class Filling(Plain):
    """Fills memory that is shared, of which no limit of a process knows."""

    def forward(self, input: Tensor) -> Tensor:
        held = [mmap.mmap(-1, 1 << 28) for _ in range(16)]
        for each in held:
            for place in range(0, len(each), mmap.PAGESIZE):
                each[place] = 1
        return super().forward(input)
