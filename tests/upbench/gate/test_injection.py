"""What is appended to a module slows its functions by the share that was asked for, on a clock that is made up."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upbench.errors import UsageError
from upbench.gate.injection import slow_down

SOURCE = '''
"""A module that takes its time from a clock of its own."""

from __future__ import annotations

CLOCK = None
NO_FUNCTION = (
    *("package.other:double", "module:double", "package.module", "package.module:", "package.module:typo"),
    *(":double", ""),
)


def double(value, *, seconds=1.0):
    """Twice the value."""
    CLOCK.now += seconds
    return 2 * value


def fail():
    CLOCK.now += 1.0
    raise LookupError("nothing there")


class Adder:
    def __init__(self, base):
        self.base = base

    def add(self, value):
        CLOCK.now += 1.0
        return self.base + value'''
TICK = 2.0**-8


class Clock:
    """Goes on by a tick whenever it is read, and otherwise only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        self.now += TICK
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(sys, "_upbench_slowed", set(), raising=False)
    return Clock()


def written(tree: Path, file: str = "package/module.py") -> Path:
    path = tree / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SOURCE)
    return path


def imported(path: Path, clock: Clock) -> ModuleType:
    """The module, to which ``time`` is the made-up clock."""
    module = ModuleType("module_for_a_test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "time", SimpleNamespace(perf_counter=clock.perf_counter))
        # Not by an import, which would take the bytecode of another example written within the same second.
        exec(compile(path.read_text(), str(path), "exec"), vars(module))
    module.CLOCK = clock
    return module


def test_a_slowed_function_takes_and_returns_the_same(tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path)
    slow_down(tmp_path, "package.module:double", 0.05)
    module = imported(path, clock)
    assert module.double(21, seconds=3.0) == 42
    assert (module.double.__name__, module.double.__doc__) == ("double", "Twice the value.")


def test_a_slowed_function_is_noted_once_it_has_run(tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path)
    slow_down(tmp_path, "package.module:double", 0.05)
    slow_down(tmp_path, "package.module:fail", 0.05)
    module = imported(path, clock)
    assert vars(sys)["_upbench_slowed"] == set()
    module.double(1)
    assert vars(sys)["_upbench_slowed"] == {"package.module:double"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 3.0), seconds=st.floats(0.0, 2.0))
def test_a_call_takes_its_own_time_and_the_share_of_it(
    share: float, seconds: float, tmp_path: Path, clock: Clock
) -> None:
    path = written(tmp_path)
    slow_down(tmp_path, "package.module:double", share)
    module = imported(path, clock)
    before = clock.now
    module.double(1, seconds=seconds)
    assert clock.now - before == pytest.approx((1 + share) * seconds, abs=16 * TICK)


def test_an_exception_passes_through(tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path)
    slow_down(tmp_path, "package.module:fail", 0.05)
    with pytest.raises(LookupError, match="nothing there"):
        imported(path, clock).fail()


def test_a_method_is_slowed(tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path)
    slow_down(tmp_path, "package.module:Adder.add", 0.5)
    adder = imported(path, clock).Adder(40)
    before = clock.now
    assert adder.add(2) == 42
    assert clock.now - before == pytest.approx(1.5, abs=8 * TICK)


def test_two_functions_of_a_module_are_slowed_each_by_its_own_share(tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path)
    slow_down(tmp_path, "package.module:double", 0.25)
    slow_down(tmp_path, "package.module:Adder.add", 1.0)
    module = imported(path, clock)
    times = [clock.now]
    for call in (module.double, module.Adder(1).add):
        call(1)
        times.append(clock.now)
    assert np.diff(times) == pytest.approx([1.25, 2.0], abs=8 * TICK)


def test_what_is_not_named_keeps_its_time(tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path)
    slow_down(tmp_path, "package.module:Adder.add", 1.0)
    module = imported(path, clock)
    before = clock.now
    module.double(1)
    assert clock.now - before == 1.0


@pytest.mark.parametrize(
    "file",
    ["package/module.py", "src/package/module.py", "package/module/__init__.py", "src/package/module/__init__.py"],
)
def test_a_module_is_found_in_the_tree_and_in_src(file: str, tmp_path: Path, clock: Clock) -> None:
    path = written(tmp_path, file)
    slow_down(tmp_path, "package.module:double", 0.05)
    imported(path, clock).double(1)
    assert vars(sys)["_upbench_slowed"] == {"package.module:double"}


@pytest.mark.parametrize(
    "name",
    [
        "package.other:double",
        "module:double",
        "package.module",
        "package.module:",
        ":double",
        "",
        "package.module:typo",
    ],
)
def test_what_names_no_function_of_a_module_is_refused(name: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(UsageError, match=r"--slow needs MODULE:FUNCTION or MODULE:CLASS\.METHOD, undecorated"):
        slow_down(tmp_path, name, 0.05)
    assert path.read_text() == SOURCE


def test_nothing_outside_the_tree_is_written(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "victim.py"
    tree.mkdir()
    outside.write_text("def double(value):\n    return 2 * value\n")
    for name in (f"{tmp_path}/victim:double", "..victim:double"):
        with pytest.raises(UsageError):
            slow_down(tree, name, 0.05)
    assert "_slowed_on_purpose" not in outside.read_text()


@pytest.mark.parametrize("decorator", ["staticmethod", "classmethod", "property"])
def test_what_a_decorator_would_see_differently_is_refused(decorator: str, tmp_path: Path) -> None:
    source = f"class Box:\n    @{decorator}\n    def inside(self):\n        return 1\n"
    (tmp_path / "box.py").write_text(source)
    with pytest.raises(UsageError, match="undecorated"):
        slow_down(tmp_path, "box:Box.inside", 0.05)
    assert (tmp_path / "box.py").read_text() == source
