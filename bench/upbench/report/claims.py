"""What this run says to the field's folklore: each claim with a verdict, the figures behind it, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from upbench.records.record import Record, peak_memory
from upbench.records.statistics import geometric_mean
from upbench.report.evidence import Evidence

Verdict = Literal["holds", "holds in part", "does not hold", "not measured"]

LITTLE = 1.10
"""A factor below which a difference counts as little."""


@dataclass(frozen=True)
class Claim:
    """A claim and what this run says to it.

    Attributes:
        text: the claim as it is usually put.
        label: the same for one line of a terminal.
        verdict: of this run.
        gist: the one figure behind the verdict.
        figures: a sentence or two with all of them.
        open: what this run cannot say, or what must be known to read the figures.
    """

    text: str
    label: str
    verdict: Verdict = "not measured"
    gist: str = "its upsamplers were not measured side by side"
    figures: str = "Its upsamplers were not measured side by side in this run."
    open: str = ""


UPSAMPLE_LAST = Claim(
    "Convolving at low resolution and upsampling last costs less than upsampling first.",
    "Upsampling last costs less than first",
    open="Whether it also recovers more high-frequency detail as training goes on was not measured here.",
)
FOUR_SMALL_KERNELS = Claim(
    "A 4×4 stride-2 transposed convolution is four 2×2 convolutions plus periodic shuffling.",
    "Transposed 4×4 is four 2×2 + shuffle",
    open="Cutting the small kernels from the large one at every call is in their time.",
)
LITTLE_DIFFERENCE = Claim(
    "PixelShuffle differs little from the others in quality, memory and speed.",
    "PixelShuffle differs little",
    open="Quality was not measured here.",
)


def judge_claims(evidence: Evidence) -> list[Claim]:
    """Judge the claims that latency, memory and FLOPs can settle."""
    return [_upsample_last(evidence), _four_small_kernels(evidence), _little_difference(evidence)]


def _upsample_last(evidence: Evidence) -> Claim:
    pairs = _pairs(evidence, "pre_upsampling", "post_upsampling")
    if not pairs:
        return UPSAMPLE_LAST
    latency = _latency_ratios(evidence, pairs)
    flops = _ratios(pairs, lambda record: record.quantities["flops"])
    sure = sum(_surely_longer(evidence, first, last) for first, last in pairs)
    return replace(
        UPSAMPLE_LAST,
        verdict="holds" if sure == len(pairs) else "holds in part" if sure else "does not hold",
        gist=f"first takes {_range(latency)} times as long",
        figures=f"Upsampling first takes {_range(latency)} times as long (geometric mean "
        f"{geometric_mean(latency):.1f}), {_range(flops)} times the FLOPs and "
        f"{_range(_ratios(pairs, peak_memory))} times the peak memory; surely slower in {sure} of {len(pairs)} cells.",
    )


def _four_small_kernels(evidence: Evidence) -> Claim:
    pairs = _pairs(evidence, "transposed_phases", "transposed")
    if not pairs:
        return FOUR_SMALL_KERNELS
    error = max(record.quantities["definition_error"] for pair in pairs for record in pair)
    latency = _latency_ratios(evidence, pairs)
    slower = sum(_surely_longer(evidence, phases, whole) for phases, whole in pairs)
    faster = sum(_surely_longer(evidence, whole, phases) for phases, whole in pairs)
    return replace(
        FOUR_SMALL_KERNELS,
        # Every record with a latency has passed the comparison with its definition, so that the outputs are equal.
        verdict="holds",
        gist=f"same output; the small kernels take {_range(latency, 2)} times as long",
        figures=f"Both forms, with the same weights, agree with the definition to {error:.0e} of the largest output, "
        f"for k = 2s at every scale measured. The small kernels take {_range(latency, 2)} times as long, surely less "
        f"in {faster} and surely more in {slower} of {len(pairs)} cells.",
    )


def _little_difference(evidence: Evidence) -> Claim:
    usual = [name for name in evidence.operators if evidence.usual_name(name) == name]
    rivals = [name for name in usual if evidence.cards[name]["family"] != "subpixel"]
    pairs = [pair for name in rivals for pair in _pairs(evidence, name, "subpixel")]
    if not pairs:
        return LITTLE_DIFFERENCE
    latency = _latency_ratios(evidence, pairs)
    memory = _ratios(pairs, peak_memory)
    latency_apart = sum(_surely_apart(evidence, other, shuffle) for other, shuffle in pairs)
    memory_apart = sum(not 1 / LITTLE <= ratio <= LITTLE for ratio in memory)
    shares = (latency_apart / len(pairs), memory_apart / max(1, len(memory)))
    return replace(
        LITTLE_DIFFERENCE,
        verdict="does not hold" if min(shares) > 0.5 else "holds in part" if max(shares) > 0.05 else "holds",
        gist=f"others: {_range(latency, 2)} times the latency, {_range(memory, 2)} times the memory",
        figures=f"Against one-stage sub-pixel convolution the others take {_range(latency, 2)} times as long and "
        f"{_range(memory, 2)} times the peak memory; latency is surely more than {LITTLE - 1:.0%} apart in "
        f"{latency_apart} of {len(pairs)} comparisons, memory in {memory_apart} of {len(memory)}.",
    )


def _pairs(evidence: Evidence, a: str, b: str) -> list[tuple[Record, Record]]:
    """The records of two upsamplers from every cell in which both have a latency that can be trusted."""
    pairs = []
    for cell in dict.fromkeys(record.case.cell for record in evidence.records):
        in_cell = evidence.in_cell(cell)
        if all(name in in_cell and in_cell[name].outcome == "ok" for name in (a, b)):
            pairs.append((in_cell[a], in_cell[b]))
    return pairs


def _ratios(pairs: Sequence[tuple[Record, Record]], measure: Callable[[Record], float | None]) -> list[float]:
    values = [(measure(a), measure(b)) for a, b in pairs]
    return [a / b for a, b in values if a is not None and b]


def _latency_ratios(evidence: Evidence, pairs: Sequence[tuple[Record, Record]]) -> list[float]:
    return [found.ratio.estimate for a, b in pairs if (found := evidence.compare(a, b)) is not None]


def _surely_longer(evidence: Evidence, a: Record, b: Record) -> bool:
    comparison = evidence.compare(a, b)
    return comparison is not None and comparison.ratio.low > 1


def _surely_apart(evidence: Evidence, a: Record, b: Record) -> bool:
    comparison = evidence.compare(a, b)
    return comparison is not None and (comparison.ratio.low > LITTLE or comparison.ratio.high < 1 / LITTLE)


def _range(values: Sequence[float], digits: int = 1) -> str:
    if not values:
        return "an unknown number of"
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"
