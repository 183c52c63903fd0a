"""How long a sweep takes: a rough guess from closed forms before it, and from what was seen while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import lru_cache
from math import ceil

import torch

import upsample
from upbench.cases.case import Case, Cell
from upbench.cases.outcome import UnsupportedCaseError
from upbench.machine.limits import Limits
from upbench.processes.rivals import BLOCK_S, LEAST_ROUNDS
from upbench.runtimes.workload import create_module
from upbench.sweep.launching import LAUNCH_S, SERVER_S, SHARE_S
from upbench.sweep.settings import SweepSettings
from upbench.sweep.standing import FEWEST_LAUNCHES, Standing, by_question

MODEST_CORE = Limits(flops_per_s=60e9, bytes_per_s=10e9)
"""Stands for a machine whose limits are not measured yet."""

SHARE_OF_LIMIT = 0.5
"""That a call reaches, more or less."""

EXAMINATION_S = 0.5
"""Of a case, both stages."""

RENEWAL_S = 2.5
"""Of importing torch anew."""

START_S = 0.07
"""Of a process in a launch."""

WARM_CALLS = 3

MODULES_KEPT = 256
"""To build one takes ten milliseconds, and a sweep may have thousands of cases of the same few."""


def estimated_minutes(cases: Sequence[Case], settings: SweepSettings) -> float:
    """A rough guess at how long a sweep of the cases takes, if nothing is hard to tell apart."""
    call_s = {case.id: estimated_call_s(case) for case in cases}
    return left_s([Standing(own) for own in by_question(cases)], len(cases), settings, 0.0, call_s) / 60


def estimated_call_s(case: Case, limits: Limits = MODEST_CORE) -> float:
    """A rough guess at one forward pass from the closed form; 0 for what is unsupported or unknown."""
    if not upsample.class_of(case.upsampler).stated:
        return 0.0
    # Somebody's own class may fail as it is built; whoever measures it says so.
    with suppress(Exception) if ":" in case.upsampler else nullcontext():
        return _from_closed_form(case, limits)
    return 0.0


def _from_closed_form(case: Case, limits: Limits) -> float:
    cell = case.cell
    same = Cell(cell.scale, cell.channels, cell.in_channels, cell.out_channels, height=1, width=1)
    module = _on_meta(Case(case.upsampler, same))
    if module is None:
        return 0.0
    cost = upsample.cost(module, (cell.batch, cell.in_channels, cell.height, cell.width))
    return limits.attainable_s(cost.flops, cost.min_bytes) / SHARE_OF_LIMIT


@lru_cache(MODULES_KEPT)
def _on_meta(case: Case) -> upsample.AnyUpsampler | None:
    """The module of a case, which is the same for all sizes; None for what is unsupported."""
    with torch.device("meta"), suppress(UnsupportedCaseError):
        return create_module(case)
    return None


def left_s(
    standings: Sequence[Standing],
    unexamined: int,
    settings: SweepSettings,
    elapsed_s: float,
    call_s: Mapping[str, float],
) -> float:
    """Seconds that a sweep still needs.

    Args:
        standings: of its questions.
        unexamined: cases.
        settings: its own.
        elapsed_s: since it began.
        call_s: a guess at one call of each case, by its name.
    """
    guessed = [_launch_s([call_s[case.id] for case in standing.running]) for standing in standings]
    seen = [
        (standing.seconds[-1], guess) for standing, guess in zip(standings, guessed, strict=True) if standing.seconds
    ]
    # The closed forms tell what is slower than what, and the launches so far how slow this machine is. The first of
    # them may have met a burst of a neighbour's, so that the closed forms count as a launch of their own.
    seen.append((mean_guess := sum(guessed) / len(guessed), mean_guess))
    factor = sum(seconds for seconds, _ in seen) / sum(guess for _, guess in seen)
    launches_s = least_s = passes = 0.0
    for standing, guess in zip(standings, guessed, strict=True):
        done, each_s = len(standing.seconds), standing.seconds[-1] if standing.seconds else factor * guess
        if not standing.running or (done and not standing.open_cases(settings)):
            continue
        wanted = max(settings.least_launches - done, 1)
        launches_s += wanted * each_s
        least_s += max(FEWEST_LAUNCHES - done, 0) * each_s
        passes = max(passes, wanted)
    launches_s += min(passes, ceil(launches_s / SERVER_S)) * RENEWAL_S
    examinations_s = unexamined * EXAMINATION_S
    if settings.time_limit_s is not None:
        launches_s = max(least_s, min(launches_s, settings.time_limit_s - elapsed_s - examinations_s))
    return examinations_s + launches_s


def _launch_s(calls_s: Sequence[float]) -> float:
    """One launch of rivals whose calls take so long."""
    timed = [max(SHARE_S, LEAST_ROUNDS * (BLOCK_S + 2 * call_s)) + WARM_CALLS * call_s for call_s in calls_s]
    return max(LAUNCH_S, sum(timed)) + START_S * (len(calls_s) + 1)
