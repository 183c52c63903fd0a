"""How good is the gate on this machine? Gates on identical code, and gates on code slowed down by a known share.

Between them, at first, plain runs of pytest-benchmark on the same identical code, for what its own
``--benchmark-compare-fail`` would have said.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import random
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from upbench.errors import UsageError, UserError
from upbench.gate import decision, launch, live, observed, procedure, series, timed
from upbench.gate.injection import slow_down
from upbench.gate.procedure import GateReport, GateSettings
from upbench.gate.rates import SHARES, TRIAL, summary
from upbench.gate.trees import Suite, run_git, scratch_folder
from upbench.processes import allocator, rivals
from upbench.progress import Silent
from upbench.records import statistics
from upbench.records.record import write_whole
from upbench.whole_file import only_writer

PLAIN_RUNS = 20
"""Runs of plain pytest-benchmark in a trial; each but the first is compared with the one before."""


class TrialError(UserError):
    """A trial cannot go on; one sentence says why."""


def run_trial(
    suite: Suite, settings: GateSettings, identical: int, slowed: int, slow: Sequence[str], file: Path, console: Console
) -> Iterator[str]:
    """Make so many gates of each kind, those that ``file`` already holds included, and yield what came out.

    Raises:
        UsageError: too few functions to slow down.
        TrialError: the suite does not pass.
        TrialFileError: ``file`` holds another trial.
        TakenFileError: another process makes it.
    """
    if slow and len(slow) < len(SHARES):
        raise UsageError(f"--slow is needed {len(SHARES)} times at least, for slowdowns that differ; got {len(slow)}.")
    with only_writer(file), scratch_folder(suite.root) as scratch:
        clone = scratch / "clone"
        _git("clone", "--quiet", "--shared", str(suite.root), str(clone), folder=suite.root)
        _git("checkout", "--quiet", "--detach", settings.reference, folder=clone)
        trial = _Trial(_moved(suite, clone), settings, tuple(slow), file.resolve(), console)
        trial.go_on(identical, slowed if slow else 0)
    yield from summary(trial.document)


class _Trial:
    """A trial in its clone, and the file that it is kept in."""

    def __init__(
        self, suite: Suite, settings: GateSettings, slow: tuple[str, ...], file: Path, console: Console
    ) -> None:
        self._suite, self._settings, self._slow, self._file, self._console = suite, settings, slow, file, console
        commit = _git("rev-parse", "HEAD", folder=suite.root).strip()
        facts = {
            "command": _command(),
            "commit": commit,
            "code": code_digest(),
            "settings": {**asdict(settings), "reference": commit},
            "arguments": list(suite.arguments),
            "slow": list(slow),
            "plain": [],
        }
        self.document = TRIAL.resumed(file, facts, ("commit", "code", "settings", "arguments", "slow"))

    def go_on(self, identical: int, slowed: int) -> None:
        """Make what is missing, the kinds by turns, so that a trial that is cut short is balanced."""
        runs, plain = self.document["runs"], self.document["plain"]
        wanted = {False: identical, True: slowed}
        while True:
            made = Counter(bool(run["injected"]) for run in runs)
            done = {kind: made[kind] / number for kind, number in wanted.items() if made[kind] < number}
            if not done:
                return
            injected = self._draw() if min(done, key=done.__getitem__) else {}
            runs.append(self._gate(injected))
            self._keep()
            last = runs[-1]
            line = f"{len(runs)}: {last['outcome']} in {last['seconds']:.0f} s, slowed {last['injected'] or 'nothing'}"
            self._console.print(f"{line}, found {last['regressions'] or 'nothing'}", markup=False, soft_wrap=True)
            if len(plain) < PLAIN_RUNS and not injected:
                plain.append(self._plain())
                self._keep()

    def _draw(self) -> dict[str, float]:
        return dict(zip(random.sample(self._slow, len(SHARES)), SHARES, strict=True))

    def _gate(self, injected: Mapping[str, float]) -> dict[str, Any]:
        """One gate, as anybody would run it in the clone."""
        for name, share in injected.items():
            slow_down(self._suite.root, name, share)
        try:
            with chdir(self._suite.folder):
                report = procedure.run(self._suite, replace(self._settings, reference="HEAD"), Silent())
        finally:
            _git("checkout", "--quiet", "--", ".", folder=self._suite.root)
        return _as_run(report, injected)

    def _plain(self) -> dict[str, dict[str, float]]:
        """Statistics of each benchmark in a plain run of pytest-benchmark with its defaults."""
        with scratch_folder(self._suite.root) as scratch:
            file = scratch / "plain.json"
            path = os.pathsep.join([str(self._suite.root), str(self._suite.root / "src")])
            command = [sys.executable, "-m", "pytest", "-q", "--benchmark-only", f"--benchmark-json={file}"]
            done = subprocess.run(
                [*command, *self._suite.arguments],
                cwd=self._suite.folder,
                env={**os.environ, "PYTHONPATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise TrialError(f"A plain run of the suite fails: {done.stdout.strip().splitlines()[-1:]}")
            benchmarks = json.loads(file.read_text())["benchmarks"]
        return {each["fullname"]: {key: each["stats"][key] for key in ("median", "mean", "min")} for each in benchmarks}

    def _keep(self) -> None:
        write_whole(self._file, self.document)


def code_digest() -> str:
    """Identify the code that measures and decides: rates over gates of different code would mean nothing."""
    digest = hashlib.sha256()
    for module in (live, timed, launch, series, observed, decision, procedure, statistics, allocator, rivals):
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()[:16]


def _as_run(report: GateReport, injected: Mapping[str, float]) -> dict[str, Any]:
    """What a trial keeps of one gate."""
    verdicts = {verdict.name: verdict for verdict in report.decision.verdicts}
    cases = []
    for each in report.evidence:
        verdict = verdicts[each.nodeid]
        cases.append(
            {
                "name": each.nodeid,
                "kind": verdict.kind,
                "log_ratios": [round(value, 5) for value in each.latency.values],
                "detectable": verdict.detectable and round(verdict.detectable, 4),
                "injected": max((injected.get(name, 0.0) for name in each.slowed), default=0.0),
            }
        )
    return {
        "outcome": report.decision.outcome,
        "sentence": report.decision.sentence,
        "seconds": round(report.seconds, 1),
        "launches": report.launches,
        "injected": dict(injected),
        "regressions": [v.name for v in report.decision.verdicts if v.kind in ("regression", "error")],
        "cases": cases,
        "controls": {name: [round(value, 5) for value in series.values] for name, series in report.controls.items()},
    }


def _moved(suite: Suite, clone: Path) -> Suite:
    return Suite(suite.arguments_in(clone), clone, clone / suite.folder.relative_to(suite.root))


def _command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _git(*arguments: str, folder: Path) -> str:
    done = run_git(*arguments, folder=folder)
    if done.returncode:
        raise TrialError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout
