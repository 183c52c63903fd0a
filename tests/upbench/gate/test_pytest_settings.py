"""A project's settings are the project's: whatever they hold, the answer is paths or a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upbench.errors import UsageError
from upbench.gate.pytest_settings import PYTEST_SETTINGS, benchmark_paths

WRONG = (
    "tool = 5",
    "[tool]\npytest = 5",
    "[tool.pytest]\nini_options = 5",
    "[tool.pytest.ini_options]\nbenchmark_paths = 5",
    "[tool.pytest.ini_options]\nbenchmark_paths = [5]",
    "[tool.pytest.ini_options]\nbenchmark_paths = {a = 1}",
    '[tool.pytest.ini_options]\nbenchmark_paths = ["a\\u0000b"]',
    "pytest = [1]",
    "a = " + "[" * 100_000,
    "a = 1\na = 2",
    "[pytest]\n[pytest]\n",
    "[pytest]\nbenchmark_paths\n",
    "[pytest",
    "\x00",
    "= = =",
)


def asked(folder: Path, name: str, text: bytes) -> list[str]:
    (folder / name).write_bytes(text)
    try:
        found = benchmark_paths(folder, folder)
    except UsageError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
        return []
    finally:
        (folder / name).unlink()
    assert all(isinstance(each, str) for each in found)
    return found


@pytest.mark.parametrize("name", PYTEST_SETTINGS)
def test_settings_that_say_something_else_get_a_sentence(tmp_path: Path, name: str) -> None:
    for text in (*(each.encode() for each in WRONG), b"\xff\xfe[pytest]"):
        assert asked(tmp_path, name, text) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[tool.pytest.ini_options]\nbenchmark_paths = ["benchmarks", "more"]'),
        ("pytest.toml", '[pytest]\nbenchmark_paths = ["benchmarks", "more"]'),
        ("pytest.ini", "[pytest]\nbenchmark_paths = benchmarks more"),
        ("setup.cfg", "[tool:pytest]\nbenchmark_paths =\n    benchmarks\n    more"),
    ],
)
def test_settings_that_name_paths_are_read(tmp_path: Path, name: str, text: str) -> None:
    assert asked(tmp_path, name, text.encode()) == ["benchmarks", "more"]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(("pyproject.toml", "pytest.ini", "setup.cfg")),
    st.lists(
        st.sampled_from((*'[]{}="\n.,', "pytest", "tool:pytest", "tool", "ini_options", "benchmark_paths", "5", "a"))
    ),
)
def test_settings_of_any_pieces_get_a_sentence_or_are_read(tmp_path: Path, name: str, pieces: list[str]) -> None:
    asked(tmp_path, name, " ".join(pieces).encode())
