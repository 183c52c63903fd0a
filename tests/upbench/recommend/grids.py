"""Runs over a grid of sizes and channels, whose latencies follow a law that a test knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from tests.upbench.synthetic import FINGERPRINT, measured, run_of
from upbench.cases.case import Case, Cell
from upbench.records.quality_run import Contestant, MeterCard, QualityRun, Training
from upbench.records.record import Record, Run

SIZES = ((24, 24), (48, 48), (96, 96), (192, 192))
CHANNELS = (16, 32, 64, 128)

Law = Callable[[Cell], float]


def cell(scale: int = 4, channels: int = 64, size: tuple[int, int] = (48, 48), **others: Any) -> Cell:
    return replace(Cell(scale, channels, channels, channels, *size), **others)


def power(factor: float, pixels: float = 1.0, channels: float = 1.5) -> Law:
    return lambda at: factor * (at.batch * at.height * at.width) ** pixels * at.in_channels**channels


def record(name: str, at: Cell, latency_s: float, spread: float = 0.01, **quantities: Any) -> Record:
    """One with four launches, of which the geometric mean is the latency."""
    launches = [latency_s * (1 + spread) ** way for way in (1, -1, 2, -2)]
    pixels = at.batch * at.height * at.width
    counts = {"peak_allocated_bytes": 64 * pixels * at.in_channels, "flops": 18 * pixels * at.in_channels**2}
    return measured(Case(name, at), launches, **{**counts, "params": 9 * at.in_channels**2, **quantities})


def grid_run(
    laws: Mapping[str, Law],
    sizes: Sequence[tuple[int, int]] = SIZES,
    channels: Sequence[int] = CHANNELS,
    scales: Iterable[int] = (4,),
    **surroundings: Any,
) -> Run:
    return run_of_any(
        [
            record(name, at, law(at))
            for scale, size, width in product(scales, sizes, channels)
            for name, law in laws.items()
            for at in [cell(scale, width, size, **surroundings)]
        ]
    )


def run_of_any(records: Sequence[Record], **fingerprint: Any) -> Run:
    """A run whose upsamplers may have any names."""
    empty = run_of([])
    cards = {
        name: {"title": name, "kind": "operator", "family": "any", "exact_form_of": name.partition(".")[0] or None}
        for name in dict.fromkeys(each.case.upsampler for each in records)
    }
    for name, card in cards.items():
        card["exact_form_of"] = card["exact_form_of"] if "." in name and ":" not in name else None
    return replace(
        empty,
        records=tuple(records),
        facts={**empty.facts, "cards": cards},
        machine_info={**empty.machine_info, "fingerprint": FINGERPRINT | fingerprint},
    )


def quality_of(psnr: Mapping[str, Sequence[float]], scale: int = 4, **facts: Any) -> QualityRun:
    """PSNRs by upsampler and seed, each on two photographs."""
    contestants = tuple(Contestant(name, scale, "as practised") for name in psnr)
    trainings = tuple(
        Training(each.id, seed, (0, 100), ("a", "b"), {"psnr": ((9.0, 9.0), (value - 1, value + 1))})
        for each in contestants
        for seed, value in enumerate(psnr[each.upsampler])
    )
    meters = {"psnr": MeterCard("PSNR", "dB", "higher", "It.")}
    cards = {name: {"title": name} for name in psnr}
    return QualityRun(contestants, trainings, (), (), meters, cards, (), facts)
