"""What the report's page needs to answer as ``upbench recommend`` does: points, triangles, errors, leads and sentences.

All that takes statistics or a triangulation is done here; the page interpolates, compares and fills in sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

from upbench.cases.case import CUDA_AXES, Case, Cell, Scale, scale_text
from upbench.recommend import sentences
from upbench.recommend.advice import QUALITY_COMMAND, TO_MEASURE
from upbench.recommend.estimate import Estimate, estimate, estimates
from upbench.recommend.figures import DIGITS, PSNR_DIGITS, UNITS
from upbench.recommend.lead import Leads
from upbench.recommend.measurements import Measurements, Point, Surface, Surroundings, all_surroundings, measurements
from upbench.recommend.plane import EDGE, Place, mesh
from upbench.recommend.quality_figures import QualityFigures, quality_figures
from upbench.recommend.quantities import HIGHER_IS_BETTER, OBJECTIVES, QUANTITIES, Objective, cost
from upbench.recommend.ranking import LIMITED
from upbench.recommend.stated_error import ORDER, stated_error
from upbench.records.quality_run import QualityRun
from upbench.records.record import Run
from upbench.records.statistics import Interval
from upbench.wording import Message


def form_data(runs: Sequence[Run], quality: QualityRun | None) -> dict[str, Any] | None:
    """The data of the page's form, as JSON but for ``words``, which are messages with their places unfilled.

    Args:
        runs: of one machine.
        quality: records of quality, if any.

    Returns:
        None where no upsampler competes, so that there is nothing to ask.
    """
    figures = quality_figures(quality) if quality else None
    found = [measurements(runs, each) for each in all_surroundings(runs)]
    if not found:
        return None
    return {
        "words": words(),
        "objectives": OBJECTIVES,
        "quantities": QUANTITIES,
        "limited": LIMITED,
        "higher_is_better": HIGHER_IS_BETTER,
        "units": UNITS,
        "digits": {objective: PSNR_DIGITS if objective == "psnr" else DIGITS for objective in OBJECTIVES},
        "edge": EDGE,
        "order": ORDER,
        "to_measure": TO_MEASURE,
        "quality_command": QUALITY_COMMAND,
        "defaults": _options(Surroundings()),
        "photographs": figures.photographs if figures else 0,
        "seeds": figures.seeds if figures else 0,
        "surroundings": [_surroundings(measured, figures) for measured in found],
    }


def words() -> dict[str, Message]:
    """The sentences by the names that the page's script has for them."""
    told = {
        "figure_with_interval": sentences.figure_with_interval("{figure}", "{low}", "{high}"),
        "form_of": sentences.form_of("{name}", "{usual}"),
        "measured": sentences.measured(),
        "interpolated": sentences.interpolated(),
        "answer": sentences.answer("{name}", "{best}", "{figure}", "{how}"),
        "answer_within_limits": sentences.answer_within_limits("{name}", "{best}", "{figure}", "{how}"),
        "answer_maybe_within_limits": sentences.answer_maybe_within_limits("{name}", "{best}", "{figure}", "{how}"),
        "none_fits": sentences.none_fits(),
        "none_known_fits": sentences.none_known_fits(),
        "cannot_answer": sentences.cannot_answer(),
        "runner_up_surely": sentences.runner_up_surely("{name}", "{figure}", "{ratio}"),
        "runner_up_maybe": sentences.runner_up_maybe("{name}", "{figure}", "{ratio}"),
        "equal": sentences.equal("{name}", "{figure}"),
        "times_as_much": sentences.times_as_much("{ratio}"),
        "decibels_less": sentences.decibels_less("{difference}"),
        "no_runner_up": sentences.no_runner_up(),
        "alike": sentences.alike("{names}"),
        "tighter_limit": sentences.tighter_limit("{quantity}", "{bound}", "{name}", "{next_best}"),
        "higher_limit": sentences.higher_limit("{quantity}", "{bound}", "{name}", "{next_best}"),
        "looser_limit": sentences.looser_limit("{quantity}", "{bound}", "{name}"),
        "sure_limit": sentences.sure_limit("{quantity}", "{bound}", "{name}"),
        "other_objective": sentences.other_objective("{quantity}", "{name}", "{figure}"),
        "nothing_changes": sentences.nothing_changes(),
        "might_be_better": sentences.might_be_better("{name}", "{figure}"),
        "names_and_why": sentences.names_and_why("{names}", "{reason}"),
        "error_of": sentences.error_of("{quantity}", "{factor}", "{cases}"),
        "only_pixels": sentences.only_pixels(),
        "quiet_latency": sentences.quiet_latency(),
        "busy_latency": sentences.busy_latency(),
        "not_side_by_side": sentences.not_side_by_side("{count}"),
        "about_quality": sentences.about_quality("{photographs}", "{trainings}"),
        "to_measure": sentences.to_measure(),
        "measuring_would_settle_it": sentences.measuring_would_settle_it(),
        "quality_needed": sentences.quality_needed(),
        "would_change": sentences.would_change(),
        "about_the_figures": sentences.about_the_figures(),
        "upsampler": sentences.upsampler(),
        "keeps_the_limits": sentences.keeps_the_limits(),
        "not_a_case": sentences.not_a_case(),
    }
    for objective in OBJECTIVES:
        told[f"quantity_{objective}"] = sentences.quantity(objective)
        told[f"best_by_{objective}"] = sentences.best_by(objective)
    for reason in sentences.REASONS:
        told[f"why_{reason}"] = sentences.why(reason)
    for verdict in sentences.VERDICTS:
        told[f"fits_{verdict}"] = sentences.fits(verdict)
    return told


def cell_key(cell: Cell) -> str:
    """By which the page finds a measured case among those of its surroundings and scale."""
    return f"{cell.in_channels}/{cell.height}x{cell.width}/{cell.batch}"


def _surroundings(measured: Measurements, figures: QualityFigures | None) -> dict[str, Any]:
    scales = dict.fromkeys(case.cell.scale for case in measured.records)
    return {
        "options": _options(measured.surroundings),
        "side_by_side": measured.side_by_side,
        "not_side_by_side": measured.not_side_by_side,
        "any_points": bool(measured.points),
        "scales": [_scale(measured, figures, scale) for scale in sorted(scales, key=_factors)],
    }


def _options(surroundings: Surroundings) -> dict[str, str]:
    """As ``upbench run`` spells them, in its order, with the batch where it stands."""
    out = surroundings.out_channels
    switches = {name: getattr(surroundings, name) for name in CUDA_AXES}
    return {
        "out-channels": "same" if out is None else str(out),
        "dtype": surroundings.dtype,
        "layout": surroundings.layout,
        "threads": str(surroundings.threads),
        "device": surroundings.device,
        "runtime": surroundings.runtime,
        "step": surroundings.step,
        **{name.replace("_", "-"): each for name, each in switches.items() if each != getattr(Cell, name)},
    }


def _scale(measured: Measurements, figures: QualityFigures | None, scale: Scale) -> dict[str, Any]:
    cells = dict.fromkeys(case.cell for case in measured.records if case.cell.scale == scale)
    any_cell = next(iter(cells))
    return {
        "scale": scale_text(scale),
        "upsamplers": [_upsampler(measured, figures, scale, name, list(cells)) for name in measured.names],
        "leads": {
            "latency": {cell_key(cell): _leads(Leads(measured, figures, cell), "latency") for cell in cells},
            "psnr": _leads(Leads(measured, figures, any_cell), "psnr"),
        },
    }


def _upsampler(
    measured: Measurements, figures: QualityFigures | None, scale: Scale, name: str, cells: Sequence[Cell]
) -> dict[str, Any]:
    usual = measured.usual.get(name, name)
    psnr = figures and figures.psnr(name, usual, scale)
    own = [measured.records[case] for cell in cells if (case := Case(name, cell)) in measured.records]
    return {
        "name": name,
        "usual": usual,
        "psnr": _limits(psnr.interval) if psnr else None,
        "refused": bool(own) and all(record.outcome == "unsupported" for record in own),
        "surfaces": {
            quantity: _surface(measured, Surface(quantity, name, scale))
            for quantity in QUANTITIES
            if Surface(quantity, name, scale) in measured.points
        },
        "cases": {
            cell_key(record.case.cell): {
                quantity: _limits(each.interval) if isinstance(each, Estimate) else each
                for quantity in QUANTITIES
                if (each := estimate(measured, quantity, name, record.case.cell)) and _is_of_the_case(each)
            }
            for record in own
        },
    }


def _is_of_the_case(found: Estimate | str) -> bool:
    """Whether it is what was measured, or why there is no such figure: then nothing is interpolated in the case."""
    return found.measured if isinstance(found, Estimate) else found in ("unstable", "failed", "unsupported")


def _surface(measured: Measurements, surface: Surface) -> dict[str, Any]:
    points = measured.points[surface]
    places = sorted({point.place for point in points})
    number = {place: index for index, place in enumerate(places)}
    error = stated_error(measured.points, surface.quantity, surface.upsampler)
    return {
        "places": places,
        "heights": [_mean_height(points, place) for place in places],
        "simplices": [[number[corner] for corner in simplex] for simplex in mesh(frozenset(places))],
        "error": None
        if error is None
        else {"half_width": error.half_width, "tried_gap": error.tried_gap, "cases": error.cases},
    }


def _mean_height(points: Sequence[Point], place: Place) -> float:
    heights = [point.height for point in points if point.place == place]
    return sum(heights) / len(heights)


def _leads(leads: Leads, objective: Objective) -> dict[str, dict[str, list[float | bool]]]:
    """By the better and the worse, as they are ranked: how great a lead is by what both share, and whether certain."""
    found: dict[str, dict[str, list[float | bool]]] = {}
    own = {name: estimates(leads.measured, leads.quality, name, leads.cell)[objective] for name in leads.measured.names}
    costs = {name: cost(objective, each.interval).estimate for name, each in own.items() if isinstance(each, Estimate)}
    for better, worse in permutations(costs, 2):
        shared = leads.shared(objective, better, worse) if costs[better] <= costs[worse] else None
        if shared is not None and shared.size is not None:
            found.setdefault(better, {})[worse] = [shared.size, shared.certain]
    return found


def _limits(interval: Interval) -> list[float]:
    return [interval.low, interval.estimate, interval.high]


def _factors(scale: Scale) -> tuple[float, float]:
    return scale if isinstance(scale, tuple) else (scale, scale)
