"""What the project rests on: every version is pinned, the oldest are those it promises, and no data file is code."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OWN = ("upsample", "bench", "docs", "examples", ".ci")


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    parted = [line.partition("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(package): version for package, _, version in parted}


def requirements(*lists: list[str]) -> list[Requirement]:
    return [each for own in lists for each in map(Requirement, own) if each.name != "upsample-bench"]


def everything() -> list[Requirement]:
    project = PROJECT["project"]
    groups = PROJECT["dependency-groups"].values()
    extras = project["optional-dependencies"].values()
    return requirements(project["dependencies"], PROJECT["build-system"]["requires"], *extras, *groups)


def test_the_lock_has_a_version_of_all_that_is_asked_for() -> None:
    locked = pins("constraints.txt")
    assert all(version and "+" not in version for version in locked.values())
    missing = [each.name for each in everything() if canonicalize_name(each.name) not in locked]
    assert missing == []
    assert [str(e) for e in everything() if not e.specifier.contains(locked[canonicalize_name(e.name)])] == []


def test_the_lock_brings_no_cuda() -> None:
    assert [name for name in pins("constraints.txt") if re.match(r"nvidia-(?!ml-py)|cuda-|triton$", name)] == []


def test_what_is_not_made_with_the_lock_has_its_torch() -> None:
    # Figures of LiteRT, whose converter cannot be installed with the lock, stand beside those of other runtimes.
    assert f"\n    torch=={pins('constraints.txt')['torch']}\n" in (ROOT / "tox.ini").read_text()


def test_the_lock_has_what_is_needed_in_turn() -> None:
    """Of what is installed here, with its own requirements."""
    from importlib.metadata import PackageNotFoundError, distribution

    locked, missing = pins("constraints.txt"), set()
    for name in locked:
        if name == "torch" and torch.version.cuda is not None:
            # The lock is of the build for the CPU; that for CUDA brings libraries of its own.
            continue
        try:
            needed = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, needed):
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if applies and canonicalize_name(requirement.name) not in locked:
                missing.add(requirement.name)
    assert missing == set()


def test_the_oldest_versions_that_are_tried_are_those_that_are_promised() -> None:
    oldest = pins("constraints-minimal.txt")
    extras = PROJECT["project"]["optional-dependencies"]
    ours = [extras[name] for name in ("cuda", "onnx", "openvino", "parquet", "ray")]
    for each in requirements(PROJECT["project"]["dependencies"], *ours):
        (bound,) = each.specifier
        assert bound.operator == ">="
        if each.name != "torch":
            assert oldest[canonicalize_name(each.name)] == bound.version, each.name


FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_SETTINGS = {("allow_pickle", True), ("weights_only", False)}


@pytest.mark.parametrize("folder", OWN)
def test_nothing_reads_a_file_that_could_be_code(folder: str) -> None:
    """Beside ruff's rules, which know nothing of the pickles of NumPy and torch."""
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert not {each.name.split(".")[0] for each in node.names} & FORBIDDEN_MODULES, file
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in FORBIDDEN_MODULES, file
            elif isinstance(node, ast.Call):
                given = {(each.arg, each.value.value) for each in node.keywords if isinstance(each.value, ast.Constant)}
                assert not given & FORBIDDEN_SETTINGS, file
                called = ast.unparse(node.func)
                assert called != "np.load" or ("allow_pickle", False) in given, file
                assert called != "torch.load" or ("weights_only", True) in given, file


def test_ruff_keeps_it_so() -> None:
    rules = set(PROJECT["tool"]["ruff"]["lint"]["select"])
    assert {"S102", "S301", "S302", "S307", "S506"} <= rules
