"""A project that knows nothing of us, in a git repository of its own, and gates run on it as a user runs them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SOURCE = Path(__file__).with_name("foreign")
CODE = "wordcount/__init__.py"
GIT = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org")


@dataclass(frozen=True)
class Result:
    """What a gate has said."""

    returncode: int
    stdout: str
    stderr: str
    document: dict[str, Any]

    @property
    def last_sentence(self) -> str:
        """The one line of ``stderr``, for what ended before there was a report."""
        (line,) = self.stderr.splitlines()
        return line

    def verdict(self, end: str) -> dict[str, Any]:
        """Of the one benchmark, not pool, whose name ends like this."""
        found = [each for each in self.document["verdicts"] if each["name"].endswith(end) and not each["pool"]]
        assert len(found) == 1, [each["name"] for each in self.document["verdicts"]]
        return found[0]

    def reasons(self, end: str) -> str:
        return "; ".join(self.verdict(end)["reasons"])


@dataclass(frozen=True)
class Project:
    """A copy of ``foreign``, committed, with a temporary folder of its own.

    Attributes:
        home: a folder for all of it.
    """

    home: Path

    @classmethod
    def in_folder(cls, home: Path, copied: bool = True) -> Project:
        project = cls(home)
        project.temporary.mkdir(parents=True)
        if copied:
            shutil.copytree(SOURCE, project.root, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            project.root.mkdir()
        project.git("init", "--quiet")
        return project

    @property
    def root(self) -> Path:
        # A space in it, as in many a user's folder.
        return self.home / "their project"

    @property
    def temporary(self) -> Path:
        return self.home / "temporary files"

    @property
    def ledger(self) -> Path:
        return self.home / "ledger"

    def git(self, *arguments: str) -> str:
        command, environment = [*GIT, *arguments], self.environment()
        return subprocess.run(
            command, cwd=self.root, env=environment, check=True, capture_output=True, text=True
        ).stdout

    def commit(self) -> Project:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "A state")
        return self

    def write(self, files: Mapping[str, str]) -> Project:
        """Write files, by their paths in the project."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self

    def append(self, name: str, text: str) -> None:
        with (self.root / name).open("a") as file:
            file.write(text)

    def environment(self, **variables: str) -> dict[str, str]:
        # What a worker of pytest-xdist or a git hook finds in its environment is none of a user's.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GIT_"))}
        own = {"TMPDIR": str(self.temporary), "WORDCOUNT_LEDGER": str(self.ledger), "COLUMNS": "300"}
        return inherited | own | variables

    def start(self, *arguments: str, folder: Path | None = None, **variables: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "upbench", "gate", "--json", str(self.home / "gate.json"), *arguments]
        return subprocess.Popen(
            command,
            cwd=folder or self.root,
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Otherwise ignored by whatever was started in the background, such as this test.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def gate(self, *arguments: str, folder: Path | None = None, **variables: str) -> Result:
        process = self.start(*arguments, folder=folder, **variables)
        stdout, stderr = process.communicate(timeout=300)
        assert "Traceback" not in stdout + stderr, stdout + stderr
        file = self.home / "gate.json"
        document = json.loads(file.read_text()) if file.exists() else {}
        file.unlink(missing_ok=True)
        return Result(process.returncode, stdout, stderr, document)

    def traces(self) -> list[tuple[int, str]]:
        """Process and what it did, line by line."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return [(int(line.split()[0]), line.split(maxsplit=1)[1]) for line in lines]

    def left_behind(self) -> list[str]:
        """Folders, worktrees, changes and processes that a gate should not have left."""
        worktrees = self.git("worktree", "list").splitlines()[1:]
        return [
            *(str(path) for path in self.temporary.iterdir()),
            *worktrees,
            *self.git("status", "--porcelain").splitlines(),
            *self._processes(),
        ]

    def _processes(self) -> Iterator[str]:
        for process in psutil.process_iter():
            try:
                if str(self.home) in " ".join((*process.cmdline(), *process.environ().values())):
                    yield f"{process.pid} {process.name()}"
            except psutil.Error:
                continue
