"""How the C library gives memory back, which decides whether a timing can be repeated.

By default glibc maps and unmaps large blocks on every call and moves the threshold as it goes, so that two processes
running identical code differ by 10 to 60 % on large outputs. Timing therefore runs *pinned*: freed memory stays with
the process. Measuring the resident peak wants the opposite, *returning*: every freed block goes back at once.
"""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Literal

Allocator = Literal["pinned", "default"]

PINNED_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
"""What glibc must find in the environment when a process starts, for that process to be pinned."""

STEADY_ENVIRONMENT = {**PINNED_ENVIRONMENT, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""The environment in which everything is timed: freed memory kept, and in huge pages where the kernel has them.

With small pages a large buffer's place in the caches is drawn anew in every process. Two processes of identical code,
side by side, differ by so much (root mean square over 12 launches, small pages and huge ones): copying 4 MiB 22 % and
9 %, DySample ×2 at 64 channels 5.7 % and 2.9 %, sub-pixel convolution 1.1 % and 0.5 %; transposed convolution ×4 the
other way, 2.5 % and 3.5 %.
"""

RETURNING_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 16),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 16),
    "MALLOC_TOP_PAD_": "0",
}
"""The same for a process that returns every freed block of 64 KiB or more at once."""

# mallopt's parameters, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def is_glibc() -> bool:
    """Whether the running C library is glibc, the only one that these settings speak to."""
    return platform.libc_ver()[0] == "glibc"


def current() -> str:
    """Say how this process's allocator was set up: ``pinned``, ``default``, or that it cannot be pinned here."""
    if not is_glibc():
        return "not glibc, cannot be pinned"
    pinned = all(os.environ.get(name) == value for name, value in PINNED_ENVIRONMENT.items())
    return "pinned" if pinned else "default"


def touch(count: int) -> None:
    """Use so many bytes and free them, which a pinned allocator keeps for what comes."""
    # Zeros would do without the memory, until somebody writes to it.
    block = b"\1" * count
    del block


def give_memory_back() -> bool:
    """Make this process return every freed block of 64 KiB or more at once; False where that cannot be done."""
    if not is_glibc():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    parameters = (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD, _M_TOP_PAD)
    settings = zip(parameters, map(int, RETURNING_ENVIRONMENT.values()), strict=True)
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)
