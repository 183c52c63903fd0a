"""What a project's files of settings say of its benchmarks; they are the project's, and may hold anything."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path
from typing import Any

from upbench.errors import UsageError
from upbench.wording import shown

PYTEST_SETTINGS = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""Where pytest looks for its settings, in its own order."""


def benchmark_paths(root: Path, folder: Path) -> list[str]:
    """The ini option ``benchmark_paths`` of the nearest project at or above ``folder``, relative to that.

    ``pytest --benchmark`` reads it as well.

    Raises:
        UsageError: a file of settings cannot be read.
    """
    for above in (folder, *folder.parents):
        for file in (above / name for name in PYTEST_SETTINGS if (above / name).exists()):
            paths = _options(file).get("benchmark_paths") or []
            listed = paths.split() if isinstance(paths, str) else paths
            if not isinstance(listed, list) or not all(isinstance(each, str) and "\0" not in each for each in listed):
                raise UsageError(f"{file} has a benchmark_paths that names no files and folders.")
            if listed:
                return [os.path.relpath(above / path, folder) for path in listed]
        if above == root:
            break
    return []


def _options(file: Path) -> dict[str, Any]:
    """What one of pytest's files of settings says.

    Raises:
        UsageError: it cannot be read.
    """
    if file.suffix == ".toml":
        tables = read_toml(file)
        settings = _table(tables, "pytest") or _table(_table(tables, "tool"), "pytest")
        return _table(settings, "ini_options") or settings
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(file)
    except (ConfigParserError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {shown(str(error))}.") from error
    section = "tool:pytest" if file.name == "setup.cfg" else "pytest"
    return dict(parser[section]) if section in parser else {}


def read_toml(file: Path) -> dict[str, Any]:
    """Read a file of settings, which may hold anything.

    Raises:
        UsageError: it is no TOML.
    """
    try:
        return tomllib.loads(file.read_text())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read: {shown(str(error))}.") from error


def _table(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The table of that name; an empty one where there is none, or something else."""
    found = tables.get(name)
    return found if isinstance(found, dict) else {}
