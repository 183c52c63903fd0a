"""``plots/`` is what the report makes of ``results/``: nobody has edited it by hand, and nobody forgot to remake it."""

from __future__ import annotations

import re
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images

import upsample
from tests.likeness import difference
from upbench.gate.rates import TRIAL
from upbench.records.quality_run import read_quality
from upbench.records.record import read_run
from upbench.records.repeatability import TWINS
from upbench.report import write_report, write_trial_report, write_twins_report

ROOT = Path(__file__).parent.parent
MEASURED = (ROOT / "docs" / "measured.md").read_text()
REPORTS = {
    ROOT / "plots": ["reference"],
    ROOT / "plots" / "catalogue": ["catalogue"],
    ROOT / "plots" / "exact_forms": ["exact_forms", "exact_forms_64to64"],
}
"""Where the reports are, and the committed runs under ``results/`` that they are made from."""


def pinned(package: str) -> str:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{package}=="))


def results_of(run: str) -> Path:
    return ROOT / "results" / f"{run}.json"


def skip_unless_made_with_these_versions() -> None:
    for package in ("matplotlib", "pandas", "jinja2", "tabulate", "itables", "vl-convert-python"):
        if version(package) != pinned(package):
            pytest.skip(f"plots/ was made with {package} {pinned(package)}, here is {version(package)}")


@pytest.mark.parametrize("plots", REPORTS, ids=lambda plots: str(plots.relative_to(ROOT)))
def test_the_committed_plots_are_remade_from_the_committed_results(plots: Path, tmp_path: Path) -> None:
    skip_unless_made_with_these_versions()
    quality = [read_quality(results_of("quality"))] if plots == ROOT / "plots" else []
    write_report([read_run(results_of(run)) for run in REPORTS[plots]], tmp_path, quality)
    assert_same(plots, tmp_path)


def assert_same(plots: Path, remade: Path) -> None:
    """Every file of both folders, by its words and numbers, and pictures made of pixels by their pixels."""
    committed = {path.name for path in plots.iterdir() if path.is_file()}
    assert committed == {path.name for path in remade.iterdir()}
    for name in sorted(committed):
        if name.endswith(".png"):
            # Another processor may round a pixel's edge differently; the SVG beside it is compared by its numbers.
            assert compare_images(str(plots / name), str(remade / name), tol=2) is None
        else:
            # Errors and spectra are computed, and the last bit of a pixel is another processor's to decide.
            texts = [re.sub(r"data:image/\w+;base64,[^\"]+", "", (f / name).read_text()) for f in (plots, remade)]
            apart = difference(*texts)
            assert apart is None, f"{name}: {apart}; remake it with tox run -e plots"


def test_the_committed_plots_of_the_gates_trial_are_remade_from_its_records(tmp_path: Path) -> None:
    skip_unless_made_with_these_versions()
    write_trial_report(TRIAL.read(ROOT / "results" / "gate_trial.json"), tmp_path)
    assert_same(ROOT / "plots" / "gate", tmp_path)


def test_the_committed_plots_of_the_sweeps_trial_are_remade_from_its_records(tmp_path: Path) -> None:
    skip_unless_made_with_these_versions()
    write_twins_report(TWINS.read(ROOT / "results" / "sweep_trial.json"), tmp_path)
    assert_same(ROOT / "plots" / "trial", tmp_path)


@pytest.mark.parametrize("run", [run for runs in REPORTS.values() for run in runs])
def test_a_committed_run_says_where_it_comes_from(run: str) -> None:
    committed = read_run(results_of(run))
    assert committed.facts["command"].startswith(("upbench run ", "python -m bench run "))
    assert committed.commit_info["dirty"] is False
    assert committed.facts["settings"]["allocator"] == "pinned"
    outcomes = Counter(record.outcome for record in committed.records)
    assert outcomes.keys() <= {"ok", "unstable", "unsupported", "timeout"}
    # What a busy machine did not compile in time is said beside the run's figures.
    assert outcomes["timeout"] <= 0.02 * len(committed.records)
    assert outcomes["timeout"] == 0 or "not compiled within two minutes" in MEASURED


def test_the_committed_networks_were_all_trained_from_a_commit_in_less_than_an_hour_on_two_cores() -> None:
    committed = read_quality(results_of("quality"))
    assert committed.facts["command"] == "upbench quality --train --output results/quality.json"
    assert committed.facts["commit_info"]["dirty"] is False
    assert {each.outcome for each in committed.trainings} == {"ok", "unsupported"}
    networks = {(each.images, each.seconds): each.seconds for each in committed.trainings}
    assert sum(networks.values()) < 2 * 3600
    assert len({each.seed for each in committed.trainings if each.seed >= 0}) == 3


def test_the_catalogue_run_holds_every_upsampler_at_every_scale() -> None:
    committed = read_run(results_of("catalogue"))
    missing = {
        (name, scale)
        for name in upsample.names()
        for scale in (2, 3, 4)
        if not any(r.measured for r in committed.records if (r.case.upsampler, r.case.cell.scale) == (name, scale))
    }
    assert all(upsample.refusal(name, 64, 64, scale) and upsample.refusal(name, 3, 3, scale) for name, scale in missing)
