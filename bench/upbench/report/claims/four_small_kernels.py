"""Claim 2: a 4×4 stride-2 transposed convolution is four 2×2 convolutions plus periodic shuffling."""

from __future__ import annotations

from upbench.report.claims.claim import Claim, Effect, Exhibits, Judgement
from upbench.report.claims.pairs import latency_ratios, pairs_of, span, surely_longer
from upbench.wording import say

ROUNDING = Effect(1e-4, say("an output that differs by more than a ten-thousandth of its largest value is another one"))


EXACT_ENOUGH = ("float32", "float64")


def _judge(exhibits: Exhibits) -> Judgement | None:
    evidence = exhibits.evidence
    both = pairs_of(evidence, "transposed_phases", "transposed") if evidence else []
    # Numbers of 16 bits differ by more than another order of the same sums.
    pairs = [
        pair
        for pair in both
        if pair[0].case.cell.dtype in EXACT_ENOUGH
        and all(record.quantities["definition_error"] is not None for record in pair)
    ]
    if evidence is None or not pairs:
        return None
    error = max(record.quantities["definition_error"] for pair in pairs for record in pair)
    latency = latency_ratios(evidence, pairs)
    slower = sum(surely_longer(evidence, phases, whole) for phases, whole in pairs)
    faster = sum(surely_longer(evidence, whole, phases) for phases, whole in pairs)
    same = error < ROUNDING.size
    output = say("same output") if same else say("outputs differ by {error} of the largest", error=f"{error:.0e}")
    return Judgement(
        "holds" if same else "does not hold",
        gist=say("{output}; the small kernels take {latency} times as long", output=output, latency=span(latency, 2)),
        figures=say(
            "Both forms, with the same weights, differ from the definition by at most {error} of the largest output, "
            "for k = 2s at every scale measured. The small kernels take {latency} times as long, surely less in "
            "{faster} and surely more in {slower} of {all} cells.",
            error=f"{error:.0e}",
            latency=span(latency, 2),
            faster=faster,
            slower=slower,
            all=len(pairs),
        ),
        caveat=say("Cutting the small kernels from the large one at every call is in their time."),
    )


FOUR_SMALL_KERNELS = Claim(
    name="four-small-kernels",
    text=say("A 4×4 stride-2 transposed convolution is four 2×2 convolutions plus periodic shuffling."),
    label=say("Transposed 4×4 is four 2×2 + shuffle"),
    source=say("Shi et al., “Is the deconvolution layer the same as a convolutional layer?”, 2016"),
    needs=say("both forms timed in one cell, whose outputs are compared"),
    effects=(ROUNDING,),
    rule=_judge,
)
