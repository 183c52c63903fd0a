"""The stack is really elsewhere."""

from __future__ import annotations

import ctypes
import platform
from itertools import pairwise

import pytest

from upbench.processes.stack import MOST_FRAMES, call_at_depth

RSP = 160
"""Where glibc's getcontext() puts the stack pointer of an x86-64."""


@pytest.mark.skipif(
    platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc", reason="says where the pointer is for x86-64"
)
def test_each_depth_moves_the_stack_by_less_than_a_page_and_all_by_more() -> None:
    seen = []

    def look() -> None:
        context = ctypes.create_string_buffer(4096)
        ctypes.CDLL(None).getcontext(context)
        seen.append(int.from_bytes(context.raw[RSP : RSP + 8], "little"))

    for depth in range(MOST_FRAMES):
        call_at_depth(depth, look)
    steps = [before - after for before, after in pairwise(seen)]
    assert all(0 < step < 4096 for step in steps)
    assert seen[0] - seen[-1] > 4096


def test_it_calls_once_and_hands_errors_on() -> None:
    called: list[int] = []
    call_at_depth(5, lambda: called.append(1))
    assert called == [1]
    with pytest.raises(ZeroDivisionError):
        call_at_depth(5, lambda: called.append(1 // 0))
