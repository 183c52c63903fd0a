"""What runs a command line in a test, and what comes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Here = Callable[..., subprocess.CompletedProcess[str]]
"""``upbench`` with arguments, in a folder ``cwd``, in this process: the fixture ``here``."""
