"""What this run says to the field's folklore: each claim with a verdict, the figures behind it, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.record import Record
from bench.report.evidence import Evidence, compare_records, peak_memory
from bench.statistics import geometric_mean

Verdict = Literal["holds", "holds in part", "does not hold", "not measured"]

LITTLE = 1.10
"""A factor below which a difference counts as little."""


@dataclass(frozen=True)
class Claim:
    """A claim, the verdict of this run, one sentence of figures, and what this run cannot say."""

    number: int
    text: str
    verdict: Verdict
    figures: str
    open: str = ""


def judge_claims(evidence: Evidence) -> list[Claim]:
    """Judge the claims that latency, memory and FLOPs can settle."""
    return [_upsample_last(evidence), _four_small_kernels(evidence), _little_difference(evidence)]


def _upsample_last(evidence: Evidence) -> Claim:
    text = "Convolving at low resolution and upsampling last costs less than upsampling first."
    open_ = "Whether it also recovers more high-frequency detail as training goes on was not measured here."
    pairs = _pairs(evidence, "pre_upsampling", "post_upsampling")
    if not pairs:
        return Claim(1, text, "not measured", "The two network orders were not both measured.", open_)
    latency = [first.quantities["latency_s"] / last.quantities["latency_s"] for first, last in pairs]
    sure = sum(_surely_longer(first, last) for first, last in pairs)
    verdict: Verdict = "holds" if sure == len(pairs) else "holds in part" if sure else "does not hold"
    figures = (
        f"Upsampling first takes {_range(latency)} times as long (geometric mean {geometric_mean(latency):.1f}), "
        f"{_range(_ratios(pairs, lambda r: r.quantities['flops']))} times the FLOPs and "
        f"{_range(_ratios(pairs, peak_memory))} times the peak memory; surely slower in {sure} of {len(pairs)} cells."
    )
    return Claim(1, text, verdict, figures, open_)


def _four_small_kernels(evidence: Evidence) -> Claim:
    text = "A 4×4 stride-2 transposed convolution is four 2×2 convolutions plus periodic shuffling."
    pairs = _pairs(evidence, "transposed_phases", "transposed")
    if not pairs:
        return Claim(2, text, "not measured", "The two forms were not both measured.")
    error = max(record.quantities["definition_error"] for pair in pairs for record in pair)
    latency = [phases.quantities["latency_s"] / whole.quantities["latency_s"] for phases, whole in pairs]
    slower = sum(_surely_longer(phases, whole) for phases, whole in pairs)
    faster = sum(_surely_longer(whole, phases) for phases, whole in pairs)
    # Every measured record has passed the comparison with its definition, so that the outputs are equal.
    figures = (
        f"Both forms, with the same weights, agree with the definition to {error:.0e} of the largest output, for k = 2s"
        f" at every scale measured. Which is faster depends: the small kernels take {_range(latency, 2)} times as "
        f"long, surely less in {faster} and surely more in {slower} of {len(pairs)} cells."
    )
    return Claim(2, text, "holds", figures)


def _little_difference(evidence: Evidence) -> Claim:
    text = "PixelShuffle differs little from the others in quality, memory and speed."
    open_ = "Quality was not measured here."
    rivals = [name for name in evidence.operators if evidence.cards[name]["family"] != "subpixel"]
    pairs = [pair for name in rivals for pair in _pairs(evidence, name, "subpixel")]
    if not pairs:
        return Claim(4, text, "not measured", "Sub-pixel convolution was not measured beside others.", open_)
    latency = [other.quantities["latency_s"] / shuffle.quantities["latency_s"] for other, shuffle in pairs]
    memory = _ratios(pairs, peak_memory)
    fast_apart = sum(_surely_apart(other, shuffle) for other, shuffle in pairs)
    memory_apart = sum(not 1 / LITTLE <= ratio <= LITTLE for ratio in memory)
    apart = (fast_apart / len(pairs), memory_apart / max(1, len(memory)))
    verdict: Verdict = "does not hold" if min(apart) > 0.5 else "holds in part" if max(apart) > 0.05 else "holds"
    figures = (
        f"Against one-stage sub-pixel convolution the others take {_range(latency, 2)} times as long and "
        f"{_range(memory, 2)} times the peak memory; latency is surely more than {LITTLE - 1:.0%} apart in "
        f"{fast_apart} of {len(pairs)} comparisons, memory in {memory_apart} of {len(memory)}."
    )
    return Claim(4, text, verdict, figures, open_)


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


def _surely_longer(a: Record, b: Record) -> bool:
    comparison = compare_records(a, b)
    return comparison is not None and comparison.ratio.low > 1


def _surely_apart(a: Record, b: Record) -> bool:
    comparison = compare_records(a, b)
    return comparison is not None and (comparison.ratio.low > LITTLE or comparison.ratio.high < 1 / LITTLE)


def _range(values: Sequence[float], digits: int = 1) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"
