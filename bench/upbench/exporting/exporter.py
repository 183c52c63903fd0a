"""What runs in a process of its own: convert one case, check what comes of it, and write its folder."""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import tempfile
from copy import deepcopy
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import upsample
from upbench import meters
from upbench.cases.case import CUDA_AXES, Case
from upbench.exporting import check_script
from upbench.exporting.formats import FORMATS
from upbench.exporting.model_format import ModelFormat
from upbench.machine import fingerprint
from upbench.meters.agreement import TOLERANCE
from upbench.runtimes.workload import Workload, build, gradients_as_in

SCHEMA = "upbench export 1"
CARD, CHECK, INPUT, EXPECTED = "card.json", "check.py", "input.npz", "expected.npy"

SETTINGS = ("layout", "threads", "device", "runtime", "step", *CUDA_AXES)
"""Of a cell, what a file leaves open."""


class NoModelError(Exception):
    """The runtime has left no model, as where there is no room for one."""


def export(case: Case, format_name: str, folder: Path) -> float:
    """Write the files of ``case`` into a new folder.

    Args:
        case: whose runtime is the format's.
        format_name: a name of :data:`~upbench.exporting.formats.FORMATS`.
        folder: that is not there yet.

    Returns:
        The largest difference of the runtime's output from the definition's, as a share of the largest value.

    Raises:
        UnsupportedCaseError: the upsampler cannot do the case, or the runtime not the upsampler; in its own words.
        RefusedCaseError: the runtime's output is not what it should be.
        NoModelError: nothing was left to copy.
    """
    chosen = FORMATS[format_name]
    with gradients_as_in(case.cell), tempfile.TemporaryDirectory() as kept:
        workload = build(case, Path(kept))
        quantities = meters.get("agreement").measure(workload) | meters.get("arithmetic").measure(workload)
        folder.mkdir()
        for left, name in chosen.files.items():
            if not Path(kept, left).exists():
                raise NoModelError(f"{workload.runtime.title} has left no {left}: is the disk full?")
            shutil.copyfile(Path(kept, left), folder / name)
        names = list(inspect.signature(workload.module.forward).parameters)[: len(workload.inputs)]
        arrays = {name: each.detach().numpy() for name, each in zip(names, workload.inputs, strict=True)}
        np.savez(folder / INPUT, **arrays)  # type: ignore[arg-type]  # the stubs take names for settings
        wanted = expected(workload).numpy()
        np.save(folder / EXPECTED, wanted, allow_pickle=False)
        shutil.copyfile(check_script.__file__, folder / CHECK)
        described = [{"name": name, **_described(array)} for name, array in arrays.items()]
        written = card(workload, chosen, quantities)
        written |= {"inputs": described, "output": _described(wanted), "files": digests(folder)}
        (folder / CARD).write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return float(quantities["definition_error"])


def expected(workload: Workload) -> Tensor:
    """The output for the workload's inputs, computed in float64 and rounded to its dtype."""
    module = deepcopy(workload.module).double()
    exact: Tensor = module(*(each.double() if each.is_floating_point() else each for each in workload.inputs))
    return exact.detach().to(workload.input.dtype)


def card(workload: Workload, chosen: ModelFormat, quantities: dict[str, Any]) -> dict[str, Any]:
    """What the files do not say of themselves."""
    of = upsample.card(workload.case.upsampler)
    cell = {key: value for key, value in asdict(workload.case.cell).items() if key not in SETTINGS}
    versions = {"upsample-bench": version("upsample-bench"), "torch": torch.__version__, **fingerprint.versions()}
    return {
        "schema": SCHEMA,
        "format": chosen.name,
        "upsampler": of.name,
        "title": of.title,
        "paper": of.paper,
        "year": of.year,
        "exact_form_of": of.exact_form_of,
        "case": cell,
        "cost": {key: value for key, value in quantities.items() if key != "definition_error"},
        "definition_error": quantities["definition_error"],
        "tolerance": TOLERANCE[workload.input.dtype],
        "checked_in": workload.runtime.title,
        "versions": {name: number for name, number in versions.items() if name != "compiler"},
        "check": f"python {CHECK}",
    }


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def _described(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": str(array.dtype)}
