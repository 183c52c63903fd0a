"""What tests of several rooms ask for: the command line, in this process, and a browser."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.upbench.commands import Here
from upbench import cli
from upbench.cli import console
from upbench.terminal import PlainConsole

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """``upbench`` in this process, which has imported torch and started the server of workers already."""

    def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = ["upbench", *map(str, arguments)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", command)
            patch.setattr(sys, "path", list(sys.path))
            patch.setattr(console, "output", PlainConsole(width=300))
            patch.setattr(console, "errors", PlainConsole(width=300, stderr=True))
            patch.setenv("COLUMNS", "300")
            patch.delitem(sys.modules, "mine", raising=False)
            if cwd is not None:
                patch.chdir(cwd)
            try:
                cli.main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(command, code, printed.out, printed.err)

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Callable[..., Browser]]:
    """Starts browsers with switches of their own."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium (Debian: chromium)")
    # Not all environments of tox have it.
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        yield lambda *switches: started.chromium.launch(executable_path=path, args=["--no-sandbox", *switches])


@pytest.fixture(scope="module")
def browser(chromium: Callable[..., Browser]) -> Iterator[Browser]:
    launched = chromium("--disable-gpu")
    yield launched
    launched.close()
