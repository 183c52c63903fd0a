"""Claim 4: PixelShuffle differs little from the others in quality, memory and speed."""

from __future__ import annotations

from dataclasses import dataclass

from upbench.records.quality_run import QualityRun
from upbench.records.quality_statistics import in_league, paired_difference
from upbench.records.record import peak_memory
from upbench.records.statistics import Interval
from upbench.report.claims.claim import Claim, Effect, Exhibits, Judgement, VerdictKind
from upbench.report.claims.pairs import latency_ratios, pairs_of, ratios, span
from upbench.report.evidence import Evidence
from upbench.wording import Message, alternatives, listed, say, sentences

TENTH = Effect(
    1.10,
    say(
        "a factor of 1.1, in time what link order and the size of the environment variables can do to the same "
        "code (Mytkowicz et al., ASPLOS 2009), and in memory the same"
    ),
)
DECIBEL = Effect(
    0.1,
    say("0.1 dB of PSNR: what EDSR gains from eight turned and mirrored passes, averaged (Lim et al., 2017)"),
)
SHUFFLE, SHUFFLES = "subpixel", "subpixel"
"""The upsampler that the claim is about, and the family of those that are one as well."""

ASPECTS = 3

MOST, NEARLY_ALL = 0.5, 0.95
"""Shares of the comparisons: where more than the first are apart they differ, where the second are near, little."""


@dataclass(frozen=True)
class _Aspect:
    """One of the three: how many comparisons are surely apart by an effect that matters, surely not, and in all."""

    name: Message
    apart: int
    near: int
    of: int
    gist: Message
    figures: Message

    @property
    def little(self) -> bool:
        """Whether hardly any differs."""
        return self.near >= NEARLY_ALL * self.of

    @property
    def much(self) -> bool:
        """Whether most differ."""
        return self.apart > MOST * self.of

    @property
    def vague(self) -> bool:
        """Whether most may differ or not."""
        return self.of - self.apart - self.near > MOST * self.of


def _judge(exhibits: Exhibits) -> Judgement | None:
    aspects = [
        *(_cost(exhibits.evidence) if exhibits.evidence else []),
        *(_quality(exhibits.quality) if exhibits.quality else []),
    ]
    if not aspects:
        return None
    kind, condition = _verdict(aspects, whole=len(aspects) == ASPECTS)
    known = {str(each.name) for each in aspects}
    missing = None
    if "quality" not in known:
        missing = say("Quality was not measured here.")
    elif "speed" not in known:
        missing = say("Speed and memory were not measured here.")
    elif any(each.vague for each in aspects):
        vague = alternatives([each.name for each in aspects if each.vague])
        missing = say("Most differences in {aspects} may matter or not.", aspects=vague)
    return Judgement(
        kind,
        gist=listed([each.gist for each in aspects]),
        figures=sentences([each.figures for each in aspects]),
        condition=condition,
        open=missing,
    )


def _verdict(aspects: list[_Aspect], whole: bool) -> tuple[VerdictKind, Message | None]:
    """Of a claim about all three: it fails where any mostly differs, but for those of which it holds."""
    little = [each for each in aspects if each.little]
    if whole and len(little) == len(aspects):
        return "holds", None
    if little:
        names = alternatives([each.name for each in little])
        if all(each.little or each.much for each in aspects):
            return "holds only when", say("{aspects} is meant", aspects=names)
        return "holds only when", say("{aspects} is meant, as far as this run can tell", aspects=names)
    if any(each.much for each in aspects):
        return "does not hold", None
    if any(each.apart for each in aspects) and any(each.near for each in aspects):
        return "holds only when", say("the others are chosen with care: some differ and some do not")
    return "not enough evidence", None


def _cost(evidence: Evidence) -> list[_Aspect]:
    usual = [name for name in evidence.operators if evidence.usual_name(name) == name]
    rivals = [name for name in usual if evidence.cards[name]["family"] != SHUFFLES]
    pairs = [pair for name in rivals for pair in pairs_of(evidence, name, SHUFFLE)]
    if not pairs:
        return []
    latency, memory = latency_ratios(evidence, pairs), ratios(pairs, peak_memory)
    compared = [found.ratio for a, b in pairs if (found := evidence.compare(a, b)) is not None]
    slow = sum(ratio.low > TENTH.size or ratio.high < 1 / TENTH.size for ratio in compared)
    alike = sum(1 / TENTH.size <= ratio.low and ratio.high <= TENTH.size for ratio in compared)
    apart = sum(not 1 / TENTH.size <= ratio <= TENTH.size for ratio in memory)
    return [
        _Aspect(
            say("speed"), slow, alike, len(pairs),
            say("others: {latency} times the latency", latency=span(latency, 2)),
            say(
                "Against one-stage sub-pixel convolution the others take {latency} times as long, surely more than "
                "10 % apart in {apart} of {all} comparisons.",
                latency=span(latency, 2), apart=slow, all=len(pairs),
            ),
        ),
        _Aspect(
            say("memory"), apart, len(memory) - apart, len(memory),
            say("{memory} times the memory", memory=span(memory, 2)),
            say(
                "They take {memory} times the peak memory, more than 10 % apart in {apart} of {all}.",
                memory=span(memory, 2), apart=apart, all=len(memory),
            ),
        ),
    ]  # fmt: skip


def _quality(run: QualityRun) -> list[_Aspect]:
    found = [difference for scale in sorted({each.scale for each in run.contestants}) for difference in _of(run, scale)]
    if not found:
        return []
    apart = sum(each.low > DECIBEL.size or each.high < -DECIBEL.size for each in found)
    near = sum(-DECIBEL.size <= each.low and each.high <= DECIBEL.size for each in found)
    differ = span([each.estimate for each in found], 2)
    return [
        _Aspect(
            say("quality"), apart, near, len(found),
            say("{differ} dB of PSNR", differ=differ),
            say(
                "The PSNR of networks that differ in the upsampler alone, trained alike, less that of the one "
                "with sub-pixel convolution is {differ} dB, surely more than 0.1 dB apart in {apart} of {all} "
                "comparisons and surely less in {near}.",
                differ=differ, apart=apart, near=near, all=len(found),
            ),
        )
    ]  # fmt: skip


def _of(run: QualityRun, scale: int) -> list[Interval]:
    """How much more PSNR each network of another family has, as practised."""
    ours = in_league(run, SHUFFLE, scale, "as practised")
    rivals = [
        each
        for each in run.contestants
        if (each.scale, each.league, each.placement) == (scale, "as practised", "inside")
        and run.cards[each.upsampler].get("family") != SHUFFLES
    ]
    differences = [paired_difference(run, rival.id, ours.id, "psnr") for rival in rivals] if ours else []
    return [each for each in differences if each is not None]


LITTLE_DIFFERENCE = Claim(
    name="little-difference",
    text=say("PixelShuffle differs little from the others in quality, memory and speed."),
    label=say("PixelShuffle differs little"),
    source=say("a widely read post, which does not say on what machine, network or data"),
    needs=say(
        "sub-pixel convolution and others timed in one cell, and networks trained with each, with two seeds at least"
    ),
    effects=(TENTH, DECIBEL),
    rule=_judge,
)
