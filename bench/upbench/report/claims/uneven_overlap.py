"""Claim 3: overlap is uneven when the stride does not divide the kernel, and training removes that only partly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean

from upbench.records.quality_run import Contestant, QualityRun
from upbench.records.quality_statistics import at_the_end, mean_of
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


def _judge(exhibits: Exhibits) -> Judgement | None:
    run = exhibits.quality
    if run is None:
        return None
    last = [each for each in run.contestants if each.placement == "last" and "kernel_size" in each.options]
    uneven = [each for each in last if each.options["kernel_size"] % each.scale]
    even = [each for each in last if not each.options["kernel_size"] % each.scale]
    spreads = {group: _spreads(run, own) for group, own in (("uneven", uneven), ("even", even))}
    if not all(start and end for start, end in spreads.values()):
        return None
    (start, end), (even_start, even_end) = spreads["uneven"], spreads["even"]
    appears, stays = mean(start) > VISIBLE.size, mean(end) > VISIBLE.size
    kind, condition = _verdict(appears, stays)
    return Judgement(
        kind,
        gist=say("phases {start} apart before training, {end} after", start=_percent(start), end=_percent(end)),
        figures=say(
            "{counts}. On a flat surface the phases of kernels that the stride does not divide lie {start} apart "
            "with random weights and {end} after training, those of kernels that it divides {even_start} and "
            "{even_end}: random weights are uneven either way. Spectral peaks on held-out images fall from {peaks} to "
            "{peaks_end} dB, and from {even_peaks} to {even_peaks_end} dB; bicubic interpolation has {control} dB.",
            counts=_counts(uneven),
            start=_percent(start), end=_percent(end), even_start=_percent(even_start), even_end=_percent(even_end),
            peaks=_peaks(run, uneven, START), peaks_end=_peaks(run, uneven),
            even_peaks=_peaks(run, even, START), even_peaks_end=_peaks(run, even), control=_control(run),
        ),
        condition=condition,
        open=say("Of networks that learn to reproduce images; those that learn from an adversary were not trained."),
    )  # fmt: skip


def _verdict(appears: bool, stays: bool) -> tuple[VerdictKind, Message | None]:
    if appears and stays:
        return "holds", None
    if appears:
        return "holds only when", say("the network is untrained")
    return "does not hold", None


def _spreads(run: QualityRun, contestants: Iterable[Contestant]) -> tuple[list[float], list[float]]:
    """The phase gain spread of every training, before it and after it."""
    ids = [each.id for each in contestants]
    before, after = (
        [value for id in ids for value in at_the_end(run, id, "gain_spread", step).values()] for step in (START, -1)
    )
    return before, after


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
    needs=say("networks trained with kernels that the stride divides, and with others"),
    effects=(VISIBLE,),
    rule=_judge,
)
