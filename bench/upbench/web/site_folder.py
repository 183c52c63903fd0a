"""The folder that ``upbench export --web`` writes: the page, ONNX Runtime Web, the models, and the plan of the grid.

Everything is a file of its own, so that any server of static files can hand it out; ``upbench serve`` also sends the
headers without which a browser gives no threads, and takes records back.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scipy.special import stdtrit

from upbench.cases.case import Case
from upbench.cases.listing import listing
from upbench.machine import fingerprint as machine
from upbench.processes import rivals
from upbench.processes.disturbance import CONTROL_TOLERANCE, QUIET_QUANTILE
from upbench.progress import Watcher
from upbench.records.record import UNSTABLE_HALF_WIDTH
from upbench.records.statistics import CONFIDENCE
from upbench.sweep.launching import LAUNCH_S, SHARE_S
from upbench.web import ort_web
from upbench.web.browser_models import BrowserCase, BrowserModel, check_cells, control_model, for_browser
from upbench.web.site_page import page_files
from upbench.web.site_plan import FORMAT, ORT_FOLDER, PLAN, BrowserSite, NotASiteError, read_site
from upbench.whole_file import write_text_whole

MOST_LAUNCHES = 30
MOST_LAUNCH_S = 30.0
"""After which no further round of a launch begins: a phone may take seconds for what a server does in milliseconds."""

CLOCK_TICKS = 100
"""How many of the clock's steps a block lasts at least: a step is then a hundredth of it."""


class _Files:
    """Writes files of a folder; what has the same content is there once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.digests: dict[str, str] = {}

    def write(self, name: str, data: bytes) -> None:
        """Under a name of its own."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.digests[name] = hashlib.sha256(data).hexdigest()

    def keep(self, data: bytes, kind: str) -> str:
        """Under a name that its content gives it."""
        name = f"models/{hashlib.sha256(data).hexdigest()[:20]}.{kind}"
        if name not in self.digests:
            self.write(name, data)
        return name


def write_site(
    cases: Sequence[Case], threads: Sequence[int], folder: Path, tarball: Path | None, watcher: Watcher
) -> BrowserSite:
    """Export a grid for browsers.

    Args:
        cases: with one thread in eager torch, as a model knows of neither.
        threads: thread counts that the page offers; none for one and as many as the visitor's browser has, up to four.
        folder: empty, or one that this has written before; made if need be. It is there whole or as it was.
        tarball: ONNX Runtime Web, if it is not to be fetched.
        watcher: told after each case.

    Raises:
        GridError: an axis has a value that no browser can be asked.
        NoRuntimeError: ONNX Runtime Web is not to be had.
        NotASiteError: the folder holds something else.
    """
    check_cells([case.cell for case in cases])
    _check_free(folder)
    runtime = ort_web.runtime_files(tarball)
    partial = folder.with_name(f"{folder.name}.partial")
    # Of one that was ended.
    shutil.rmtree(partial, ignore_errors=True)
    files = _Files(partial)
    written = []
    with watcher:
        for number, case in enumerate(cases):
            watcher.advance(number, len(cases) - number, case.id)
            written.append(_as_plan(for_browser(case), files))
    for name, data in runtime.items():
        files.write(f"{ORT_FOLDER}/{name}", data)
    for name, text in page_files().items():
        files.write(name, text.encode())
    plan = {**_plan(cases, threads, written, _model(control_model(), files)), "files": files.digests}
    # Of everything that is measured or measures, so that a record says which page it is of.
    plan = {"digest": hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16], **plan}
    write_text_whole(partial / PLAN, json.dumps(plan, ensure_ascii=False, allow_nan=False))
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
    return BrowserSite(folder, plan)


def _check_free(folder: Path) -> None:
    """See that nothing would be lost but an older site."""
    present = {each.relative_to(folder).as_posix() for each in folder.rglob("*") if not each.is_dir()}
    if present and (strange := sorted(present - {PLAN, *read_site(folder).plan["files"]})):
        raise NotASiteError(f"{folder} holds {strange[0]}, which no export wrote: name another folder.")


def _plan(
    cases: Sequence[Case], threads: Sequence[int], written: Sequence[dict[str, Any]], control: dict[str, Any]
) -> dict[str, Any]:
    cells = list(dict.fromkeys(case.cell for case in cases))
    names = tuple(dict.fromkeys(case.upsampler for case in cases))
    return {
        "format": FORMAT,
        "facts": {**machine.provenance(), "cards": {row.name: asdict(row) for row in listing(names)}},
        "commit_info": machine.commit_info(),
        "torch": machine.fingerprint("")["torch"],
        "runtime": {"package": ort_web.PACKAGE, "version": ort_web.VERSION},
        "threads": list(threads),
        "settings": {"allocator": "the browser's"},
        "protocol": {
            "block_s": rivals.BLOCK_S,
            "short_s": rivals.SHORT_S,
            "least_rounds": rivals.LEAST_ROUNDS,
            "most_rounds": rivals.MOST_ROUNDS,
            "least_share": rivals.LEAST_SHARE,
            "trimmed": rivals.TRIMMED,
            "launch_s": LAUNCH_S,
            "share_s": SHARE_S,
            "most_launch_s": MOST_LAUNCH_S,
            "clock_ticks": CLOCK_TICKS,
            "quiet_quantile": QUIET_QUANTILE,
            "control_tolerance": CONTROL_TOLERANCE,
            "unstable_half_width": UNSTABLE_HALF_WIDTH,
            # Of one degree of freedom, two, and so on: no page needs the distribution itself.
            "t_quantiles": [float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) for freedom in range(1, MOST_LAUNCHES)],
        },
        "control": control,
        "cells": [asdict(cell) for cell in cells],
        "cases": [{**case, "cell": cells.index(each.cell)} for case, each in zip(written, cases, strict=True)],
    }


def _as_plan(case: BrowserCase, files: _Files) -> dict[str, Any]:
    return {
        "upsampler": case.case.upsampler,
        "outcome": case.outcome,
        "reason": case.reason,
        "fields": case.fields,
        "model": None if case.model is None else _model(case.model, files),
    }


def _model(model: BrowserModel, files: _Files) -> dict[str, Any]:
    return {
        "file": files.keep(model.model, "onnx"),
        "bytes": len(model.model),
        "inputs": [
            {"name": each.name, "type": each.type, "dims": each.dims, "file": files.keep(each.data, "bin")}
            for each in model.inputs
        ],
        "dims": model.dims,
        "stride": model.stride,
        "expected": files.keep(model.expected, "bin"),
        "largest": model.largest,
        "tolerance": model.tolerance,
    }
