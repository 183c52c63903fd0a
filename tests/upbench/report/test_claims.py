"""Claims on figures that are known: each rule's verdicts, and which differences it holds to matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.upbench.synthetic import case, measured, run_of, small_run
from upbench.records.quality_run import Contestant, QualityRun, Training
from upbench.report.claims import CLAIMS, Exhibits, JudgedClaim, judge_claims
from upbench.report.claims.uneven_overlap import overlaps
from upbench.report.evidence import gather

IMAGES = tuple("abcdef")
WOBBLE = (0.01, -0.01, 0.02, -0.02, 0.0, 0.01)
"""What images make of a difference, so that no interval is a point."""


def trained(
    upsampler: str,
    readings: Mapping[str, tuple[float, ...]],
    *,
    league: Any = "as practised",
    placement: Any = "inside",
    wobble: float = 1.0,
    **options: int,
) -> tuple[Contestant, list[Training]]:
    """Two seeds of a network whose meters said these figures on average, at each step."""
    contestant = Contestant(upsampler, 2, league, placement, options, 64)
    rows = {
        name: tuple(tuple(value * (1 + wobble * off / 10) for off in WOBBLE) for value in values)
        for name, values in readings.items()
    }
    steps = tuple(range(len(next(iter(readings.values())))))
    return contestant, [Training(contestant.id, seed, steps, IMAGES, rows) for seed in (0, 1)]


def quality_of(*networks: tuple[Contestant, list[Training]]) -> QualityRun:
    families = {"subpixel": "subpixel", "transposed": "transposed", "nearest_conv": "interpolation"}
    names = dict.fromkeys(contestant.upsampler for contestant, _ in networks)
    return QualityRun(
        tuple(contestant for contestant, _ in networks),
        tuple(training for _, trainings in networks for training in trainings),
        (),
        (),
        {},
        {name: {"title": name, "family": families.get(name, "networks")} for name in names},
        (),
        {},
    )


def judged(name: str, exhibits: Exhibits, reference: Exhibits | None = None) -> JudgedClaim:
    return next(each for each in judge_claims(exhibits, reference) if each.claim.name == name)


def timed() -> Exhibits:
    return Exhibits(gather([small_run()]))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_without_evidence_says_what_it_would_take(claim: Any) -> None:
    found = claim.judge(Exhibits())
    assert found.judgement.kind == "not enough evidence"
    assert str(claim.needs) in str(found.judgement.figures)
    assert str(found.line).startswith(str(claim.label))
    assert all(effect.size > 0 and str(effect.meaning) for effect in claim.effects)


COST = "its cost is meant"


def detail(first: tuple[float, ...], last: tuple[float, ...], wobble: float = 1.0) -> QualityRun:
    return quality_of(
        trained("pre_upsampling", {"high_frequency": first}, placement="first", wobble=wobble),
        trained("subpixel", {"high_frequency": last}),
    )


@pytest.mark.parametrize(
    ("first", "last", "wobble", "verdict"),
    [
        ((1.5, 1.0, 0.9, 0.9), (1.4, 0.9, 0.8, 0.8), 1, "holds"),
        ((1.5, 1.0, 0.9, 0.7), (1.4, 0.9, 0.8, 0.8), 1, "holds only when its cost is meant"),
        # Surely more, but by less than what matters.
        ((1.5, 1.0, 0.9, 0.805), (1.4, 0.9, 0.8, 0.8), 0.01, "holds only when its cost is meant"),
        # It may be more or less.
        ((1.5, 1.0, 0.9, 0.85), (1.4, 0.9, 0.8, 0.8), 100, f"holds only when {COST}, as far as this run can tell"),
    ],
)
def test_upsampling_last_has_to_cost_less_and_to_recover_more(
    first: tuple[float, ...], last: tuple[float, ...], wobble: float, verdict: str
) -> None:
    found = judged("upsample-last", Exhibits(timed().evidence, detail(first, last, wobble)))
    assert str(found.judgement.verdict) == verdict
    assert "4.0 times as long" in str(found.judgement.figures)
    assert f"against {last[-1]:.3f} at the end" in str(found.judgement.figures)


def test_one_half_alone_is_not_the_whole_claim() -> None:
    cost = judged("upsample-last", timed()).judgement
    assert str(cost.verdict) == "holds only when its cost is meant, as far as this run can tell"
    assert "not measured here" in str(cost.open)
    recovered = judged("upsample-last", Exhibits(quality=detail((1.5, 1, 1, 0.9), (1.4, 1, 1, 0.8)))).judgement
    assert str(recovered.verdict) == "holds only when the recovered detail is meant"


def kernels(uneven: tuple[float, float], even: tuple[float, float], seeds: int = 2) -> Exhibits:
    def network(kernel: int, spread: tuple[float, float]) -> tuple[Contestant, list[Training]]:
        contestant = Contestant("transposed", 2, "as practised", "last", {"kernel_size": kernel}, 64)
        rows = {
            "gain_spread": tuple((value,) for value in spread),
            "spectral_peaks": tuple((value,) * len(IMAGES) for value in (50.0, 20.0)),
        }
        return contestant, [Training(contestant.id, seed, (0, 9), IMAGES, rows) for seed in range(seeds)]

    return Exhibits(quality=quality_of(network(3, uneven), network(4, even)))


@pytest.mark.parametrize(
    ("uneven", "even", "verdict"),
    [
        ((0.3, 0.02), (0.3, 0.001), "holds"),
        ((0.3, 0.001), (0.3, 0.001), "holds only when the network is untrained"),
        ((0.001, 0.001), (0.3, 0.001), "does not hold"),
        # Training makes it worse, of which nobody speaks.
        ((0.02, 0.3), (0.3, 0.001), "does not hold"),
        ((0.3, 0.02), (0.3, 0.02), "holds only when kernels that the stride divides are meant as well"),
    ],
)
def test_overlap_must_be_seen_before_and_after_training_and_come_from_the_kernel(
    uneven: tuple[float, float], even: tuple[float, float], verdict: str
) -> None:
    judgement = judged("uneven-overlap", kernels(uneven, even)).judgement
    assert str(judgement.verdict) == verdict
    assert "With a kernel of 3 and a stride of 2, 1 to 2 taps" in str(judgement.figures)


def test_without_a_kernel_of_each_kind_and_two_seeds_overlap_is_not_judged() -> None:
    only = trained("transposed", {"gain_spread": (0.3, 0.02)}, placement="last", kernel_size=3)
    assert judged("uneven-overlap", Exhibits(quality=quality_of(only))).judgement.kind == "not enough evidence"
    once = kernels((0.3, 0.02), (0.3, 0.001), seeds=1)
    assert judged("uneven-overlap", once).judgement.kind == "not enough evidence"


def test_one_seed_decides_nothing_of_quality() -> None:
    run = detail((1.5, 1.0, 0.9, 0.9), (1.4, 0.9, 0.8, 0.8))
    once = replace(run, trainings=tuple(each for each in run.trainings if each.seed == 0))
    assert judged("upsample-last", Exhibits(quality=once)).judgement.kind == "not enough evidence"


def test_a_network_that_was_looked_at_twice_is_judged_by_its_end() -> None:
    assert judged("upsample-last", Exhibits(quality=detail((1.5, 0.9), (1.4, 0.8)))).judgement.kind == "holds only when"


@given(st.integers(1, 12), st.integers(1, 6))
def test_taps_are_shared_evenly_where_the_stride_divides_the_kernel(kernel: int, stride: int) -> None:
    counts = overlaps(kernel, stride)
    assert sum(counts) == kernel
    assert (len(set(counts)) == 1) == (kernel % stride == 0)


def psnrs(*others: float, wobble: float = 1.0) -> QualityRun:
    rivals = [trained("transposed", {"psnr": (20.0, value)}, wobble=wobble) for value in others]
    return quality_of(trained("subpixel", {"psnr": (20.0, 30.0)}, wobble=0), *rivals)


def timed_little(factor: float, memory: int) -> Exhibits:
    records = [
        measured(case("subpixel"), [1e-3] * 5, peak_allocated_bytes=1000),
        measured(case("transposed"), [factor * 1e-3] * 5, peak_allocated_bytes=memory),
    ]
    return Exhibits(gather([run_of(records)]))


@pytest.mark.parametrize(
    ("factor", "memory", "psnr", "wobble", "verdict"),
    [
        (1.01, 1010, 30.01, 0.01, "holds"),
        (3.0, 3000, 31.0, 0.01, "does not hold"),
        (3.0, 3000, 30.01, 0.01, "holds only when quality is meant"),
        (1.01, 3000, 31.0, 0.01, "holds only when speed is meant"),
        # 0.05 dB, known to ±0.1: nothing about quality can be said.
        (3.0, 3000, 30.05, 3.0, "does not hold"),
        (1.01, 3000, 30.05, 3.0, "holds only when speed is meant, as far as this run can tell"),
    ],
)
def test_pixel_shuffle_differs_little_if_all_three_do(
    factor: float, memory: int, psnr: float, wobble: float, verdict: str
) -> None:
    evidence = timed_little(factor, memory).evidence
    found = judged("little-difference", Exhibits(evidence, psnrs(psnr, wobble=wobble)))
    assert str(found.judgement.verdict) == verdict


def test_little_difference_in_what_was_measured_is_not_the_whole_claim() -> None:
    found = judged("little-difference", timed_little(1.01, 1010))
    assert str(found.judgement.verdict) == "holds only when speed or memory is meant"
    assert str(found.judgement.open) == "Quality was not measured here."


def test_a_difference_that_may_matter_or_not_is_no_little_difference() -> None:
    found = judged("little-difference", Exhibits(quality=psnrs(30.05, wobble=1.0)))
    assert found.judgement.kind == "not enough evidence"
    assert "surely more than 0.1 dB apart in 0 of 1 comparisons and surely less in 0" in str(found.judgement.figures)


def test_small_kernels_are_the_same_only_with_the_same_output() -> None:
    assert judged("four-small-kernels", timed()).judgement.kind == "holds"
    records = [
        measured(case("transposed"), [1e-3] * 5),
        measured(case("transposed_phases"), [1e-3] * 5, definition_error=0.01),
    ]
    wrong = Exhibits(gather([run_of(records)]))
    assert judged("four-small-kernels", wrong).judgement.kind == "does not hold"


def test_what_this_run_cannot_decide_has_the_references_verdict_beside_it() -> None:
    reference = kernels((0.3, 0.001), (0.3, 0.001))
    undecided = judged("uneven-overlap", timed(), reference)
    assert undecided.judgement.kind == "not enough evidence"
    assert undecided.reference is not None
    assert undecided.reference.kind == "holds only when"
    decided = judged("four-small-kernels", timed(), timed())
    assert decided.judgement.kind == "holds"
    assert decided.judgement.caveat is not None
    assert decided.reference is None
    # A reference that does not know either is not cited.
    assert judged("upsample-last", Exhibits(), reference).reference is None


def test_rivals_of_which_one_is_near_and_one_vague_do_not_make_some_differ() -> None:
    near = trained("nearest_conv", {"psnr": (20.0, 30.01)}, wobble=0.01)
    vague = trained("transposed", {"psnr": (20.0, 30.05)}, wobble=3.0)
    run = quality_of(trained("subpixel", {"psnr": (20.0, 30.0)}, wobble=0), near, vague)
    assert judged("little-difference", Exhibits(quality=run)).judgement.kind == "not enough evidence"


def test_a_run_in_which_no_rival_can_be_trusted_is_none_of_speed() -> None:
    records = [measured(case("subpixel"), [1e-3] * 5), measured(case("transposed"), [1e-3, 9e-3, 3e-3, 1e-3])]
    found = judged("little-difference", Exhibits(gather([run_of(records)]), psnrs(30.01, wobble=0.01)))
    assert str(found.judgement.verdict) == "holds only when quality is meant"
    assert str(found.judgement.open) == "Speed and memory were not measured here."


def test_numbers_of_16_bits_are_no_evidence_against_the_same_output() -> None:
    records = [
        measured(case("transposed", dtype="bfloat16"), [1e-3] * 5, definition_error=0.01),
        measured(case("transposed_phases", dtype="bfloat16"), [1e-3] * 5, definition_error=0.01),
    ]
    found = judged("four-small-kernels", Exhibits(gather([run_of(records)])))
    assert found.judgement.kind == "not enough evidence"
