"""Claim 3: overlap is uneven when the stride does not divide the kernel, and training removes that only partly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from upbench.records.quality_run import Contestant, QualityRun
from upbench.records.quality_statistics import at_the_end, crossed_interval, mean_of
from upbench.records.statistics import Interval
from upbench.report.claims.claim import Claim, Effect, Exhibits, Judgement, VerdictKind
from upbench.report.claims.pairs import span
from upbench.wording import Message, say

VISIBLE = Effect(
    0.005,
    say(
        "phases of a flat surface that lie 0.5 % apart: the least contrast that the eye sees at the pitch that it sees "
        "best (Campbell & Robson, Journal of Physiology, 1968)"
    ),
)
START = 0
CONTROL = "bicubic_matlab"


def overlaps(kernel: int, stride: int) -> list[int]:
    """How many taps of a transposed convolution meet in each output phase along one axis."""
    return [len(range(phase, kernel, stride)) for phase in range(stride)]


@dataclass(frozen=True)
class _Group:
    """Kernels of one kind: the phase gain spread of every training before and after it, and over seeds."""

    before: list[float]
    after: list[float]
    start: Interval
    end: Interval


def _judge(exhibits: Exhibits) -> Judgement | None:
    run = exhibits.quality
    if run is None:
        return None
    last = [each for each in run.contestants if each.placement == "last" and "kernel_size" in each.options]
    uneven = [each for each in last if each.options["kernel_size"] % each.scale]
    even = [each for each in last if not each.options["kernel_size"] % each.scale]
    groups = [_group(run, own) for own in (uneven, even)]
    if groups[0] is None or groups[1] is None:
        return None
    kind, condition = _verdict(groups[0], groups[1])
    spans = [_percent(values) for group in (groups[0], groups[1]) for values in (group.before, group.after)]
    return Judgement(
        kind,
        gist=say("phases {start} apart before training, {end} after", start=spans[0], end=spans[1]),
        figures=say(
            "{counts}. On a flat surface the phases of kernels that the stride does not divide lie {start} apart "
            "with random weights and {end} after training, those of kernels that it divides {even_start} and "
            "{even_end}. Spectral peaks on held-out images fall from {peaks} to {peaks_end} dB, and from {even_peaks} "
            "to {even_peaks_end} dB; bicubic interpolation has {control} dB.",
            counts=_counts(uneven),
            start=spans[0], end=spans[1], even_start=spans[2], even_end=spans[3],
            peaks=_peaks(run, uneven, START), peaks_end=_peaks(run, uneven),
            even_peaks=_peaks(run, even, START), even_peaks_end=_peaks(run, even), control=_control(run),
        ),
        condition=condition,
        caveat=say("Of networks that learn to reproduce images; those that learn from an adversary were not trained."),
    )  # fmt: skip


def _verdict(uneven: _Group, even: _Group) -> tuple[VerdictKind, Message | None]:
    """It must be seen before training and after it, be less after it, and be more than where the stride divides."""
    if uneven.start.high < VISIBLE.size:
        return "does not hold", None
    if uneven.start.low > VISIBLE.size and uneven.end.high < VISIBLE.size:
        return "holds only when", say("the network is untrained")
    if uneven.end.low > uneven.start.high:
        return "does not hold", None
    seen = uneven.start.low > VISIBLE.size and uneven.end.low > VISIBLE.size and uneven.end.high < uneven.start.low
    if seen and uneven.end.low > even.end.high:
        return "holds", None
    if seen and even.end.low > VISIBLE.size:
        return "holds only when", say("kernels that the stride divides are meant as well")
    return "not enough evidence", None


def _group(run: QualityRun, contestants: Sequence[Contestant]) -> _Group | None:
    """None where fewer than two seeds were trained."""
    looks = [
        [
            (seed, value)
            for each in contestants
            for (seed, _), value in at_the_end(run, each.id, "gain_spread", step).items()
        ]
        for step in (START, -1)
    ]
    seeds = sorted(set.intersection(*({seed for seed, _ in look} for look in looks)))
    if len(seeds) < 2:
        return None
    before, after = ([value for _, value in look] for look in looks)
    start, end = (
        crossed_interval(np.array([[mean(value for own, value in look if own == seed)] for seed in seeds]))
        for look in looks
    )
    assert start is not None
    assert end is not None
    return _Group(before, after, start, end)


def _counts(contestants: Sequence[Contestant]) -> Message:
    kernel, stride = contestants[0].options["kernel_size"], contestants[0].scale
    along = overlaps(kernel, stride)
    return say(
        "With a kernel of {kernel} and a stride of {stride}, {fewest} to {most} taps meet in an output pixel along an "
        "axis",
        kernel=kernel,
        stride=stride,
        fewest=min(along),
        most=max(along),
    )


def _percent(values: Sequence[float]) -> Message:
    return say("{span} %", span=span([100 * value for value in values], 1 if max(values) > VISIBLE.size else 2))


def _peaks(run: QualityRun, contestants: Iterable[Contestant], step: int = -1) -> str:
    found = [value for each in contestants if (value := mean_of(run, each.id, "spectral_peaks", step)) is not None]
    return f"{mean(found):.0f}" if found else "–"


def _control(run: QualityRun) -> str:
    found = [each for each in run.contestants if each.upsampler == CONTROL and each.scale == 2]
    value = mean_of(run, found[0].id, "spectral_peaks") if found else None
    return "–" if value is None else f"{value:.0f}"


UNEVEN_OVERLAP = Claim(
    name="uneven-overlap",
    text=say(
        "Uneven overlap appears when the kernel of a transposed convolution is not divisible by its stride, and "
        "training only partly removes it."
    ),
    label=say("Uneven overlap outlives training"),
    source=say("Odena et al., Distill 2016"),
    needs=say("networks trained with kernels that the stride divides, and with others, with two seeds at least"),
    effects=(VISIBLE,),
    rule=_judge,
)
