"""Claim 1: convolving at low resolution, upsampling last, costs less, and recovers more detail as training goes on."""

from __future__ import annotations

from dataclasses import dataclass

from upbench.records.quality_run import Contestant, QualityRun
from upbench.records.quality_statistics import in_league, mean_of, paired_difference
from upbench.records.record import peak_memory
from upbench.records.statistics import geometric_mean
from upbench.report.claims.claim import Claim, Effect, Exhibits, Judgement, VerdictKind
from upbench.report.claims.pairs import latency_ratios, pairs_of, ratios, span, surely_longer
from upbench.report.evidence import Evidence
from upbench.wording import Message, say, sentences, series

DETAIL = Effect(
    10**0.01 - 1,
    say(
        "2.3 % of the high-frequency error: 0.1 dB, what EDSR gains from eight turned and mirrored passes, "
        "averaged (Lim et al., 2017)"
    ),
)
FIRST, LAST = "pre_upsampling", "subpixel"


@dataclass(frozen=True)
class _Half:
    """One half of the claim: whether it holds, None where that cannot be said, and its figures."""

    holds: bool | None
    gist: Message
    figures: Message


def _judge(exhibits: Exhibits) -> Judgement | None:
    cost = _cost(exhibits.evidence) if exhibits.evidence else None
    detail = _detail(exhibits.quality) if exhibits.quality else None
    halves = [half for half in (cost, detail) if half is not None]
    if not halves:
        return None
    kind, condition = _verdict(cost.holds if cost else None, detail.holds if detail else None)
    missing = None
    if cost is None:
        missing = say("What it costs was not measured here.")
    elif detail is None:
        missing = say("Whether it also recovers more high-frequency detail as training goes on was not measured here.")
    elif detail.holds is None:
        missing = say("Whether it recovers more is not certain: the images and seeds disagree.")
    return Judgement(
        kind,
        gist=series([half.gist for half in halves]),
        figures=sentences([half.figures for half in halves]),
        condition=condition,
        open=missing,
    )


def _verdict(cost: bool | None, detail: bool | None) -> tuple[VerdictKind, Message | None]:
    """Both halves decide; with one alone the claim holds only for that one."""
    if cost and detail:
        return "holds", None
    if cost:
        only = say("its cost is meant") if detail is False else say("its cost is meant, as far as this run can tell")
        return "holds only when", only
    if detail:
        return "holds only when", say("the recovered detail is meant")
    return ("not enough evidence" if cost is None or detail is None else "does not hold"), None


def _cost(evidence: Evidence) -> _Half | None:
    pairs = pairs_of(evidence, FIRST, "post_upsampling")
    if not pairs:
        return None
    latency = latency_ratios(evidence, pairs)
    sure = sum(surely_longer(evidence, first, last) for first, last in pairs)
    return _Half(
        sure == len(pairs),
        say("first takes {latency} times as long", latency=span(latency)),
        say(
            "Upsampling first takes {latency} times as long (geometric mean {mean}), {flops} times the FLOPs and "
            "{memory} times the peak memory; surely slower in {sure} of {all} cells.",
            latency=span(latency),
            mean=f"{geometric_mean(latency):.1f}" if latency else "–",
            flops=span(ratios(pairs, lambda record: record.quantities["flops"])),
            memory=span(ratios(pairs, peak_memory)),
            sure=sure,
            all=len(pairs),
        ),
    )


def _detail(run: QualityRun) -> _Half | None:
    """Against the same backbone, and against one made so narrow that it takes as many FLOPs; the end is judged."""
    found = [
        compared
        for scale in sorted({each.scale for each in run.contestants})
        for league in ("as practised", "equal FLOPs")
        if (
            compared := _compare(run, in_league(run, FIRST, scale, league), in_league(run, LAST, scale, "as practised"))
        )
    ]
    if not found:
        return None
    more = sum(each.more for each in found)
    less = sum(each.less for each in found)
    alike = all(each.near for each in found)
    holds = True if more == len(found) else False if less or alike else None
    return _Half(
        holds,
        say("last recovers more detail in {more} of {all} comparisons", more=more, all=len(found)),
        sentences([
            say(
                "Upsampling last has surely less high-frequency error, by enough to matter, in {more} of {all} "
                "comparisons, and surely more in {less}:",
                more=more, less=less, all=len(found),
            ),
            *(each.sentence for each in found),
        ]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Compared:
    """Whether the last one's error is surely lower by a share that matters, surely higher, or surely neither."""

    more: bool
    less: bool
    near: bool
    sentence: Message


def _compare(run: QualityRun, first: Contestant | None, last: Contestant | None) -> _Compared | None:
    if first is None or last is None or first.id == last.id:
        return None
    difference = paired_difference(run, first.id, last.id, "high_frequency")
    ours = mean_of(run, last.id, "high_frequency")
    theirs = mean_of(run, first.id, "high_frequency")
    if difference is None or ours is None or theirs is None:
        return None
    matters = DETAIL.size * ours
    early, step = _early(run, first.id)
    return _Compared(
        more=difference.low > matters,
        less=difference.high < -matters,
        near=-matters <= difference.low and difference.high <= matters,
        sentence=say(
            "×{scale}, {league}: {early} first against {early_last} last at {step} steps, {first} against {last} at "
            "the end (95 % interval of the difference {low} to {high}).",
            scale=first.scale,
            league=say("the same backbone") if first.league == "as practised" else say("equal FLOPs"),
            step=step,
            early=_figure(mean_of(run, first.id, "high_frequency", early)),
            early_last=_figure(mean_of(run, last.id, "high_frequency", early)),
            first=_figure(theirs),
            last=_figure(ours),
            low=f"{difference.low:+.3f}",
            high=f"{difference.high:+.3f}",
        ),
    )


def _early(run: QualityRun, id: str) -> tuple[int, int]:
    """A look while the network still learns, by its index and its step: a quarter of the training, if there was one."""
    steps = next(each.steps for each in run.trainings if each.contestant == id and each.steps)
    index = max(0, len(steps) - 3)
    return index, steps[index]


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


UPSAMPLE_LAST = Claim(
    name="upsample-last",
    text=say(
        "Convolving at low resolution and upsampling last costs less than upsampling first, and recovers more "
        "high-frequency detail as training goes on."
    ),
    label=say("Upsampling last costs less and recovers more"),
    source=say("Shi et al. (ESPCN), CVPR 2016"),
    needs=say("both kinds of networks timed in one cell, and both trained with two seeds at least"),
    effects=(DETAIL,),
    rule=_judge,
)
