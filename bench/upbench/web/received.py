"""A record that a page has sent: believed in nothing, read as any file is, and its figures worked out anew.

Whoever can reach the server can send what they like. What is kept has the project's format, is of cases that this site
has, and says nothing that does not follow from the blocks that it lists.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isclose
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from upbench.errors import UserError
from upbench.processes.rivals import MOST_ROUNDS, Blocks
from upbench.records.documents import DocumentError, fault_in, parsed
from upbench.records.record import Record, Run, run_from, write_run
from upbench.records.shapes import PageShape, Positive, Seconds, Shape, Words
from upbench.records.statistics import launch_interval
from upbench.web.site_plan import BrowserSite
from upbench.wording import shown

CONTROL = "control"
RUNTIMES = ("web-wasm", "web-webgpu")

EXACT = ("macs", "flops", "elementwise_ops", "params", "min_bytes")
"""Of a record, what the site knows."""

CHOSEN = ("scale", "channels", "in_channels", "out_channels", "height", "width", "batch", "dtype", "layout", "step")
"""Of a cell, what the site decides; the rest is the page's choice."""

OF_PAGE = ("settings", "protocol", "controls", "limits", "browser", "launches")
"""What a page says of its run; everything else is the site's."""

SAME = 1e-4
"""By how much, relatively, a figure may differ from what follows from the blocks: files keep six digits."""

Rounds = Annotated[
    list[Annotated[list[Seconds | None], Field(fail_fast=True)]],
    Field(fail_fast=True, min_length=1, max_length=MOST_ROUNDS),
]


class RefusedRecordError(UserError):
    """A record is not taken; one sentence says why."""


class PageLaunchShape(Shape):
    """A launch as a page tells it: for each round, seconds of a call of each rival, or null."""

    question: Words
    launch: Words
    names: Annotated[list[Words], Field(min_length=1)]
    calls: list[Positive]
    rounds: Rounds


class SentShape(Shape):
    """What a record from a page has under ``upsample_bench`` besides what every record has."""

    browser: PageShape
    launches: Annotated[list[PageLaunchShape], Field(fail_fast=True, max_length=10_000)]


@dataclass(frozen=True)
class _LaunchFigures:
    """What follows from the blocks of one rival in one launch."""

    level: float
    median_s: float
    blocks: int


def accepted(data: bytes, site: BrowserSite) -> Run:
    """Read what a page of ``site`` sent.

    Raises:
        RefusedRecordError: it is no record, of another site, or its figures are not those of its blocks.
    """
    try:
        document = parsed(data)
        run = run_from(document)
    except DocumentError as error:
        raise RefusedRecordError(f"The record {error}") from error
    if fault := fault_in(document["upsample_bench"], SentShape):
        raise RefusedRecordError(f"The record is not from a page: {fault}.")
    if not run.fingerprint.get("browser"):
        raise RefusedRecordError("The record does not say which browser it is from.")
    if run.facts["browser"]["site"] != site.plan["digest"]:
        raise RefusedRecordError("The record is of another page than the one that is served here: load it anew.")
    if not any(record.measured for record in run.records):
        raise RefusedRecordError("The record has no latency.")
    _check_cases(run, site)
    _check_figures(run)
    own = {name: run.facts[name] for name in OF_PAGE}
    return replace(run, facts={**site.plan["facts"], **own}, commit_info=site.plan["commit_info"])


def keep(run: Run, folder: Path) -> Path:
    """Write a run into a folder under a new name; nothing that is there is touched."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"browser-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}.json"
    if file.exists():
        raise RefusedRecordError(f"{file} exists.")
    write_run(run, file)
    return file


def _check_cases(run: Run, site: BrowserSite) -> None:
    cells = site.plan["cells"]
    known = {(case["upsampler"], _chosen(cells[case["cell"]])): case["fields"] for case in site.plan["cases"]}
    seen = set()
    for record in run.records:
        name = shown(record.case.id)
        fields = known.get((record.case.upsampler, _chosen(record.case.as_dict())))
        if fields is None or record.case.cell.runtime not in RUNTIMES or record.case.id in seen:
            raise RefusedRecordError(f"The record has a case that this page has not, or has it twice: {name}.")
        seen.add(record.case.id)
        if wrong := next((each for each in EXACT if record.quantities[each] != fields.get(each)), None):
            raise RefusedRecordError(f"The record has other {wrong} than this page: {name}.")


def _chosen(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value := cell[name], list) else value for name in CHOSEN)


def _check_figures(run: Run) -> None:
    """Work out again what each measured case's launches come to."""
    found: dict[tuple[str, str], dict[str, _LaunchFigures]] = {}
    for launch in run.facts["launches"]:
        for name, figures in _of_launch(launch).items():
            found.setdefault((launch["question"], name), {})[launch["launch"]] = figures
    for record in run.records:
        launches = found.get((record.case.cell.label, record.case.upsampler), {})
        if record.measured and not _follows(record, launches):
            name = shown(record.case.id)
            raise RefusedRecordError(f"The record has figures that are not those of its launches: {name}.")


def _of_launch(launch: Mapping[str, Any]) -> dict[str, _LaunchFigures]:
    names, rounds = launch["names"], launch["rounds"]
    seconds = None
    if names[0] == CONTROL and all(len(each) == len(names) for each in (*rounds, launch["calls"])):
        seconds = np.array([[np.nan if each is None else each for each in row] for row in rounds], dtype=float)
    if seconds is None or np.isnan(seconds).all(axis=0).any():
        raise RefusedRecordError(f"The record has a launch that is none: {shown(launch['launch'])}.")
    blocks = Blocks(seconds, tuple(launch["calls"]), {})
    anchor, *levels = blocks.levels
    return {
        name: _LaunchFigures(level - anchor, float(np.median(blocks.of(place))), len(blocks.of(place)))
        for place, (name, level) in enumerate(zip(names[1:], levels, strict=True), 1)
    }


def _follows(record: Record, launches: Mapping[str, _LaunchFigures]) -> bool:
    """Whether a record says what its launches come to."""
    told, own = record.quantities, list(launches.values())
    medians = [each.median_s for each in own]
    if told["launch_ids"] != list(launches) or len(told["launch_medians_s"]) != len(own):
        return False
    interval = launch_interval(medians)
    limits = [interval.low, interval.high] if interval else []
    pairs = [
        (told["latency_s"], interval.estimate if interval else medians[0]),
        *zip(told["launch_medians_s"], medians, strict=True),
        *zip(told["latency_ci_s"] or [], limits, strict=False),
    ]
    return (
        all(isclose(one, other, rel_tol=SAME) for one, other in pairs)
        and all(isclose(one, each.level, abs_tol=SAME) for one, each in zip(told["launch_levels"], own, strict=True))
        and bool(told["latency_ci_s"]) == bool(limits)
        and len(record.rounds_s) == sum(each.blocks for each in own)
    )
