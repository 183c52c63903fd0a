"""One gate from beginning to end: trees, examination, screening, and rounds of fresh launches for what is open."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from upbench.errors import UsageError
from upbench.gate.alone import excuse_what_passes_alone, refuse_what_starts_alone
from upbench.gate.decision import Decision, decide
from upbench.gate.launch import (
    LiveProcess,
    Measurement,
    Pair,
    SideError,
    grouped_at_random,
    launch_s,
    start_alone,
)
from upbench.gate.observed import COLLECTION, Closed, Observed, open_cases
from upbench.gate.series import ROUND, SCREENING, Rule, Series
from upbench.gate.sources import Loaded, changed_code, excuse_what_git_ignores, nothing_ran
from upbench.gate.timed import CONTROLS
from upbench.gate.trees import Side, Suite, commit_of, two_sides
from upbench.processes import cores
from upbench.progress import Watcher

SLICE_S, LONGEST_SLICE_S = 0.12, 0.2
"""Timed of each benchmark in a screening launch: at least, and where there is time for it.

Of 20 upsampler cases of identical code in 12 launches the two sides of a launch differ by 2.3 % in 0.06 s, by 1.8 % in
0.12 s, by 1.5 % in 0.24 s and by 1.2 % in 0.4 s (root mean square, median over the cases).
"""

SCREENING_SHARE = 1 / 3
"""Of the budget, which slices longer than the shortest may make of the screening."""

LAUNCH_S = 2.5
"""In later rounds the few benchmarks left share at least this much, as starting the next pair takes as long anyway."""

PEAK_SAMPLES = 2 if sys.platform == "linux" else 0
"""Resident peaks taken of each benchmark in one process; only Linux tells them."""


@dataclass(frozen=True)
class GateSettings:
    """How a gate measures.

    Attributes:
        reference: the commit to compare with.
        rule: what counts as slower.
        budget_s: seconds altogether; the screening is always completed.
        cores: that a benchmark may use; both sides share the same ones.
        install: as for :func:`upbench.gate.trees.two_sides`.
        judge_latency: whether latency decides, or is only reported.
        timeout_s: allowed for one answer of one side.
    """

    reference: str
    rule: Rule = field(default_factory=Rule)
    budget_s: float = 180.0
    cores: int = 1
    install: str | None = None
    judge_latency: bool = True
    timeout_s: float = 300.0


@dataclass(frozen=True)
class GateReport:
    """What a gate has found.

    Attributes:
        decision: the outcome and a verdict for each benchmark.
        evidence: what it rests on.
        controls: their series.
        commit: the reference's full hash.
        launches: pairs of processes that were timed.
        seconds: from start to end.
        notes: what the reader should know besides.
    """

    decision: Decision
    evidence: tuple[Observed, ...]
    controls: dict[str, Series]
    commit: str
    launches: int
    seconds: float
    notes: tuple[str, ...] = ()


def run(suite: Suite, settings: GateSettings, watcher: Watcher) -> GateReport:
    """Compare the working tree with the reference on the working tree's suite.

    Raises:
        UsageError: no such commit, no benchmarks, or more cores than there are.
        TreeError: a side's tree or environment cannot be made.
        SideError: a side does not get as far as its benchmarks.
    """
    start = time.monotonic()
    commit = commit_of(settings.reference, suite.root)
    with two_sides(suite, settings.reference, settings.install) as (reference, candidate, scratch), watcher:
        gate = _Gate(suite, (reference, candidate), scratch, settings, commit, watcher, start)
        with gate.pairs():
            gate.examine()
            gate.announce()
            gate.screen()
            gate.pursue()
    decision = decide(gate.evidence, gate.controls, settings.rule, settings.judge_latency, gate.nothing_ran)
    seconds = time.monotonic() - start
    return GateReport(decision, tuple(gate.evidence), gate.controls, commit, gate.launches, seconds, tuple(gate.notes))


@dataclass
class _Gate:
    """The state of a gate while it runs."""

    suite: Suite
    sides: tuple[Side, Side]
    scratch: Path
    settings: GateSettings
    commit: str
    watcher: Watcher
    start: float
    evidence: list[Observed] = field(default_factory=list)
    controls: dict[str, Series] = field(default_factory=lambda: {name: Series() for name in CONTROLS})
    launches: int = 0
    notes: list[str] = field(default_factory=list)
    nothing_ran: str = ""
    _loaded: list[Loaded] = field(default_factory=list)
    _waiting: Pair | None = None
    _alive: list[Pair | LiveProcess] = field(default_factory=list)
    _ending: list[Pair] = field(default_factory=list)
    _rng: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._cores = cores.usable()
        if not 1 <= self.settings.cores <= cores.at_once():
            raise UsageError(f"--cores must be 1 to {cores.at_once()} here, got {self.settings.cores}.")

    @contextmanager
    def pairs(self) -> Iterator[None]:
        """End every pair that is still alive, whatever happens."""
        try:
            yield
        finally:
            for pair in self._alive:
                pair.hang_up()
            for pair in self._alive:
                pair.wait()

    def examine(self) -> None:
        """Find the benchmarks and look at all but their time; look again, in fresh processes, where memory grew."""
        pair = self._pair("examine", self._cores)
        try:
            self._collect(pair)
        except SideError as error:
            self._end(pair)
            self._wait_for_ended()
            refuse_what_starts_alone(self._alone, error)
            raise
        self._waiting = self._pair("time", self._cores)
        self._examine(pair, self._running())
        # A benchmark that took its process with it has left others unexamined.
        while left := [each for each in self._running() if each.examined is None]:
            self._examine_afresh("examine", left)
        self._judge_sources()
        if any(closed.outcome == "failed" for each in self.evidence for closed in each.endings):
            if self._waiting is not None:
                self._end(self._waiting)
                self._waiting = None
            self._wait_for_ended()
            excuse_what_passes_alone(self.evidence, self.sides, self._alone)
        if grown := [each for each in self._running() if each.memory_growth]:
            self._examine_afresh("peak", grown)

    def _running(self) -> list[Observed]:
        return [each for each in self.evidence if each.runs]

    def _examine_afresh(self, mode: str, cases: Sequence[Observed]) -> None:
        pair = self._pair(mode, self._cores)
        pair.collected()
        self._examine(pair, cases)

    def _examine(self, pair: Pair, cases: Sequence[Observed]) -> None:
        for evidence, after in self._in_order([each.nodeid for each in cases], controls=False):
            measured = self._guarded(evidence, partial(pair.examine, evidence.nodeid, after, PEAK_SAMPLES))
            if measured is None:
                break
            evidence.examined = evidence.examined or measured.closed
            evidence.round_s = max(evidence.round_s, *(measured.call_s or (0.0,)))
            for kept, new in zip(evidence.peaks, measured.peaks, strict=True):
                kept.extend(new)
        else:
            self._check_sources(pair)
        self._end(pair)

    @contextmanager
    def _alone(self, index: int) -> Iterator[LiveProcess]:
        """A process of one side while the other has none."""
        settings = self.settings
        alone = start_alone(self.sides, index, self._cores, settings.cores, self.scratch, settings.timeout_s)
        self._alive.append(alone)
        try:
            yield alone
        finally:
            alone.hang_up()
            alone.wait()
            self._alive.remove(alone)

    def announce(self) -> None:
        """Say so if the screening, which is always completed, takes longer than all may take."""
        running = self._running()
        if not running:
            return
        slice_s = slice_s_of(len(running), self.settings.budget_s)
        left_s = SCREENING * sum(launch_s(each.round_s, slice_s) for each in running)
        if left_s > self.settings.budget_s > 0:
            longest = max(running, key=lambda each: each.round_s)
            self.notes.append(
                f"The screening takes about {left_s:.0f} s, longer than the budget of {self.settings.budget_s:.0f} s: "
                f"{longest.nodeid} takes {longest.round_s:.2g} s a round."
            )
            self.watcher.say(self.notes[-1])

    def screen(self) -> None:
        """Time everything in the first launches."""
        for _ in range(SCREENING):
            if running := self._running():
                self._launch(running, slice_s_of(len(running), self.settings.budget_s), SCREENING)

    def pursue(self) -> None:
        """Give what is open fresh launches, as long as there is something and budget for a whole round of it."""
        round_s = 0.0
        while found := open_cases(self.evidence, self.settings.rule):
            begun = time.monotonic()
            if begun - self.start + round_s > self.settings.budget_s:
                return
            slice_s = max(slice_s_of(len(found), self.settings.budget_s), LAUNCH_S / len(found))
            for _ in range(ROUND):
                self._launch([each for each in found if each.runs], slice_s, self.launches + ROUND)
            round_s = time.monotonic() - begun

    def _launch(self, cases: Sequence[Observed], slice_s: float, expected: int) -> None:
        """Time benchmarks and controls in one fresh pair of processes, while the next pair starts on other cores."""
        here = cores.of_launch(self.launches, self.settings.cores)
        pair = self._ready([each.nodeid for each in cases])
        pair.pin(here)
        elsewhere = sorted(set(self._cores) - set(here))
        # What starts beside the timed pair must not use up a container's time.
        beside = elsewhere and cores.at_once() > self.settings.cores
        self._waiting = self._pair("time", elsewhere) if beside else None
        index, self.launches = self.launches, self.launches + 1
        self._tell(expected, f"{len(cases)} benchmarks")
        for evidence, after in self._in_order([each.nodeid for each in cases]):
            measured = self._guarded(evidence, partial(pair.time, evidence.nodeid, after, slice_s, self._rng))
            if measured is None:
                break
            if measured.log_ratio is not None and measured.call_s is not None:
                evidence.latency.by_launch[index] = measured.log_ratio
                evidence.call_s.append(measured.call_s)
        self._end(pair)

    def _ready(self, nodeids: Sequence[str]) -> Pair:
        """A pair that has collected the benchmarks, alone by then; anew where one that began beside another has not."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            found: tuple[list[str], ...] = ()
            with suppress(SideError):
                found = tuple(names for names, _ in waiting.collected())
            if len(found) == len(self.sides) and all(set(nodeids) <= set(names) for names in found):
                self._wait_for_ended()
                return waiting
            self._end(waiting)
        self._wait_for_ended()
        pair = self._pair("time", self._cores)
        pair.collected()
        return pair

    def _tell(self, expected: int, doing: str) -> None:
        """Of the launches that are expected, those to come take as long as those so far."""
        elapsed_s = time.monotonic() - self.start
        left_s = elapsed_s / self.launches * max(0, expected - self.launches)
        self.watcher.advance(elapsed_s, left_s, doing)

    def _in_order(self, nodeids: Sequence[str], controls: bool = True) -> Iterator[tuple[Observed, str | None]]:
        """Benchmarks and controls in random order, each with the one after it, which decides what is torn down."""
        by_name = {each.nodeid: each for each in self.evidence}
        by_name |= {name: Observed(name, series) for name, series in self.controls.items()}
        order = grouped_at_random(nodeids, CONTROLS if controls else (), self._rng)
        return zip((by_name[name] for name in order), [*order[1:], None][: len(order)], strict=True)

    def _guarded(self, evidence: Observed, measure: Callable[[], Measurement]) -> Measurement | None:
        """Measure, and hold a process that dies against the benchmark that it died in; None if one did."""
        try:
            measured = measure()
        except SideError as error:
            dead, alive = Closed("failed", str(error)), Closed("passed")
            evidence.note((dead, alive) if error.side == "reference" else (alive, dead))
            return None
        evidence.note(measured.closed)
        return measured

    def _collect(self, pair: Pair) -> None:
        """Read what each side has, and hold it against what the other has."""
        (reference, reference_errors), (candidate, candidate_errors) = pair.collected()
        if not (reference or candidate or reference_errors or candidate_errors):
            raise UsageError(
                f"No test in {' '.join(self.sides[1].arguments)} uses pytest-benchmark's benchmark fixture."
            )
        passed, missing = Closed("passed"), Closed("missing")
        for nodeid in dict.fromkeys([*candidate, *reference]):
            ends = (passed if nodeid in reference else missing, passed if nodeid in candidate else missing)
            self.evidence.append(Observed(nodeid, endings=ends))
        both = [[_last_line(text) for text in errors] for errors in (reference_errors, candidate_errors)]
        for line in dict.fromkeys([*both[0], *both[1]]):
            failed = Closed("failed", f"cannot be collected: {line}")
            ends = (failed if line in both[0] else passed, failed if line in both[1] else passed)
            self.evidence.append(Observed(COLLECTION, endings=ends))

    @cached_property
    def _changed(self) -> list[str]:
        return changed_code(self.suite, self.commit)

    def _check_sources(self, pair: Pair) -> None:
        """Make sure that each side has run its own code."""
        both = pair.loaded([name for name in self._changed if name.endswith(".py")])
        for side, loaded in zip(self.sides, both, strict=True):
            if loaded.foreign:
                raise SideError(
                    side, f"The {side.name} side has imported {loaded.foreign[0]}, which is the other side's code."
                )
        self._loaded.append(both[1])

    def _judge_sources(self) -> None:
        """Look at what the candidate's side has imported in all processes that examined it."""
        loaded = Loaded.of_all(self._loaded)
        excuse_what_git_ignores(self.evidence, self.sides, loaded.own)
        if any(each.examined for each in self.evidence):
            self.nothing_ran = nothing_ran(self.suite, self.sides[1], loaded, self._changed)

    def _pair(self, mode: str, on: Iterable[int]) -> Pair:
        pair = Pair(self.sides, mode, on, self.settings.cores, self.scratch, self.settings.timeout_s)
        self._alive.append(pair)
        return pair

    def _end(self, pair: Pair) -> None:
        """Hang up on a pair, and let it go while the next one works on other cores."""
        pair.hang_up()
        self._ending.append(pair)

    def _wait_for_ended(self) -> None:
        while self._ending:
            pair = self._ending.pop()
            pair.wait()
            self._alive.remove(pair)


def slice_s_of(benchmarks: int, budget_s: float) -> float:
    """Timed of each of so many benchmarks in a screening launch."""
    return min(LONGEST_SLICE_S, max(SLICE_S, SCREENING_SHARE * budget_s / SCREENING / benchmarks))


def _last_line(text: str) -> str:
    lines = [line.removeprefix("E ").strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
