"""What a claim is: a statement of the field, what it takes to judge it, and the rule by which it is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from upbench.records.quality_run import QualityRun
from upbench.report.evidence import Evidence
from upbench.wording import Message, say, sentences

VerdictKind = Literal["holds", "does not hold", "holds only when", "not enough evidence"]

VERDICTS: dict[VerdictKind, Message] = {
    "holds": say("holds"),
    "does not hold": say("does not hold"),
    "not enough evidence": say("not enough evidence"),
}


@dataclass(frozen=True)
class Exhibits:
    """Everything that a rule may look at; None where it was not measured."""

    evidence: Evidence | None = None
    quality: QualityRun | None = None


@dataclass(frozen=True)
class Effect:
    """A difference that matters in practice.

    Attributes:
        size: in the unit of what is compared.
        meaning: what it is, with the source that it is taken from.
    """

    size: float
    meaning: Message


@dataclass(frozen=True)
class Judgement:
    """What a rule found.

    Attributes:
        kind: of the verdict.
        gist: the one figure behind it.
        figures: a sentence or two with all of them.
        condition: with ``holds only when``, when.
        open: what this run could not say, which a reference may.
        caveat: what must be known to read the figures.
    """

    kind: VerdictKind
    gist: Message
    figures: Message
    condition: Message | None = None
    open: Message | None = None
    caveat: Message | None = None

    @property
    def undecided(self) -> bool:
        """Whether the claim, or a part of it, remains open."""
        return self.kind == "not enough evidence" or self.open is not None

    @property
    def verdict(self) -> Message:
        """The verdict in words."""
        if self.kind == "holds only when":
            assert self.condition is not None
            return say("holds only when {condition}", condition=self.condition)
        return VERDICTS[self.kind]


@dataclass(frozen=True)
class Claim:
    """A claim of the field, as an object: a new one is one more of these.

    Attributes:
        name: short, for links.
        text: as it is usually put.
        label: the same for one line of a terminal.
        source: who says it.
        needs: what has to be measured to judge it.
        effects: the differences that matter in practice, which the rule goes by.
        rule: judges; None where what it needs is not there.
    """

    name: str
    text: Message
    label: Message
    source: Message
    needs: Message
    effects: tuple[Effect, ...]
    rule: Callable[[Exhibits], Judgement | None]

    def judge(self, exhibits: Exhibits) -> JudgedClaim:
        """The claim with its verdict on these exhibits."""
        return JudgedClaim(self, self.rule(exhibits) or self._unjudged())

    def _unjudged(self) -> Judgement:
        return Judgement(
            "not enough evidence",
            gist=say("this run has measured too little of it"),
            figures=say(
                "This run has not measured what the claim is about, or too little of it. It takes {needs}.",
                needs=self.needs,
            ),
        )


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its verdict, and with that of a committed reference where the own run could not decide."""

    claim: Claim
    judgement: Judgement
    reference: Judgement | None = None

    @property
    def line(self) -> Message:
        """For a terminal: what, the verdict, and the one figure behind it; and what the reference says."""
        own = say(
            "{claim}: {verdict} ({gist}).",
            claim=self.claim.label,
            verdict=self.judgement.verdict,
            gist=self.judgement.gist,
        )
        if self.reference is None:
            return own
        cited = say("The reference: {verdict} ({gist}).", verdict=self.reference.verdict, gist=self.reference.gist)
        return sentences([own, cited])
