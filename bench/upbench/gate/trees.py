"""The two versions of the code: a worktree of the reference beside the working tree, each with its own interpreter.

The candidate's benchmark suite, with the conftest files and pytest settings that belong to it, is laid over the
reference's tree, so that both sides run the same benchmarks and only the code under them differs. Everything lies in
one temporary folder, which goes away however the gate ends: a process of its own removes it should the gate be killed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from upbench.errors import UsageError, UserError
from upbench.gate.pytest_settings import PYTEST_SETTINGS, benchmark_paths, read_toml
from upbench.leftovers import HeldFolder, end_strays

SUBMODULE = "160000"
"""The mode of an entry of a commit that stands for a commit of another repository."""

OF_HOOKS = ("GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_WORK_TREE")
"""Variables that git sets for its hooks."""

GUARD = """
read -r scratch
cat >/dev/null
for moment in $(seq 150); do
    left=$(printf '%s\n' "$scratch" | grep -lsF -f - /proc/[0-9]*/environ /proc/[0-9]*/cmdline | cut -d/ -f3)
    test -n "$left" || break
    test "$moment" -lt 50 || kill -9 $left
    sleep 0.2
done
rm -rf -- "$scratch"
git -C "$1" worktree prune
git -C "$1" submodule --quiet foreach --recursive 'git worktree prune'
"""
"""Removes a scratch folder once the gate has gone, and with it whoever might still write there.

The gate's end of the pipe closes however the gate ends. Its children may live on for a moment: a side that is still
importing, a git that makes a worktree. They have the folder's path in their environment or among their arguments; this
script was told it by the pipe, and does not. Who is still there after ten seconds is what a benchmark has started and
left, and is ended.
"""

PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
"""One of them makes a folder a project's."""

NOT_SUITE = shutil.ignore_patterns("__pycache__", ".benchmarks", ".pytest_cache", "*.pyc")


class TreeError(UserError):
    """A side's tree or environment could not be made; one sentence says why."""


@dataclass(frozen=True)
class Side:
    """One version of the code.

    Attributes:
        name: ``reference`` or ``candidate``.
        tree: root of its working tree.
        folder: where pytest runs, the user's current folder in that tree.
        python: the interpreter that runs it.
        arguments: for pytest, with paths that lie in this tree.
        search_path: ``PYTHONPATH``.
        installed: whether the code is installed in an environment of its own rather than found in the tree.
    """

    name: str
    tree: Path
    folder: Path
    python: str
    arguments: tuple[str, ...]
    search_path: str
    installed: bool = False


@dataclass(frozen=True)
class Suite:
    """What is measured: arguments for pytest, and which of them are paths in the repository.

    Attributes:
        arguments: paths, node ids and options, as one would give them to pytest in ``folder``.
        root: of the repository.
        folder: the user's current folder.
    """

    arguments: tuple[str, ...]
    root: Path
    folder: Path

    @property
    def paths(self) -> list[Path]:
        """The files and folders named, relative to the repository's root."""
        found = (self._in_repository(argument) for argument in self.arguments)
        return [path for path in found if path is not None]

    @property
    def projects(self) -> list[Path]:
        """The folders of projects that the suite lies in, relative to the root, the nearest first and the root last."""
        above = {folder for path in self.paths for folder in (path, *path.parents)}
        found = {each for each in above if any((self.root / each / name).is_file() for name in PROJECT_FILES)}
        return sorted(found | {Path()}, key=lambda each: len(each.parts), reverse=True)

    def has(self, file: Path) -> bool:
        """Whether a file, relative to the root, is laid over the reference's tree rather than its own."""
        return file.name == "conftest.py" or any(file == path or path in file.parents for path in self.paths)

    def arguments_in(self, tree: Path) -> tuple[str, ...]:
        """The arguments with absolute paths moved into another tree; relative ones hold in any."""
        return tuple(
            str(tree / path) + argument.removeprefix(argument.split("::")[0])
            if (path := self._in_repository(argument)) is not None and Path(argument).is_absolute()
            else argument
            for argument in self.arguments
        )

    def _in_repository(self, argument: str) -> Path | None:
        if argument.startswith("-"):
            return None
        path = (self.folder / argument.split("::")[0]).resolve()
        return path.relative_to(self.root) if path.exists() and path.is_relative_to(self.root) else None


def find_suite(arguments: Sequence[str]) -> Suite:
    """Read what is to be measured; without a path, what the project's settings call ``benchmark_paths``.

    Raises:
        UsageError: not in a git repository, no such path, nothing named at all, or all of the repository.
    """
    root, folder = repository_root(), Path.cwd().resolve()
    for argument in arguments:
        if not argument.startswith("-") and (os.sep in argument or argument.endswith(".py")):
            path = Path(argument.split("::")[0])
            if not path.exists():
                raise UsageError(f"There is no {path} here: name the files or folders of the benchmark suite.")
    suite = Suite(tuple(arguments), root, folder)
    if not suite.paths:
        suite = Suite((*benchmark_paths(root, folder), *arguments), root, folder)
    if not suite.paths:
        raise UsageError(
            "Name the files or folders of the benchmark suite, or set benchmark_paths in pytest's settings."
        )
    if Path() in suite.paths:
        raise UsageError(
            f"{root} is the whole repository, of which both sides would then run the candidate's code: "
            "name the files or folders of the benchmark suite."
        )
    return suite


def repository_root() -> Path:
    """The working tree that the current folder belongs to.

    Raises:
        UsageError: it belongs to none.
    """
    found = run_git("rev-parse", "--show-toplevel", folder=Path.cwd())
    if found.returncode:
        raise UsageError(
            f"{Path.cwd()} is in no git repository that git would read, so that there is nothing to compare with; "
            f"git says: {_words(found)}"
        )
    return Path(found.stdout.strip()).resolve()


def commit_of(reference: str, root: Path) -> str:
    """The full hash that a name such as ``main`` or ``HEAD~1`` stands for.

    Raises:
        UsageError: it stands for no commit.
    """
    found = run_git("rev-parse", "--verify", "--end-of-options", f"{reference}^{{commit}}", folder=root)
    if found.returncode:
        shallow = run_git("rev-parse", "--is-shallow-repository", folder=root).stdout.strip() == "true"
        way_out = " This clone is shallow: 'git fetch --unshallow' gets the rest." if shallow else ""
        raise UsageError(f"There is no commit {reference!r} in {root}; git says: {_words(found)}.{way_out}")
    return found.stdout.strip()


@contextmanager
def two_sides(suite: Suite, reference: str, install: str | None) -> Iterator[tuple[Side, Side, Path]]:
    """Make both sides and a scratch folder, and remove all of it at the end.

    Args:
        suite: what is measured.
        reference: a commit.
        install: None to run both sides in this interpreter; otherwise what ``pip install`` is given in each tree, such
            as ``.[test]``, to make an environment of its own for each side.

    Raises:
        UsageError: there is no such commit.
        TreeError: a tree or an environment cannot be made.
    """
    commit = commit_of(reference, suite.root)
    with scratch_folder(suite.root) as scratch:
        tree = scratch / "reference"
        _add_worktree(suite.root, tree, commit)
        sides = []
        for name, place in (("reference", tree), ("candidate", suite.root)):
            python = sys.executable
            if install is not None:
                # A build leaves files where it runs, which must not be the user's tree.
                source = tree if place == tree else _working_copy(suite.root, scratch / "candidate")
                python = _environment(scratch / f"{name}-python", source / _installable(suite), install)
            folder = place / suite.folder.relative_to(suite.root)
            folder.mkdir(parents=True, exist_ok=True)
            path = _search_path(place, suite, install is not None)
            sides.append(Side(name, place, folder, python, suite.arguments_in(place), path, install is not None))
        # After the installation, for which the reference has settings of its own.
        _lay_over(suite, tree)
        yield sides[0], sides[1], scratch


def _search_path(tree: Path, suite: Suite, installed: bool) -> str:
    """This tree's code before anything else; what points into the user's tree points into this one instead.

    PYTHONPATH may point there, and so may this interpreter's own path, for a project that is installed to be edited.
    """
    root = suite.root
    given = [Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    elsewhere = [path for path in given if not path.is_relative_to(root)]
    if installed:
        # An installed package would be hidden by its own sources.
        return os.pathsep.join(map(str, elsewhere))
    # An environment, too, may lie in the user's tree.
    environment = Path(sys.prefix).resolve()
    edited = [path for path in map(Path.resolve, map(Path, sys.path)) if not path.is_relative_to(environment)]
    inside = [tree / path.relative_to(root) for path in (*given, *edited) if path.is_relative_to(root)]
    sources = [tree / project / folder for project in suite.projects for folder in ("", "src")]
    return os.pathsep.join(map(str, dict.fromkeys([*sources, *inside, *elsewhere])))


def _installable(suite: Suite) -> Path:
    """The nearest project of the suite's that says how it is built; the repository's root where none does."""
    for project in suite.projects:
        file = suite.root / project / "pyproject.toml"
        tables = read_toml(file) if file.exists() else {}
        if tables.keys() & {"project", "build-system"} or (suite.root / project / "setup.py").exists():
            return project
    return Path()


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """A temporary folder that goes away however this process ends, with what git knows of worktrees in it."""
    held = HeldFolder(Path(tempfile.gettempdir()), "upbench-gate-", ".tmp")
    guard = subprocess.Popen(
        ["sh", "-c", GUARD, "guard", str(root)],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_git_environment(),
        start_new_session=True,
        text=True,
    )
    assert guard.stdin is not None
    guard.stdin.write(f"{held.path}\n")
    guard.stdin.flush()
    try:
        yield held.path
    finally:
        end_strays(held.path)
        guard.communicate()
        held.remove()


def _lay_over(suite: Suite, tree: Path) -> None:
    """Copy the candidate's suite, the conftest files above it and pytest's settings into the reference's tree."""
    above = {parent for path in suite.paths for parent in path.parents}
    for folder in sorted(above):
        for name in ("conftest.py", *PYTEST_SETTINGS):
            _copy(suite.root / folder / name, tree / folder / name)
    for path in suite.paths:
        _copy(suite.root / path, tree / path)


def _copy(source: Path, target: Path) -> None:
    """Make the target what the source is, also where that is nothing."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=NOT_SUITE, ignore_dangling_symlinks=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _working_copy(root: Path, copy: Path) -> Path:
    """A worktree with what the user's holds, uncommitted changes included, but for ignored files."""
    _add_worktree(root, copy, "HEAD")
    for name in files_of(root):
        _copy(root / name, copy / name)
    return copy


def files_of(root: Path) -> Iterator[str]:
    """The files of a working tree that git knows or would add, those of its submodules included."""
    listed = run_git("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=root).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_symlink() or not (root / name).is_dir():
            yield name
        elif (root / name / ".git").exists():
            yield from (f"{name.rstrip('/')}/{inner}" for inner in files_of(root / name))


def _add_worktree(root: Path, folder: Path, commit: str) -> None:
    made = run_git("worktree", "add", "--detach", "--quiet", str(folder), commit, folder=root)
    if made.returncode:
        raise TreeError(f"git cannot make a worktree of {commit} of {root}: {_words(made)}")
    # A worktree's submodules are empty folders. The user's own have what is needed, and no network.
    listed = run_git("ls-tree", "-r", "-z", commit, folder=root).stdout
    for entry in filter(None, listed.split("\0")):
        (mode, _, module_commit), path = entry.split("\t")[0].split(), entry.split("\t")[1]
        if mode == SUBMODULE and (root / path / ".git").exists():
            if (folder / path).is_dir():
                (folder / path).rmdir()
            _add_worktree(root / path, folder / path, module_commit)


def _environment(folder: Path, tree: Path, install: str) -> str:
    """A virtual environment with one side's code installed from its tree; returns its interpreter."""
    python = folder / "bin" / "python"
    if not tree.is_dir():
        raise TreeError(f"There is no project in {tree}, so that it cannot be installed.")
    requirements = [*shlex.split(install), "pytest", "pytest-benchmark"]
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
    ):
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
            raise TreeError(f"The environment for {tree} cannot be made: {last[0]}")
    return str(python)


def _words(done: subprocess.CompletedProcess[str]) -> str:
    """What git said, on one line."""
    return " ".join(done.stderr.split()).rstrip(".") or f"exit code {done.returncode}"


def run_git(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run git in a folder, whatever repository a hook may have been called for."""
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=_git_environment(), capture_output=True, text=True, check=False
    )


def _git_environment() -> dict[str, str]:
    """Without what git tells its hooks, as which a gate may run: a worktree would be made in the user's index."""
    return {name: value for name, value in os.environ.items() if name not in OF_HOOKS}
