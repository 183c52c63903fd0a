"""What is published: a wheel and a source distribution that are whole, the same every time, and run anywhere."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EPOCH = "1700000000"
PARTS = (
    "upbench/py.typed",
    "upsample/py.typed",
    "upbench/report/templates/page.html.j2",
    "upbench/report/assets/main.js",
    "upbench/report/assets/page.css",
    "upbench/locale/zh_Hans_CN/LC_MESSAGES/upbench.po",
    "upbench/suite/test_upsamplers.py",
)
NOT_PUBLISHED = ("tests", "results", "plots", "docs", "examples", ".ci", "site")

pytestmark = pytest.mark.slow


def built(source: Path, output: Path) -> tuple[Path, Path]:
    """The wheel and the source distribution of a tree."""
    pytest.importorskip("build", reason="tox run -e package has it")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(source)]
    done = subprocess.run(
        command, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return next(output.glob("*.whl")), next(output.glob("*.tar.gz"))


def tree(folder: Path) -> Path:
    """A copy of what git knows, in a folder of another name, written now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return built(tree(tmp_path_factory.mktemp("tree")), tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def python(published: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel, and with what it needs from the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    borrowed = [path for path in sys.path if Path(path).name == "site-packages"]
    # Folders that are named here are not searched for such files, of which one would show the tree that is edited.
    Path(own, "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    # What was borrowed has this project too, of the same version.
    subprocess.run([*pip, "--ignore-installed", str(published[0])], check=True)
    return python


def names_in(file: Path) -> list[str]:
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            return wheel.namelist()
    with tarfile.open(file) as archive:
        return [name.partition("/")[2].removeprefix("bench/") for name in archive.getnames()]


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as held:
        name = next(each for each in held.namelist() if each.endswith(".dist-info/METADATA"))
        return message_from_string(held.read(name).decode())


@pytest.mark.parametrize("which", [0, 1], ids=["wheel", "sdist"])
def test_everything_that_runs_is_in_it_and_nothing_else(published: tuple[Path, Path], which: int) -> None:
    names = names_in(published[which])
    assert set(PARTS) <= set(names)
    assert not [name for name in names if name.split("/")[0] in NOT_PUBLISHED]
    sources = {
        str(file.relative_to(folder)) for folder in (ROOT, ROOT / "bench") for file in folder.rglob("up*/**/*.py")
    }
    sources = {name for name in sources if name.split("/")[0] in ("upbench", "upsample")}
    assert "upbench/records/documents.py" in sources
    assert sources <= set(names)
    assert published[which].stat().st_size < 3_000_000


def test_the_metadata_say_which_pythons(published: tuple[Path, Path]) -> None:
    told = metadata(published[0])
    assert told["Requires-Python"] == ">=3.11"
    classifiers = told.get_all("Classifier") or []
    for minor in range(11, 15):
        assert f"Programming Language :: Python :: 3.{minor}" in classifiers
    assert "Typing :: Typed" in classifiers
    assert told["License-Expression"] == "Apache-2.0"


def test_the_same_tree_gives_the_same_files_to_the_bit(
    published: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = built(tree(tmp_path_factory.mktemp("elsewhere")), tmp_path_factory.mktemp("again"))
    for one, other in zip(published, again, strict=True):
        assert one.name == other.name
        assert hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()


def test_the_source_distribution_gives_the_same_wheel(
    published: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(published[1]) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    wheel, _ = built(source, tmp_path_factory.mktemp("from-sdist"))
    assert hashlib.sha256(wheel.read_bytes()).digest() == hashlib.sha256(published[0].read_bytes()).digest()


def run(python: Path, folder: Path, *arguments: str | Path) -> str:
    """What upbench says in a folder, with nothing but what was installed."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [python.with_name("upbench"), *arguments]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_runs_from_an_empty_folder(python: Path, tmp_path: Path) -> None:
    where = [python, "-c", "import upbench, upsample; print(upbench.__file__, upsample.__file__)"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    imported = subprocess.run(where, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True).stdout
    assert imported.count(str(python.parent.parent)) == 2
    assert "subpixel" in run(python, tmp_path, "list")
    assert "cases, roughly" in run(python, tmp_path, "run", "--quick", "--dry-run")
    assert not list(tmp_path.iterdir())
    results = ROOT / "results"
    said = run(
        python,
        tmp_path,
        "report",
        results / "reference.json",
        results / "quality.json",
        "--output",
        "r",
        "--lang",
        "zh",
    )
    assert "最快" in said
    assert (tmp_path / "r" / "report.html").stat().st_size > 1_000_000


def test_the_version_is_the_projects(published: tuple[Path, Path]) -> None:
    assert metadata(published[0])["Version"] == PROJECT["project"]["version"]
