"""What a runtime's threads are, seen from inside a process of its own; importable by workers."""

from __future__ import annotations

from typing import Any

import psutil
import torch

from upbench.runtimes import litert, ncnn


def threads_added(runtime: str, model: Any, threads: int) -> int:
    """How many the system counts more once a model has been loaded and called, with torch's number set."""
    called, inputs = (ncnn if runtime == "ncnn" else litert).called, (torch.ones(1, 8, 48, 48),)
    torch.set_num_threads(1)
    # What is imported may start some of its own.
    called(model, inputs)()
    before = psutil.Process().num_threads()
    torch.set_num_threads(threads)
    call = called(model, inputs)
    call()
    return psutil.Process().num_threads() - before
