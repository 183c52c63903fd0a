"""``upbench export --web`` and ``upbench serve`` as people meet them: a sentence for each mistake; Ctrl-C is an end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.upbench.commands import Here
from tests.upbench.web.sent import site_in

GRID = ("--upsampler", "subpixel", "--scale", "2", "--channels", "4", "--size", "8")


def test_a_server_says_where_it_is_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    site_in(tmp_path / "site")
    command = [sys.executable, "-m", "upbench", "serve", "site", "--port", "0", "--host", "0.0.0.0"]
    environment = os.environ | {"COLUMNS": "300", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", first)
        assert address is not None, first
        assert "It has no HTTPS" in second
        with urllib.request.urlopen(address[0], timeout=10) as answer:
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def test_only_what_was_exported_is_served(here: Here, tmp_path: Path) -> None:
    done = here("serve", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"upbench: {tmp_path} was not written by")


def test_a_port_that_is_taken_is_a_sentence(here: Here, tmp_path: Path) -> None:
    site_in(tmp_path / "site")
    done = here("serve", tmp_path / "site", "--host", "192.0.2.1")
    assert done.returncode == 1
    assert done.stderr.startswith("upbench: cannot listen at 192.0.2.1, port 8127: ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "say what to write, and where to"),
        (("--quick", "--full"), 2, "exclude each other"),
        ((*GRID, "--upsampler", "none_such"), 2, "none_such"),
        ((*GRID, "--ort-web", "own.tgz"), 1, "own.tgz is not onnxruntime-web"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    here: Here, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (tmp_path / "own.tgz").write_text("another package")
    where = ("--web", "out") if arguments else ()
    done = here("export", *where, *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.partial").exists()
