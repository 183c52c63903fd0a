"""Where a question stands: what is known of its rivals, which of them need more launches, and why the others do not.

A rival is settled when it is known well enough how long it takes beside the others: closely where it may be the
fastest, and less closely where it is certainly beaten. Everything is inferred from launches, the sets of processes that
were alive at once.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from statistics import median
from typing import Any, Literal

from upbench.cases.case import Case
from upbench.records.launches import GpuClocks, Launch
from upbench.records.statistics import CONFIDENCE, Comparison, compare_levels
from upbench.sweep.settings import SweepSettings

Reason = Literal["precision", "beaten", "budget", "time limit"]

FEWEST_LAUNCHES = 4
"""Below this an interval over launches says next to nothing, however clear it looks and however little time is left."""

BEATEN_HALF_WIDTH = 0.05
"""A rival that is certainly not the fastest need not be known more closely."""


@dataclass
class Standing:
    """One question: its cases, and the launches of each so far."""

    cases: list[Case]
    launches: dict[str, list[Launch]] = field(default_factory=dict)
    failures: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    control_s: dict[str, list[float]] = field(default_factory=dict)
    _found_open: tuple[Any, list[Case]] | None = field(default=None, init=False, repr=False, compare=False)

    def learn(self, entry: Mapping[str, Any]) -> None:
        """Take in one launch; see :func:`upbench.sweep.launching.launch`."""
        self.seconds.append(float(entry["seconds"]))
        self.control_s[str(entry["launch"])] = [float(seconds) for seconds in entry["control_s"]]
        for name, found in entry["rivals"].items():
            if found["outcome"] != "ok":
                self.failures[name] = (found["outcome"], found["reason"])
                continue
            taken = Launch(
                str(entry["launch"]),
                float(found["level"]),
                tuple(float(seconds) for seconds in found["rounds_s"]),
                int(found["iterations"]),
                page_faults_per_call=float(found["page_faults_per_call"]),
                groups=int(entry["groups"]),
                gpu=_clocks(entry.get("gpu")),
            )
            self.launches.setdefault(name, []).append(taken)

    @property
    def running(self) -> list[Case]:
        """The cases that nothing has gone wrong with."""
        return [case for case in self.cases if case.id not in self.failures]

    def open_cases(self, settings: SweepSettings) -> list[Case]:
        """Those that need more launches."""
        # It is asked after every answer of any question, and takes milliseconds to find out.
        known = settings, len(self.failures), sum(map(len, self.launches.values())), sum(self.seconds)
        if self._found_open is None or self._found_open[0] != known:
            open_now = [case for case in self.running if self.settled_by(case, settings) is None]
            self._found_open = known, open_now
        return self._found_open[1]

    def next_rivals(self, settings: SweepSettings) -> list[Case]:
        """Those to launch: the open ones, with the fastest to compare them with."""
        wanted = {case.id for case in self.open_cases(settings)}
        if wanted and (best := self.fastest()) is not None:
            wanted.add(best.id)
        return [case for case in self.running if case.id in wanted]

    def fastest(self) -> Case | None:
        """The one that takes the least, as far as that is known."""
        return next(iter(self._ranked()), None)

    def _ranked(self) -> list[Case]:
        """Those that have been launched, the one that takes the least first."""
        timed = [case for case in self.running if case.id in self.launches]
        return sorted(timed, key=lambda case: median(self._levels(case).values()))

    def settled_by(self, case: Case, settings: SweepSettings) -> Reason | None:
        """Why a case needs no more launches, or None if it does."""
        best = self.fastest()
        if best is None:
            return None
        if case == best and len(self.running) > 1:
            # It is known as closely as the others are, whose ratios are those to it.
            reasons = {self.settled_by(other, settings) for other in self.running if other != best}
            return None if None in reasons else "budget" if "budget" in reasons else "precision"
        count = len(self.launches.get(case.id, ()))
        if count >= min(FEWEST_LAUNCHES, settings.least_launches) and self._is_beaten(case, best):
            return "beaten"
        if count < settings.least_launches:
            return None
        to_best = self._compare(case, best)
        if case == best:
            half_width = self.half_width(case)
        else:
            half_width = None if to_best is None else to_best.ratio.relative_half_width
        if half_width is not None and half_width <= settings.precision:
            return "precision"
        spent = sum(self.seconds) >= settings.budget_s * len(self.running) or count >= settings.most_launches
        return "budget" if spent else None

    def _is_beaten(self, case: Case, best: Case) -> bool:
        """Whether a case is certainly not the fastest, and it is known well enough how far it is from that."""
        found = None if case == best else self._compare(case, best)
        if found is None:
            return False
        level = (1 - CONFIDENCE) / (len(self.running) - 1)
        is_slower = found.ratio.low > 1 and found.p_value < level
        return is_slower and found.ratio.relative_half_width <= BEATEN_HALF_WIDTH

    def half_width(self, case: Case) -> float | None:
        """How closely a case's ratios are known: the median over its rivals of the relative half-widths.

        A rival whose own launches disagree widens one of them, the case's own launches widen all. One without rivals
        is compared with the control.
        """
        others = [other for other in self.running if other != case and other.id in self.launches]
        found = [self._compare(case, other) for other in others]
        if not others:
            found = [compare_levels(self._levels(case), dict.fromkeys(self._levels(case), 0.0))]
        known = [each.ratio.relative_half_width for each in found if each is not None]
        return median(known) if known else None

    def lead_half_width(self) -> float:
        """How closely it is known by how much the fastest leads: infinite where nothing is known of it yet."""
        ranked = self._ranked()
        found = self._compare(ranked[1], ranked[0]) if len(ranked) > 1 else None
        return inf if found is None else found.ratio.relative_half_width

    def launches_of(self, case: Case, busy_share: Mapping[str, float]) -> list[Launch]:
        """The launches of a case, with how busy the machine was in each of them, or how long its GPU was slowed."""
        return [
            replace(each, busy_share=max(busy_share[each.id], each.gpu.slowed_share if each.gpu else 0.0))
            for each in self.launches.get(case.id, ())
        ]

    def _levels(self, case: Case) -> dict[str, float]:
        return {launch.id: launch.level for launch in self.launches.get(case.id, ())}

    def _compare(self, a: Case, b: Case) -> Comparison | None:
        return compare_levels(self._levels(a), self._levels(b))


def _clocks(told: Mapping[str, Any] | None) -> GpuClocks | None:
    if told is None:
        return None
    clock_mhz = told["sm_clock_mhz"]
    return GpuClocks(
        float(told["slowed_share"]), tuple(map(str, told["slowed_by"])), None if clock_mhz is None else float(clock_mhz)
    )


def next_pass(questions: Mapping[str, Standing], rng: random.Random) -> list[str]:
    """Which of the open questions to launch next, and in which order.

    All of them at random, until each has the fewest launches. Then the half of which the lead of the fastest rival is
    known least closely, and of these the least known first, as the time may end at any of them.
    """
    if any(len(each.seconds) < FEWEST_LAUNCHES for each in questions.values()):
        return rng.sample(list(questions), len(questions))
    widths = {label: each.lead_half_width() for label, each in questions.items()}
    ordered = sorted(widths, key=widths.__getitem__, reverse=True)
    return ordered[: (len(ordered) + 1) // 2]


def by_question(cases: Sequence[Case]) -> list[list[Case]]:
    """The cases that answer one question together, whose threads and device are the same."""
    questions: dict[Any, list[Case]] = {}
    for case in cases:
        questions.setdefault(case.cell.question, []).append(case)
    return list(questions.values())
