"""What became of a file as data, and as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from upbench import runtimes
from upbench.machine import fingerprint as machine
from upbench.onnx_files.file_rewriter import FileRewriting, FileSettings
from upbench.onnx_files.verification import RuntimeVerdict
from upbench.records.record import write_whole
from upbench.wording import Message, say
from upsample.rewriting.report import Report

KEY = "upsample_bench_rewriting"
SCHEMA = 1


def lines(made: FileRewriting) -> Iterator[Message | str]:
    """What there is to say: each site, what each runtime makes of the whole, and the conclusion."""
    if made.sites:
        yield from str(Report(made.sites)).splitlines()
    yield from map(_of_runtime, made.verdicts)
    yield from made.notes
    yield made.conclusion


def _of_runtime(verdict: RuntimeVerdict) -> Message:
    title = runtimes.get(verdict.runtime).title
    if verdict.trouble:
        return say("{runtime}: not compared. {error}", runtime=title, error=verdict.trouble)
    within, count = f"{verdict.difference:.1e}", str(verdict.inputs)
    if verdict.gain is None:
        return say(
            "{runtime}: output within {within} on {count} inputs; not timed.", runtime=title, within=within, count=count
        )
    gain, low, high = (f"{each:.2f}" for each in verdict.gain)
    return say(
        "{runtime}: the whole model {gain}x faster ({low} to {high}), output within {within} on {count} inputs.",
        runtime=title,
        gain=gain,
        low=low,
        high=high,
        within=within,
        count=count,
    )


def write(made: FileRewriting, source: Path, output: Path, settings: FileSettings, path: Path) -> None:
    """Write the record; the file appears whole or not at all."""
    write_whole(path, document(made, source, output, settings))


def document(made: FileRewriting, source: Path, output: Path, settings: FileSettings) -> dict[str, Any]:
    """The record: gains are ratios with the limits of their 99 % intervals, shapes those that were timed."""
    return {
        KEY: SCHEMA,
        **machine.provenance(),
        "fingerprint": machine.machine_info()["fingerprint"],
        "settings": asdict(settings),
        "input_file": source.name,
        "output_file": output.name,
        "written": made.written,
        "conclusion": str(made.conclusion),
        "notes": list(map(str, made.notes)),
        "inputs": {name: list(shape) for name, shape in made.shapes.items()},
        "sites": [asdict(site) for site in made.sites],
        "runtimes": [asdict(verdict) for verdict in made.verdicts],
    }
