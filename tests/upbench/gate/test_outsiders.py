"""What projects that nobody here wrote bring to a gate: odd numbers, clocks, calls, fixtures and repositories."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.upbench.gate.foreign_project import GIT, Project, Result
from upbench.gate.observed import COLLECTION, Closed, Observed
from upbench.gate.sources import changed_code, excuse_what_git_ignores
from upbench.gate.trees import Side, Suite, commit_of

UNJUDGED = ("--against", "HEAD", "--latency", "advise", "--budget", "0")

STATED = """
import lib, numpy, pytest, torch
from decimal import Decimal
from fractions import Fraction

NUMBERS = {
    "numpy": lambda k: numpy.prod((k, 1000)),
    "float32": lambda k: numpy.float32(k),
    "array": lambda k: numpy.array([k]),
    "decimal": lambda k: Decimal(k) / 8,
    "fraction": lambda k: Fraction(k, 3),
    "tensor": lambda k: torch.tensor(k),
    "boolean": lambda k: numpy.bool_(k > 1),
}

@pytest.mark.parametrize("kind", NUMBERS)
def test_stated(benchmark, kind):
    benchmark.extra_info["flops"] = NUMBERS[kind](lib.K)
    benchmark(int)

@pytest.mark.parametrize("what", [[1, 2], {"a": 1}, 1j, float("nan"), Decimal("Infinity")], ids=str)
def test_not_compared(benchmark, what):
    benchmark.extra_info["flops"] = what
    benchmark(int)
"""

CALLS = """
import functools, time
import lib, pytest

@pytest.mark.parametrize("name", ["coroutine", "generator", "asynchronous", "awaitable", "lazy"])
def test_no_work(benchmark, name):
    benchmark(getattr(lib, name))

def test_partial(benchmark):
    benchmark.pedantic(functools.partial(lib.coroutine), rounds=3)

def test_once(benchmark):
    done = set()
    assert benchmark.pedantic(lib.only_new, args=(done,), rounds=1) == 1

def test_default_is_once(benchmark):
    done = set()
    assert benchmark.pedantic(lib.only_new, args=(done,)) == 1

def test_three_times(benchmark):
    things = [1, 2, 3]
    benchmark.pedantic(things.pop, rounds=3)
    assert len(things) < 3

def test_warmed_up(benchmark):
    things = [1, 2, 3]
    benchmark.pedantic(things.pop, rounds=1, warmup_rounds=2)
    assert things == []
"""

CLOCKS = """
import itertools, time
import lib, pytest

@pytest.mark.benchmark(timer=lambda: round(time.perf_counter(), 3))
def test_coarse(benchmark):
    benchmark(lib.steady)

@pytest.mark.benchmark(timer=time.process_time)
def test_of_the_process(benchmark):
    benchmark(lib.steady)

@pytest.mark.benchmark(timer=lambda: 0.0)
def test_standing(benchmark):
    benchmark(lib.steady)

@pytest.mark.benchmark(timer=lambda: -time.perf_counter())
def test_backward(benchmark):
    benchmark(lib.steady)

@pytest.mark.benchmark(timer=lambda: float("nan"))
def test_no_number(benchmark):
    benchmark(lib.steady)
"""

FIXTURES = """
import os, socket
from pathlib import Path
import lib, pytest

def listen(port):
    server = socket.socket()
    server.bind(("127.0.0.1", port))
    server.listen()
    return server

@pytest.fixture(scope="session")
def server():
    with listen(PORT) as server:
        yield server

@pytest.fixture
def lock():
    path = Path(os.environ["TMPDIR"]).parent.parent / "lock"
    path.touch(exist_ok=False)
    yield path
    path.unlink()

@pytest.fixture(scope="session")
def own_server():
    with listen({"reference": 0, "candidate": 0, None: PORT}[os.environ.get("UPBENCH_SIDE")]) as server:
        yield server

def test_port(benchmark, server):
    benchmark(int)

def test_lock(benchmark, lock):
    benchmark(int)

def test_own_port(benchmark, own_server):
    benchmark(int)

def test_wrong_by_itself(benchmark):
    assert lib.K == 1
    benchmark(int)
"""

LIBRARY = """
import asyncio
K = {}

def steady(): return sum(range(200))
async def coroutine(): return steady()
def generator(): yield steady()
async def asynchronous(): yield steady()
def awaitable(): return asyncio.Future(loop=asyncio.new_event_loop())
def lazy(): return map(steady, range(3))

def only_new(done):
    assert not done
    done.add(1)
    return len(done)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A gate on suites of many kinds of oddity; a constant of the library doubles."""
    project = Project.in_folder(tmp_path_factory.mktemp("odd") / "home", copied=False)
    suites = {
        "stated": STATED,
        "calls": CALLS,
        "clocks": CLOCKS,
        "fixtures": FIXTURES.replace("PORT", str(free_port())),
    }
    files = {f"suite/test_{name}.py": text for name, text in suites.items()}
    project.write({"lib/__init__.py": LIBRARY.replace("{}", "1"), **files}).commit()
    project.write({"lib/__init__.py": LIBRARY.replace("{}", "2")})
    result = project.gate(*UNJUDGED, "suite")
    assert project.left_behind() == [" M lib/__init__.py"]
    return result


@pytest.mark.parametrize("kind", ["numpy", "float32", "array", "decimal", "fraction", "tensor", "boolean"])
def test_every_number_that_is_one_is_compared(odd: Result, kind: str) -> None:
    verdict = odd.verdict(f"test_stated[{kind}]")
    assert verdict["kind"] == "regression"
    assert any(reason.startswith("flops: ") for reason in verdict["reasons"])


@pytest.mark.parametrize(
    ("what", "said"), [("[1, 2]", "list"), ("{'a': 1}", "dict"), ("1j", "complex"), ("nan", "nan"), ("Infinity", "inf")]
)
def test_what_cannot_be_compared_is_said_and_decides_nothing(odd: Result, what: str, said: str) -> None:
    verdict = odd.verdict(f"test_not_compared[{what}]")
    assert verdict["kind"] == "undecided"
    assert f"flops cannot be compared: it is {said}" in verdict["reasons"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test_no_work[coroutine]", "coroutine returns a coroutine, which nobody awaits"),
        ("test_no_work[generator]", "generator returns a generator, which nobody iterates over"),
        ("test_no_work[asynchronous]", "asynchronous returns an asynchronous generator"),
        ("test_no_work[awaitable]", "awaitable returns an awaitable, which nobody awaits"),
        ("test_no_work[lazy]", "lazy returns a lazy iterator"),
        ("test_partial", "returns a coroutine"),
    ],
)
def test_a_call_that_does_none_of_its_work_is_an_error_that_names_it(odd: Result, name: str, said: str) -> None:
    assert odd.verdict(name)["kind"] == "error"
    assert said in odd.reasons(name)


@pytest.mark.parametrize("name", ["test_once", "test_default_is_once", "test_three_times", "test_warmed_up"])
def test_no_process_makes_more_rounds_than_the_test_asks_for(odd: Result, name: str) -> None:
    verdict = odd.verdict(name)
    assert verdict["launches"] == 6, verdict
    assert all(seconds > 0 for seconds in verdict["call_s"])


@pytest.mark.parametrize("name", ["test_coarse", "test_of_the_process"])
def test_blocks_grow_until_the_clock_can_tell(odd: Result, name: str) -> None:
    verdict = odd.verdict(name)
    assert verdict["launches"] == 6, verdict
    assert all(0 < seconds < 1e-3 for seconds in verdict["call_s"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test_standing", "clock stands still"),
        ("test_backward", "not run forward"),
        ("test_no_number", "not run forward"),
    ],
)
def test_a_clock_that_does_not_run_is_an_error_that_says_so(odd: Result, name: str, said: str) -> None:
    assert odd.verdict(name)["kind"] == "error"
    assert said in odd.reasons(name)


@pytest.mark.parametrize("name", ["test_port", "test_lock"])
def test_what_both_sides_share_is_no_regression(odd: Result, name: str) -> None:
    assert odd.verdict(name)["kind"] == "undecided"
    assert "both share something" in odd.reasons(name)
    assert "UPBENCH_SIDE" in odd.reasons(name)


def test_a_fixture_that_knows_its_side_is_measured(odd: Result) -> None:
    assert odd.verdict("test_own_port")["launches"] == 6


def test_what_fails_alone_as_well_is_an_error(odd: Result) -> None:
    assert odd.verdict("test_wrong_by_itself")["kind"] == "error"


def test_a_gate_that_shared_something_is_inconclusive(tmp_path: Path) -> None:
    project = Project.in_folder(tmp_path / "home", copied=False)
    suite = FIXTURES.replace("PORT", str(free_port()))
    project.write({"lib/__init__.py": "K = 1", "suite/test_it.py": suite}).commit()
    for judged in ((), ("--latency", "advise")):
        result = project.gate("--against", "HEAD", "--budget", "0", *judged, "suite")
        assert result.returncode == 3
        assert "could not be decided: the " in result.stdout


def test_what_modules_share_when_they_are_imported_is_no_regression(tmp_path: Path) -> None:
    project = Project.in_folder(tmp_path / "home", copied=False)
    suite = FIXTURES.replace("PORT", str(free_port())) + "\nSERVER = listen(PORT)\n".replace("PORT", str(free_port()))
    project.write({"lib/__init__.py": "K = 1", "suite/test_it.py": suite}).commit()
    result = project.gate("--against", "HEAD", "--budget", "0", "suite")
    assert result.returncode == 3, result.stdout
    assert "both share something" in result.stdout


FOO = {
    "packages/foo/pyproject.toml": '[project]\nname = "foo"\n[tool.pytest.ini_options]\nbenchmark_paths = ["speed"]\n',
    "packages/foo/src/foo_case/__init__.py": "N = 1000\n",
    "packages/foo/speed/test_it.py": (
        'import foo_case\ndef test_it(benchmark):\n    benchmark.extra_info["flops"] = foo_case.N\n    benchmark(int)\n'
    ),
}
CODE = "packages/foo/src/foo_case/__init__.py"


@pytest.fixture
def foo(tmp_path: Path) -> Project:
    """A project in a folder of its repository, with an installed copy elsewhere; its work has doubled."""
    project = Project.in_folder(tmp_path / "home", copied=False)
    project.write(FOO).commit()
    shutil.copytree(project.root / "packages/foo/src", project.home / "installed")
    project.write({CODE: "N = 2000\n"})
    return project


def installed(project: Project) -> dict[str, str]:
    return {"PYTHONPATH": str(project.home / "installed")}


@pytest.mark.parametrize(
    ("folder", "suite"), [("", ["packages/foo/speed"]), ("packages/foo", ["speed"]), ("packages/foo/src", [])]
)
def test_a_project_in_a_folder_of_its_repository_is_found(foo: Project, folder: str, suite: list[str]) -> None:
    result = foo.gate(*UNJUDGED, *suite, folder=foo.root / folder, **installed(foo))
    assert result.returncode == 1, result.stdout
    assert "flops: 1,000 → 2,000" in result.stdout


def test_an_installed_copy_of_what_has_changed_is_no_pass(foo: Project) -> None:
    """Its sources lie where nobody looks for them."""
    foo.git("mv", "packages/foo/src", "packages/foo/python")
    foo.commit().write({"packages/foo/python/foo_case/__init__.py": "N = 3000\n"})
    result = foo.gate(*UNJUDGED, "packages/foo/speed", **installed(foo))
    assert result.returncode == 3
    assert "foo_case/__init__.py has changed, and both sides have imported" in result.stdout
    assert "--venv" in result.stdout


def test_a_changed_package_beside_the_projects_own_that_is_installed_is_no_pass(foo: Project) -> None:
    foo.write({"packages/bar/src/bar_case/deep/core.py": "", "packages/bar/src/bar_case/__init__.py": ""})
    foo.write({"packages/foo/speed/test_more.py": "import bar_case.deep.core\n"}).commit()
    shutil.copytree(foo.root / "packages/bar/src", foo.home / "installed", dirs_exist_ok=True)
    foo.write({"packages/bar/src/bar_case/deep/core.py": "slower = True\n"})
    result = foo.gate(*UNJUDGED, "packages/foo/speed", **installed(foo))
    assert result.returncode == 3
    assert "bar_case/deep/core.py has changed" in result.stdout


def test_a_source_of_compiled_code_that_has_changed_is_no_pass(tmp_path: Path) -> None:
    project = Project.in_folder(tmp_path / "home", copied=False)
    suite = "import lib\ndef test_it(benchmark):\n    benchmark(lib.f)\n"
    files = {"lib/__init__.py": "from math import sqrt\ndef f(): return sqrt(2)", "native/src/lib.rs": "fn f() {}"}
    project.write({"suite/test_it.py": suite, **files}).commit()
    project.write({"native/src/lib.rs": "fn f() { slow() }"})
    result = project.gate(*UNJUDGED, "suite")
    assert result.returncode == 3
    assert "native/src/lib.rs has changed, and was built for neither side" in result.stdout


def test_a_branch_named_like_a_folder_is_a_reference_like_any_other(tmp_path: Path) -> None:
    project = Project.in_folder(tmp_path / "home", copied=False)
    project.write({"suite/test_it.py": "def test_it(benchmark):\n    benchmark(int)\n", "lib/__init__.py": ""}).commit()
    project.git("branch", "lib")
    project.write({"lib/__init__.py": "K = 1"})
    suite = Suite(("suite",), project.root, project.root)
    assert changed_code(suite, commit_of("lib", project.root)) == ["lib/__init__.py"]


def test_what_neither_side_can_collect_is_an_error_of_the_suite(tmp_path: Path) -> None:
    project = Project.in_folder(tmp_path / "home", copied=False)
    works = "import lib\ndef test_it(benchmark):\n    benchmark(int)\n"
    project.write({"lib/__init__.py": "", "suite/test_it.py": works, "suite/test_broken.py": "import nowhere"}).commit()
    result = project.gate(*UNJUDGED, "suite")
    assert (result.returncode, result.document["outcome"]) == (1, "error")
    assert "failed on both sides: cannot be collected: ModuleNotFoundError" in result.stdout


@pytest.mark.parametrize(("files", "code"), [({"lib/more.py": ""}, 3), ({"README": "", "setup.py": ""}, 0)])
def test_a_suite_that_runs_nothing_of_its_repository_passes_only_where_there_is_nothing(
    tmp_path: Path, files: dict[str, str], code: int
) -> None:
    project = Project.in_folder(tmp_path / "home", copied=False)
    project.write({"bench/__init__.py": "", "bench/test_it.py": "def test_it(benchmark):\n    benchmark(int)\n"})
    project.write(files).commit()
    result = project.gate(*UNJUDGED, "bench")
    assert result.returncode == code, result.stdout
    assert ("No code of the repository was imported" in result.stdout) == (code == 3)


READING = """
from pathlib import Path
def read(): return Path(__file__).with_name("it.dat").read_text()
"""

VENDORED = """
import sys
from pathlib import Path
sys.path.append(str(Path(__file__).parents[1] / "third_party"))
import vendored
"""


@pytest.fixture(scope="module")
def ignored(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A package that needs what git ignores, or what another repository holds."""
    home = tmp_path_factory.mktemp("ignored") / "home"
    other = Project.in_folder(home / "other", copied=False).write({"vendored.py": "N = 1"}).commit()
    project = Project.in_folder(home, copied=False)
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.root), "third_party")
    project.write(
        {
            ".gitignore": "_version.py\n*.dat\n",
            "lib/__init__.py": "",
            "lib/versioned.py": "from ._version import V",
            "lib/data.py": READING,
            "lib/inner.py": VENDORED,
            "suite/test_versioned.py": "import lib.versioned\ndef test_v(benchmark):\n    benchmark(int)",
            "suite/test_late.py": "def test_late(benchmark):\n    import lib.versioned\n    benchmark(int)",
            "suite/test_data.py": "import lib.data\ndef test_data(benchmark):\n    benchmark(lib.data.read)",
            "suite/test_inner.py": "import lib.inner\ndef test_inner(benchmark):\n    benchmark(int)",
        }
    ).commit()
    project.write({"lib/_version.py": "V = 1", "lib/it.dat": "1"})
    result = project.gate(*UNJUDGED, "suite")
    assert project.left_behind() == []
    assert len(project.git("-C", "third_party", "worktree", "list").splitlines()) == 1
    return result


@pytest.mark.parametrize(
    ("name", "file"), [("test_v", "_version.py"), ("test_late", "_version.py"), ("test_data", "it.dat")]
)
def test_a_file_that_git_ignores_is_named_and_no_regression(ignored: Result, name: str, file: str) -> None:
    assert ignored.returncode == 3
    assert ignored.verdict(name)["kind"] == "undecided"
    assert f"lib/{file}" in ignored.reasons(name)
    assert "which git ignores" in ignored.reasons(name)


@pytest.mark.parametrize("other_error", [False, True])
def test_what_git_ignores_excuses_no_other_error(tmp_path: Path, other_error: bool) -> None:
    project = Project.in_folder(tmp_path / "home", copied=False)
    project.write({".gitignore": "_version.py", "lib/_version.py": "V = 1"})
    (tmp_path / "reference").mkdir()
    reference, candidate = (
        Side(name, tree, tree, "python", (), "")
        for name, tree in (("reference", tmp_path / "reference"), ("candidate", project.root))
    )
    passed, missing = Closed("passed"), Closed("missing")
    lacking = Closed("failed", "cannot be collected: ModuleNotFoundError: No module named 'lib._version'")
    wrong = Closed("failed", "cannot be collected: ImportError: cannot import name 'g' from 'lib'")
    evidence = [Observed(COLLECTION, endings=(lacking, passed)), Observed("test_a", endings=(missing, passed))]
    if other_error:
        evidence.append(Observed(COLLECTION, endings=(wrong, passed)))
    excuse_what_git_ignores(evidence, (reference, candidate), ["lib/_version.py"])
    # Which of the two files test_a was to be collected from, nobody knows.
    expected = ["unknown", "missing", "failed"] if other_error else ["unknown", "unknown"]
    assert [each.endings[0].outcome for each in evidence] == expected


def test_submodules_are_checked_out(ignored: Result) -> None:
    assert ignored.verdict("test_inner")["launches"] == 6


@pytest.fixture
def small(tmp_path: Path) -> Project:
    return Project.in_folder(tmp_path / "home").commit()


def test_git_that_says_no_is_told_in_its_own_words(small: Project) -> None:
    result = small.gate(*UNJUDGED, "benchmarks", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert result.returncode == 2
    assert "safe.directory" in result.last_sentence


@pytest.mark.parametrize("name", ["HEAD^{tree}", "HEAD:benchmarks/test_words.py", "--all", "no such name"])
def test_what_is_no_commit_is_refused_in_gits_words(small: Project, name: str) -> None:
    result = small.gate(f"--against={name}", "benchmarks")
    assert result.returncode == 2
    assert f"There is no commit {name!r}" in result.last_sentence
    assert "git says: " in result.last_sentence


def test_a_shallow_clone_is_told_the_way_out(small: Project) -> None:
    small.append("README", "more")
    small.commit()
    shallow = small.home / "shallow"
    subprocess.run([*GIT, "clone", "-q", "--depth", "1", small.root.as_uri(), str(shallow)], check=True)
    result = small.gate("--against", "HEAD~1", "benchmarks", folder=shallow)
    assert "git fetch --unshallow" in result.last_sentence


def unrelated(project: Project) -> str:
    project.git("checkout", "--quiet", "--orphan", "other")
    project.commit()
    project.git("tag", "-a", "-m", "A release", "v1")
    project.git("checkout", "--quiet", "--detach", "HEAD")
    return "v1"


@pytest.mark.parametrize("reference", [unrelated], ids=["a tag of an unrelated history on a detached head"])
def test_any_commit_will_do(small: Project, reference: Callable[[Project], str]) -> None:
    result = small.gate("--against", reference(small), *UNJUDGED[2:], "benchmarks/test_words.py::test_plain")
    assert result.returncode == 0, result.stdout + result.stderr
