"""The field's folklore, one claim a file, and what measurements say to it.

A claim is an object: what it says, what it takes to judge it, which differences matter in practice, and a rule. A new
one is a file with one more of them and its place in :data:`CLAIMS`. A rule reads records and decides; it draws nothing.
"""

from __future__ import annotations

from dataclasses import replace

from upbench.report.claims.claim import Claim, Effect, Exhibits, JudgedClaim, Judgement
from upbench.report.claims.four_small_kernels import FOUR_SMALL_KERNELS
from upbench.report.claims.little_difference import LITTLE_DIFFERENCE
from upbench.report.claims.uneven_overlap import UNEVEN_OVERLAP
from upbench.report.claims.upsample_last import UPSAMPLE_LAST

CLAIMS: tuple[Claim, ...] = (UPSAMPLE_LAST, FOUR_SMALL_KERNELS, UNEVEN_OVERLAP, LITTLE_DIFFERENCE)


def judge_claims(exhibits: Exhibits, reference: Exhibits | None = None) -> list[JudgedClaim]:
    """Judge every claim; where it remains undecided, with the verdict of the committed reference beside it.

    Args:
        exhibits: of this run.
        reference: of a run that took the time; only its own verdicts are shown, never its figures as this run's.
    """
    judged = [claim.judge(exhibits) for claim in CLAIMS]
    if reference is None:
        return judged
    beside = [claim.judge(reference).judgement for claim in CLAIMS]
    return [
        replace(own, reference=other) if own.judgement.undecided and other.kind != "not enough evidence" else own
        for own, other in zip(judged, beside, strict=True)
    ]


__all__ = ["CLAIMS", "Claim", "Effect", "Exhibits", "JudgedClaim", "Judgement", "judge_claims"]
