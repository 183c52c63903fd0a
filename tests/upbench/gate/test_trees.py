"""Two trees of one repository: whose suite lies where, whose code is imported, and what is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.upbench.gate.foreign_project import CODE, Project, Result
from upbench.errors import UsageError
from upbench.gate.trees import find_suite, two_sides

UNJUDGED = ("--against", "HEAD", "--latency", "advise", "--budget", "0")

OLD_SUITE = "def test_old(benchmark):\n    benchmark(int)"
NEW_SUITE = """
import pack

def test_own(benchmark, factor):
    benchmark.extra_info["file"] = pack.__file__
    benchmark.extra_info["version"] = pack.VERSION
    assert benchmark(pack.double, factor) == 6

def test_new(benchmark, factor):
    benchmark(pack.triple, factor)

def test_unchanged(benchmark):
    benchmark(pack.double, 3)
"""
FACTOR = "import pytest\n@pytest.fixture\ndef factor():\n    return {}"


@pytest.fixture(scope="module")
def laid_over(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Result]:
    """A src layout whose code, suite and conftest all changed and were not committed, gated from the suite's folder."""
    project = Project.in_folder(tmp_path_factory.mktemp("laid over") / "home", copied=False)
    project.write(
        {
            "src/pack/__init__.py": "VERSION = '1'\ndef double(x): return 2 * x\n",
            "conftest.py": FACTOR.format(0),
            "benchmarks/speed/test_old.py": OLD_SUITE,
            "benchmarks/speed/test_pack.py": OLD_SUITE,
        }
    ).commit()
    (project.root / "benchmarks/speed/test_old.py").unlink()
    project.write(
        {
            "src/pack/__init__.py": "VERSION = '2'\ndef double(x): return 2 * x\ndef triple(x): return 3 * x\n",
            "conftest.py": FACTOR.format(3),
            "benchmarks/speed/test_pack.py": NEW_SUITE,
        }
    )
    folder = project.root / "benchmarks"
    options = ("--exact", "file", "--exact", "version", "--allow-new")
    return project, project.gate(*UNJUDGED, *options, "speed", folder=folder)


def test_the_candidates_suite_runs_on_both_sides(laid_over: tuple[Project, Result]) -> None:
    _, result = laid_over
    assert result.returncode == 0, result.stdout
    names = {verdict["name"] for verdict in result.document["verdicts"]}
    assert names == {f"benchmarks/speed/test_pack.py::test_{name}" for name in ("own", "new", "unchanged")}
    assert result.verdict("test_own")["launches"] >= 6


def test_each_side_imports_its_own_code_from_src(laid_over: tuple[Project, Result]) -> None:
    project, result = laid_over
    assert "version: 1 → 2" in result.reasons("test_own")
    (files,) = (reason for reason in result.verdict("test_own")["reasons"] if reason.startswith("file: "))
    reference, candidate = files.removeprefix("file: ").split(" → ")
    assert Path(candidate) == project.root / "src/pack/__init__.py"
    assert Path(reference).is_relative_to(project.temporary)


def test_a_benchmark_of_new_code_is_new_where_that_is_allowed(laid_over: tuple[Project, Result]) -> None:
    _, result = laid_over
    assert result.verdict("test_new")["kind"] == "new"
    assert "failed on the reference side" in result.reasons("test_new")


def test_changes_that_are_not_committed_are_still_there_and_nothing_else_is(laid_over: tuple[Project, Result]) -> None:
    assert sorted(laid_over[0].left_behind()) == [
        " D benchmarks/speed/test_old.py",
        " M benchmarks/speed/test_pack.py",
        " M conftest.py",
        " M src/pack/__init__.py",
    ]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The current folder's."""
    project = Project.in_folder(tmp_path / "home")
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(tempfile, "tempdir", str(project.temporary))
    return project


def test_a_tree_goes_away_with_its_scratch_folder_and_git_forgets_it(project: Project) -> None:
    project.commit()
    with two_sides(find_suite(["benchmarks"]), "HEAD", None) as (reference, candidate, scratch):
        assert (reference.tree / CODE).read_text() == (candidate.tree / CODE).read_text()
        assert reference.tree.is_relative_to(scratch)
        assert candidate.tree == project.root
        assert reference.python == candidate.python == sys.executable
    assert project.left_behind() == []


KILLED = """
import os, signal, subprocess
from pathlib import Path
from upbench.gate.trees import scratch_folder
with scratch_folder(Path.cwd()) as scratch:
    late = ["sh", "-c", "sleep 0.5; mkdir -p $PLACE/late; sleep 0.5"]
    subprocess.Popen(late, env={**os.environ, "PLACE": str(scratch)})
    print(scratch, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_gates_children_still_write_goes_away_too(project: Project) -> None:
    # The child and whoever cleans up hold the pipe as well, so that this waits for both.
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=project.root, stdout=subprocess.PIPE, text=True, check=False
    )
    scratch = Path(killed.stdout.strip())
    assert not scratch.exists()


def test_the_users_settings_are_laid_over_and_what_is_not_the_suites_is_not(project: Project) -> None:
    project.write({"other/thing.py": "old"}).commit()
    (project.root / "pytest.ini").write_text("[pytest]\n")
    (project.root / "benchmarks/words.txt").write_text("data of the suite's")
    (project.root / "benchmarks/__pycache__").mkdir()
    (project.root / "benchmarks/nowhere").symlink_to("no-such-file")
    project.write({"other/thing.py": "new", "other/more.py": ""})
    with two_sides(find_suite(["benchmarks"]), "HEAD", None) as (reference, _, _):
        assert (reference.tree / "pytest.ini").exists()
        assert (reference.tree / "benchmarks/words.txt").exists()
        assert not (reference.tree / "benchmarks/__pycache__").exists()
        assert (reference.tree / "other/thing.py").read_text() == "old"
        assert not (reference.tree / "other/more.py").exists()


def test_one_file_is_laid_over_with_the_conftest_beside_it_and_nothing_else(project: Project) -> None:
    project.commit()
    for name in ("conftest", "test_words", "test_classes"):
        project.append(f"benchmarks/{name}.py", "# changed\n")
    with two_sides(find_suite(["benchmarks/test_words.py::test_plain"]), "HEAD", None) as (reference, _, _):
        changed = {path.name for path in (reference.tree / "benchmarks").iterdir() if "# changed" in path.read_text()}
    assert changed == {"conftest.py", "test_words.py"}


def test_an_absolute_path_leads_into_each_sides_own_tree(project: Project) -> None:
    project.commit()
    absolute = f"{project.root / 'benchmarks/test_words.py'}::test_plain"
    with two_sides(find_suite([absolute, "-k", "plain"]), "HEAD", None) as (reference, candidate, _):
        assert reference.arguments == (f"{reference.tree / 'benchmarks/test_words.py'}::test_plain", "-k", "plain")
        assert candidate.arguments == (absolute, "-k", "plain")


def test_a_gate_in_a_git_hook_leaves_the_users_index_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.commit().write({"staged.py": ""})
    project.git("add", "staged.py")
    monkeypatch.setenv("GIT_DIR", str(project.root / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(project.root / ".git/index"))
    with two_sides(find_suite(["benchmarks"]), "HEAD", None) as (reference, _, _):
        assert (reference.tree / CODE).exists()
    assert project.left_behind() == ["A  staged.py"]


def test_a_search_path_into_the_users_tree_leads_into_each_sides_own(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.commit()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("lib", "", str(project.root / "more"), str(project.home))))
    with two_sides(find_suite(["benchmarks"]), "HEAD", None) as sides:
        for side in sides[:2]:
            tree = side.tree
            expected = [tree, tree / "src", tree / "lib", tree / "more", project.home]
            assert side.search_path.split(os.pathsep) == list(map(str, expected))


def test_a_project_installed_to_be_edited_is_found_in_each_sides_own_tree(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever folder its packages lie in."""
    project.commit()
    inside = project.root / "environment"
    monkeypatch.setattr(sys, "path", [str(project.root / "python"), str(inside / "site-packages"), *sys.path])
    monkeypatch.setattr(sys, "prefix", str(inside))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with two_sides(find_suite(["benchmarks"]), "HEAD", None) as sides:
        for side in sides[:2]:
            found = [Path(entry) for entry in side.search_path.split(os.pathsep)]
            assert found == [side.tree, side.tree / "src", side.tree / "python"]


def test_the_whole_repository_is_no_suite_as_its_code_would_be_the_same_on_both_sides(project: Project) -> None:
    with pytest.raises(UsageError, match="is the whole repository"):
        find_suite(["."])
    with pytest.raises(UsageError, match="is the whole repository"):
        find_suite([str(project.root), "benchmarks"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\nbenchmark_paths = benchmarks/test_words.py\n    benchmarks/test_classes.py"),
        ("tox.ini", "[pytest]\nbenchmark_paths = benchmarks/test_words.py benchmarks/test_classes.py"),
        ("setup.cfg", "[tool:pytest]\nbenchmark_paths = benchmarks/test_words.py benchmarks/test_classes.py"),
        ("pytest.toml", "[pytest]\nbenchmark_paths = ['benchmarks/test_words.py', 'benchmarks/test_classes.py']"),
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\nbenchmark_paths = ['benchmarks/test_words.py', 'benchmarks/test_classes.py']",
        ),
        (
            "pyproject.toml",
            "[tool.pytest]\nbenchmark_paths = ['benchmarks/test_words.py', 'benchmarks/test_classes.py']",
        ),
    ],
)
def test_without_a_path_the_projects_settings_say_what_is_measured(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    (project.root / name).write_text(text)
    monkeypatch.chdir(project.root / "wordcount")
    suite = find_suite(["-k", "plain"])
    assert suite.paths == [Path("benchmarks/test_words.py"), Path("benchmarks/test_classes.py")]
    assert suite.arguments[2:] == ("-k", "plain")


@pytest.mark.parametrize(("name", "text"), [("pyproject.toml", "[["), ("tox.ini", "[pytest]\n[pytest]\n")])
def test_settings_that_cannot_be_read_are_wrong_usage(project: Project, name: str, text: str) -> None:
    (project.root / name).write_text(text)
    with pytest.raises(UsageError, match=f"{name} cannot be read: "):
        find_suite([])


def test_without_any_path_nothing_is_measured(project: Project) -> None:
    with pytest.raises(UsageError, match="or set benchmark_paths"):
        find_suite([])


BUILT = """
from pathlib import Path
from setuptools import setup
from setuptools.command.build_py import build_py

class Build(build_py):
    def run(self):
        super().run()
        Path(self.build_lib, "wordcount", "built.py").write_text("from wordcount import VERSION as BUILT")

setup(cmdclass={"build_py": Build})
"""
BUILT_SUITE = """
import wordcount
from wordcount.built import BUILT

def test_built(benchmark):
    benchmark.extra_info["file"] = wordcount.__file__
    benchmark.extra_info["built"] = BUILT
    benchmark(wordcount.lengths, ["a"])
"""


@pytest.mark.slow
def test_each_side_can_be_installed_into_an_environment_of_its_own(project: Project) -> None:
    project.write({"setup.py": BUILT, "benchmarks/test_built.py": BUILT_SUITE}).commit()
    code = project.root / CODE
    code.write_text(code.read_text().replace('VERSION = "1"', 'VERSION = "2"'))
    result = project.gate(*UNJUDGED, "--venv", "--exact", "built", "--exact", "file", "benchmarks/test_built.py")
    if "cannot be made" in result.stderr:
        pytest.skip(result.stderr)
    assert result.returncode == 0, result.stdout
    assert "built: 1 → 2" in result.reasons("test_built")
    (files,) = (reason for reason in result.verdict("test_built")["reasons"] if reason.startswith("file: "))
    assert files.count("site-packages") == 2
    assert result.document["notes"] == []
    assert project.left_behind() == [f" M {CODE}"]
