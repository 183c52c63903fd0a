"""The house is as CONTRIBUTING describes it: rooms that say what they are, and one name for one thing."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (ROOT / "upsample", ROOT / "bench" / "upbench")
FILES = sorted(file for package in PACKAGES for file in package.rglob("*.py"))
ROOMS = sorted(file.parent for package in PACKAGES for file in package.rglob("__init__.py"))
MOST_LINES = 400


def twice(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def test_no_two_modules_have_the_same_name() -> None:
    modules = [file.stem for file in FILES if not file.stem.startswith("__")]
    rooms = [room.name for room in ROOMS]
    # What a rewriting reports, and the room that writes the page.
    assert twice(modules + rooms) == ["report"]


def test_no_two_classes_have_the_same_name() -> None:
    trees = (ast.parse(file.read_text()) for file in FILES)
    assert twice([node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]) == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_says_what_it_is_for_and_stands_in_the_plan(room: Path) -> None:
    assert ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
    assert re.search(rf"^ *(bench/)?{room.name}/", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_imports_no_folder_of_the_repository(file: Path) -> None:
    # Beside the sources ``bench`` can be imported, as a folder; where the package is installed it is somebody else's.
    nodes = list(ast.walk(ast.parse(file.read_text())))
    imported = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not {name.split(".")[0] for name in imported} & {"bench", "tests", "docs", "examples", "results", "plots"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_has_one_job(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= MOST_LINES


def test_the_walk_to_a_record_leads_through_at_most_eight_files() -> None:
    walk = (ROOT / "CONTRIBUTING.md").read_text().split("## From `upbench run` to a record")[1].split("## ")[0]
    steps = re.findall(r"^\d+\. `([^`]+)`", walk, re.MULTILINE)
    assert 0 < len(steps) <= 8
    assert all((ROOT / "bench" / "upbench" / step).exists() for step in steps)
