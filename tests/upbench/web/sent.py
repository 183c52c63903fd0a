"""A site without models, and records as its page would send them: every figure is what its blocks come to."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.upbench.synthetic import card
from upbench.cases.case import Case, Cell
from upbench.processes.rivals import Blocks
from upbench.records.record import Launch, Run, build_record, write_run
from upbench.web.site_plan import FORMAT, PLAN, BrowserSite, read_site

NAMES = ("subpixel", "transposed")
CELL = Cell(2, 16, 16, 16, 48, 48)
FIELDS = {"macs": 100, "flops": 200, "elementwise_ops": 0, "params": 30, "min_bytes": 4000}
INDEX = '<!doctype html><meta name="upbench" content="static"><title>A page</title>'
FILES = {"index.html": INDEX, "main.js": "// nothing", "models/0.onnx": "\x00model"}
BROWSER = {"name": "Test Browser", "version": "1.2", "installation": "0011223344556677", "isolated": True}

FINGERPRINT = {
    "cpu": "Test Browser on Linux", "physical_cores": None, "logical_cores": 4, "usable_cores": 4, "caches": {},
    "memory_bytes": None, "os": "Linux", "libc": "", "python": "", "torch": "2.13.0+cpu",
    "cpu_capability": "WebAssembly SIMD", "gpus": [], "versions": {"Test Browser": "1.2", "onnxruntime-web": "1.30.0"},
    "browser": BROWSER,
}  # fmt: skip


def site_in(folder: Path) -> BrowserSite:
    """Write a folder as an export would, but for its models, and read it."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    about = {"command": "upbench export --web here", "version": "0.2.0", "source": "0123456789abcdef"}
    plan = {
        "format": FORMAT,
        "digest": "00112233aabbccdd",
        "files": dict.fromkeys(FILES, ""),
        "facts": {**about, "cards": {name: card(name) for name in NAMES}},
        "commit_info": {"id": "0123456789abcdef", "dirty": False},
        "cells": [asdict(CELL)],
        "cases": [{"upsampler": name, "outcome": "ok", "cell": 0, "fields": FIELDS} for name in NAMES],
    }
    (folder / PLAN).write_text(json.dumps(plan))
    return read_site(folder)


def sent_from(site: BrowserSite, latencies: Sequence[float] = (1e-3, 2e-3), seed: int = 0, launches: int = 4) -> Run:
    """A run of a page of this site, in one thread of WebAssembly."""
    rng = random.Random(seed)
    cell = replace(CELL, runtime="web-wasm")
    raw: list[dict[str, Any]] = []
    own: dict[str, list[Launch]] = {name: [] for name in NAMES}
    for number in range(launches):
        slowed = rng.lognormvariate(0, 0.3)
        rounds: list[list[float | None]] = [
            [slowed * each * rng.lognormvariate(0, 0.02) for each in (50e-6, *latencies)] for _ in range(8)
        ]
        # The slower one takes part in every other round.
        for late in rounds[1::2]:
            late[-1] = None
        seconds = np.array([[np.nan if each is None else each for each in row] for row in rounds])
        blocks = Blocks(seconds, (10, 1, 1), {})
        anchor, *levels = blocks.levels
        for place, (name, level) in enumerate(zip(NAMES, levels, strict=True), 1):
            own[name].append(Launch(f"{number}-{seed}", level - anchor, tuple(blocks.of(place)), 1))
        named = {"names": ["control", *NAMES], "calls": [10, 1, 1], "rounds": rounds}
        raw.append({"question": cell.label, "launch": f"{number}-{seed}", **named})
    facts = {
        **site.plan["facts"],
        "settings": {"allocator": "the browser's"},
        "protocol": "side by side",
        "controls": [{"threads": 1, "device": "cpu", "quiet_s": 50e-6}],
        "limits": [],
        "browser": {
            "site": site.plan["digest"], "clock_s": 5e-6, "isolated": True, "hidden_launches": 0, "slowdown": 1.01,
        },
        "launches": raw,
    }  # fmt: skip
    records = [build_record(Case(name, cell), "ok", None, FIELDS, own[name]) for name in NAMES]
    machine = {"cpu": {"brand_raw": FINGERPRINT["cpu"]}, "fingerprint": FINGERPRINT}
    return Run(tuple(records), machine, site.plan["commit_info"], facts, "2026-01-02T03:04:05+00:00")


def document_of(run: Run, folder: Path) -> dict[str, Any]:
    """The run as JSON."""
    file = folder / "document.json"
    write_run(run, file)
    document: dict[str, Any] = json.loads(file.read_text())
    file.unlink()
    return document
