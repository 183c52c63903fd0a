"""What is said when a CUDA device has no memory left: the allocator's figures, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import clear_frames
from typing import Any

import torch

ELSEWHERE = ("CUDA error: out of memory", "ALLOC_FAILED")
"""In the words of the driver and of libraries that take memory past torch's allocator."""

GIB = 2**30


@contextmanager
def shortage_told(device: str, cuda: Any = torch.cuda) -> Iterator[None]:
    """Turn what CUDA says of a shortage into a sentence.

    Args:
        device: ``cpu``, which is left alone, ``cuda`` or ``cuda:N``.
        cuda: the part of ``torch.cuda`` that is used, replaceable in tests.

    Raises:
        MemoryError: there was not enough.
    """
    try:
        yield
    except Exception as error:
        if not device.startswith("cuda") or not _is_shortage(error):
            raise
        said = _sentence(device, error, cuda)
        # What those calls held that ended with it would live for as long as it is kept, by way of their frames.
        clear_frames(error.__traceback__)
        raise MemoryError(said) from error


def _is_shortage(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(each in str(error) for each in ELSEWHERE)


def _sentence(device: str, error: Exception, cuda: Any) -> str:
    asked = re.search(r"Tried to allocate ([\d.]+ \w+)", str(error))
    what = f"asked for {asked[1]} more" if asked else (str(error).strip().splitlines() or [type(error).__name__])[0]
    try:
        told = cuda.memory_stats()
        free, total = cuda.mem_get_info()
    except RuntimeError:
        # A device that has failed for good tells nothing any more.
        return f"{device}: {what}"
    tensors, reserved = (told.get(f"{kind}_bytes.all.current", 0) for kind in ("allocated", "reserved"))
    return (
        f"{device}: {what}; of {total / GIB:.1f} GiB tensors hold {tensors / GIB:.1f}, the allocator's cache "
        f"{(reserved - tensors) / GIB:.1f}, and {free / GIB:.1f} are free"
    )
