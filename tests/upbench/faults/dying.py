"""Has a process send itself SIGKILL at the n-th step of writing: before it, after it, or with half a line written.

As a program, ``python -m tests.upbench.faults.dying NUMBER MOMENT upbench-arguments``, it does that to ``upbench``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from io import FileIO
from typing import Any

from upbench import whole_file

MOMENTS = ("before", "amid", "after")
STEPS = ("fsync", "ftruncate", "replace", "unlink")


def arm(number: int, moment: str) -> None:
    """Let this process die at a step; of steps other than writing, the middle is their beginning."""
    count = 0

    def watched(step: Callable[..., Any], half: Callable[..., Any]) -> Callable[..., Any]:
        def taken(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            last = count == number
            if last and moment != "after":
                if moment == "amid":
                    half(*arguments)
                _die()
            try:
                return step(*arguments, **options)
            finally:
                # Also where there was nothing to be removed.
                if last:
                    _die()

        return taken

    class DyingFile(FileIO):
        """Writes half a line at the last step."""

    DyingFile.write = watched(FileIO.write, lambda file, data: FileIO.write(file, data[: len(data) // 2]))  # type: ignore[method-assign]
    whole_file.FileIO = DyingFile  # type: ignore[misc]
    for name in STEPS:
        setattr(os, name, watched(getattr(os, name), lambda *_: None))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from upbench.cli import main

    arm(int(sys.argv[1]), sys.argv[2])
    sys.argv = ["upbench", *sys.argv[3:]]
    main()
