"""``plots/`` is what the report makes of ``results/``: nobody has edited it by hand, and nobody forgot to remake it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images

from bench.record import read_run
from bench.report import write_report

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "results" / "reference.json"
PLOTS = ROOT / "plots"


def pinned(package: str) -> str:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{package}=="))


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("matplotlib", "pandas", "jinja2", "tabulate"):
        if version(package) != pinned(package):
            pytest.skip(f"plots/ was made with {package} {pinned(package)}, here is {version(package)}")
    output = tmp_path_factory.mktemp("plots")
    write_report([read_run(REFERENCE)], output)
    return output


def test_the_committed_plots_are_remade_from_the_committed_results(remade: Path, tmp_path: Path) -> None:
    committed = {path.name for path in PLOTS.iterdir() if path.is_file()}
    assert committed == {path.name for path in remade.iterdir()}
    for name in sorted(committed):
        if name.endswith(".png"):
            # Another processor may round a pixel's edge differently; the SVG beside it is compared letter by letter.
            copy = tmp_path / name
            copy.write_bytes((remade / name).read_bytes())
            assert compare_images(str(PLOTS / name), str(copy), tol=2) is None
        else:
            assert (remade / name).read_text() == (PLOTS / name).read_text(), f"{name}: remake it with tox run -e plots"


def test_the_reference_run_says_where_it_comes_from() -> None:
    run = read_run(REFERENCE)
    assert run.facts["command"].startswith("upbench run ")
    assert run.commit_info["dirty"] is False
    assert run.facts["settings"]["allocator"] == "pinned"
