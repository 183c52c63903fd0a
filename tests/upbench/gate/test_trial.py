"""What a trial runs, keeps and goes on with, on gates that are made up, and the rates that follow from its records."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats
from tabulate import tabulate

from upbench.errors import UsageError
from upbench.gate import procedure, trial
from upbench.gate.decision import decide
from upbench.gate.observed import Closed, Observed
from upbench.gate.procedure import GateReport, GateSettings
from upbench.gate.rates import (
    SHARES,
    TRIAL,
    detections,
    false_alarms,
    inconclusive,
    median_seconds,
    plain_false_alarms,
    summary,
    table,
)
from upbench.gate.series import Rule, Series
from upbench.gate.trees import Suite
from upbench.gate.trial import TrialError, run_trial
from upbench.records.statistics import Rate
from upbench.records.trials import TrialFileError

NAMES = ("first", "second", "third", "fourth")
SLOW = tuple(f"package.code:{name}" for name in NAMES)
SOURCE = "".join(f"def {name}():\n    return 1\n\n\n" for name in NAMES)
SETTINGS = GateSettings("HEAD", budget_s=7.0)
QUIET = {0: 0.001, 1: -0.002, 2: 0.0015, 3: -0.0005, 4: 0.0025, 5: -0.003}


class Gates:
    """Stands for the gate: notes what it was run on, and finds what ``found`` says of the source there."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.folders: list[Path] = []
        self.settings: list[GateSettings] = []
        self.fail_at: int | None = None

    def run(self, suite: Suite, settings: GateSettings, watcher: object) -> GateReport:
        if len(self.sources) == self.fail_at:
            raise KeyboardInterrupt
        self.sources.append((suite.root / "package" / "code.py").read_text())
        self.folders.append(Path.cwd())
        self.settings.append(settings)
        evidence = []
        for name in SLOW:
            ratios = {launch: value + 0.1 * (name in self.sources[-1]) for launch, value in QUIET.items()}
            case = Observed(f"test_{name.split(':')[1]}", Series(ratios))
            ran = [name] if name in self.sources[-1] else []
            case.note((Closed("passed"), Closed("passed", slowed=ran)))
            evidence.append(case)
        controls = {"copy": Series(dict(QUIET))}
        decision = decide(evidence, controls, settings.rule)
        return GateReport(decision, tuple(evidence), controls, "0" * 40, 6, 12.34)


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Gates:
    made = Gates()
    monkeypatch.setattr(procedure, "run", made.run)
    monkeypatch.setattr(trial, "PLAIN_RUNS", 0)
    return made


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A committed repository with four functions, seen from a folder in it."""
    root = tmp_path_factory.mktemp("repository").resolve()
    for name in ("package/code.py", "benchmarks/test_it.py"):
        (root / name).parent.mkdir()
        (root / name).write_text(SOURCE)
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "-m", "all")):
        subprocess.run(["git", *command], cwd=root, check=True)
    return Suite(("test_it.py",), root, root / "benchmarks")


@pytest.fixture
def go(suite: Suite, tmp_path: Path, gates: Gates) -> Callable[..., dict[str, Any]]:
    """Runs a trial and reads what it has kept."""

    def run(count: int, slow: tuple[str, ...] = (), **changed: Any) -> dict[str, Any]:
        file = tmp_path / "deep" / "trial.json"
        settings = changed.get("settings", SETTINGS)
        numbers = (count, changed.get("slowed", count))
        list(run_trial(changed.get("suite", suite), settings, *numbers, slow, file, Console(quiet=True)))
        return TRIAL.read(file)

    return run


def test_a_trial_on_identical_code_slows_nothing(go: Callable[..., dict[str, Any]], gates: Gates) -> None:
    document = go(3)
    assert [run["injected"] for run in document["runs"]] == [{}, {}, {}]
    assert gates.sources == [SOURCE] * 3


def test_every_other_gate_is_on_slowed_code(go: Callable[..., dict[str, Any]], gates: Gates) -> None:
    document = go(2, SLOW)
    assert [sorted(run["injected"].values()) for run in document["runs"]] == [[], sorted(SHARES)] * 2
    assert [source == SOURCE for source in gates.sources] == [True, False, True, False]


def test_fewer_gates_on_slowed_code_are_spread_among_the_others(go: Callable[..., dict[str, Any]]) -> None:
    runs = go(6, SLOW, slowed=2)["runs"]
    assert [bool(run["injected"]) for run in runs] == [False, True, False, False, False, True, False, False]


def test_a_trial_goes_on_with_more_gates_on_slowed_code(go: Callable[..., dict[str, Any]]) -> None:
    go(3, SLOW, slowed=1)
    assert [bool(run["injected"]) for run in go(3, SLOW)["runs"][4:]] == [True, True]


def test_the_code_that_is_slowed_is_not_the_users(
    go: Callable[..., dict[str, Any]], gates: Gates, suite: Suite
) -> None:
    go(1, SLOW)
    assert (suite.root / "package" / "code.py").read_text() == SOURCE
    assert all(not folder.is_relative_to(suite.root) for folder in gates.folders)


def test_a_gate_of_a_trial_runs_in_the_users_folder_of_the_clone(
    go: Callable[..., dict[str, Any]], gates: Gates
) -> None:
    here = Path.cwd()
    go(1)
    assert gates.folders[0].name == "benchmarks"
    assert Path.cwd() == here


def test_a_gate_of_a_trial_compares_with_the_commit_of_the_clone(
    go: Callable[..., dict[str, Any]], gates: Gates
) -> None:
    go(1, settings=GateSettings("HEAD~0", budget_s=9.0))
    assert (gates.settings[0].reference, gates.settings[0].budget_s) == ("HEAD", 9.0)


def test_each_benchmark_is_kept_with_the_share_that_ran_in_it(go: Callable[..., dict[str, Any]]) -> None:
    identical, slowed = go(1, SLOW)["runs"]
    assert [case["injected"] for case in identical["cases"]] == [0.0] * 4
    by_name = {f"package.code:{case['name'].removeprefix('test_')}": case["injected"] for case in slowed["cases"]}
    assert by_name == slowed["injected"]


def test_a_gate_is_kept_with_its_launches_and_its_outcome(go: Callable[..., dict[str, Any]]) -> None:
    (run,) = go(1)["runs"]
    assert (run["outcome"], run["seconds"], run["launches"], run["regressions"]) == ("pass", 12.3, 6, [])
    assert run["cases"][0]["log_ratios"] == list(QUIET.values())
    assert run["controls"] == {"copy": list(QUIET.values())}


def test_a_trial_goes_on_where_it_was_left(go: Callable[..., dict[str, Any]], gates: Gates) -> None:
    first = go(1, SLOW)["runs"]
    assert go(3, SLOW)["runs"][:2] == first
    assert len(gates.sources) == 6


def test_a_trial_that_is_complete_makes_no_further_gate(go: Callable[..., dict[str, Any]], gates: Gates) -> None:
    assert go(2) == go(2)
    assert len(gates.sources) == 2


def test_what_was_made_before_an_interrupt_is_kept(
    go: Callable[..., dict[str, Any]], gates: Gates, tmp_path: Path
) -> None:
    gates.fail_at = 2
    with pytest.raises(KeyboardInterrupt):
        go(5)
    assert len(TRIAL.read(tmp_path / "deep" / "trial.json")["runs"]) == 2
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["trial.json"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"settings": GateSettings("HEAD", Rule(tolerance=0.02), budget_s=7.0)}, "settings"),
        ({"settings": GateSettings("HEAD", budget_s=8.0), "slow": SLOW}, "settings, slow"),
        ({"slow": SLOW}, "slow"),
    ],
    ids=["tolerance", "budget", "slow"],
)
def test_a_trial_with_other_settings_is_not_gone_on_with(
    go: Callable[..., dict[str, Any]], changed: dict[str, Any], named: str
) -> None:
    before = go(1)
    with pytest.raises(TrialFileError, match=rf"differs from this one in {named}; give another --output\."):
        go(2, **changed)
    assert go(1) == before


def test_a_trial_of_another_suite_is_not_gone_on_with(go: Callable[..., dict[str, Any]], suite: Suite) -> None:
    go(1)
    with pytest.raises(TrialFileError, match="in arguments;"):
        go(2, suite=Suite(("test_it.py", "-k", "x"), suite.root, suite.folder))


def test_a_trial_of_another_gate_is_not_gone_on_with(
    go: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    go(1)
    monkeypatch.setattr(trial, "code_digest", lambda: "0123456789abcdef")
    with pytest.raises(TrialFileError, match="in code;"):
        go(2)


def test_too_few_functions_to_slow_down_are_refused(go: Callable[..., dict[str, Any]], gates: Gates) -> None:
    with pytest.raises(UsageError, match="--slow is needed 4 times at least, for slowdowns that differ; got 3"):
        go(1, SLOW[:3])
    assert gates.sources == []


def test_a_commit_that_there_is_not_is_an_error_of_git(go: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(TrialError, match="git checkout failed"):
        go(1, settings=GateSettings("no-such-branch"))


@pytest.mark.parametrize(("text", "said"), [("{", "is damaged"), ("[]", "no trial"), ("{}", "no trial")])
def test_a_file_that_holds_no_trial_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "trial.json"
    file.write_text(text)
    with pytest.raises(TrialFileError, match=said):
        TRIAL.read(file)


def test_a_trial_is_known_by_its_beginning(go: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    go(1)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"benchmarks": []}))
    assert TRIAL.is_in(tmp_path / "deep" / "trial.json")
    assert not TRIAL.is_in(other)


@given(of=st.integers(1, 500), data=st.data())
def test_the_interval_of_a_rate_is_wilsons(of: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, of))
    z, share = float(stats.norm.ppf(0.975)), count / of
    centre = (share + z**2 / (2 * of)) / (1 + z**2 / of)
    half = z / (1 + z**2 / of) * np.sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    assert Rate(count, of).interval == pytest.approx((centre - half, centre + half), abs=1e-9)


def test_a_rate_is_told_with_its_interval() -> None:
    assert Rate(9, 10).text == "90.0% (59.6% to 98.2%), 9 of 10"


def test_a_rate_of_nothing_is_a_dash() -> None:
    assert Rate(0, 0).text == "–"


def gate(outcome: str, injected: float = 0.0, *kinds: str, seconds: float = 1.0) -> dict[str, Any]:
    """One gate of a trial, in which a single share was injected into all benchmarks."""
    cases = [{"kind": kind, "injected": injected} for kind in kinds]
    return {"outcome": outcome, "seconds": seconds, "injected": {"a:f": injected} if injected else {}, "cases": cases}


RUNS = {
    TRIAL.key: TRIAL.schema,
    "plain": [],
    "runs": [
        gate("pass", 0.0, "same", "regression", seconds=3.0),
        gate("regression", seconds=5.0),
        gate("inconclusive", seconds=4.0),
        gate("regression", 0.1, "regression", "undecided", "regression", seconds=9.0),
        gate("inconclusive", 0.1, "same"),
        gate("pass", 0.05, "same"),
    ],
}


def test_false_alarms_are_counted_in_gates_on_identical_code() -> None:
    assert (false_alarms(RUNS), inconclusive(RUNS)) == (Rate(1, 3), Rate(1, 3))


@pytest.mark.parametrize(
    ("share", "rate"), [(0.1, Rate(2, 4)), (0.05, Rate(0, 1)), (0.2, Rate(0, 0)), (0.0, Rate(1, 2))]
)
def test_detections_are_counted_in_benchmarks_slowed_by_that_share(share: float, rate: Rate) -> None:
    assert detections(RUNS, share) == rate


def test_the_time_of_a_gate_is_told_for_each_kind() -> None:
    assert (median_seconds(RUNS, injected=False), median_seconds({"runs": []}, injected=True)) == (4.0, None)


def plain(**medians: float) -> dict[str, dict[str, float]]:
    return {name: {"median": median, "mean": 1.0, "min": 1.0} for name, median in medians.items()}


PLAIN = {"plain": [plain(a=1.0, b=2.0), plain(a=1.06, b=1.0), plain(a=1.05, b=1.0), plain(a=1.2, b=1.09), plain(a=1.2)]}


@pytest.mark.parametrize(
    ("field", "percent", "rate"),
    [
        ("median", 5, Rate(2, 4)),
        ("median", 10, Rate(1, 4)),
        ("median", 15, Rate(0, 4)),
        ("mean", 5, Rate(0, 4)),
    ],
)
def test_a_plain_run_fails_if_any_benchmark_is_slower_than_in_the_run_before(
    field: str, percent: float, rate: Rate
) -> None:
    assert plain_false_alarms(PLAIN, field, percent) == rate


def test_one_plain_run_is_compared_with_nothing() -> None:
    assert plain_false_alarms({"plain": PLAIN["plain"][:1]}, "median", 5) == Rate(0, 0)


def test_the_summary_leaves_out_what_was_not_tried() -> None:
    told = [line.split(":")[0] for line in summary(RUNS)]
    assert told == [
        "identical code, gate says regression",
        "identical code, gate says inconclusive",
        "slowed by 5%, found",
        "slowed by 10%, found",
        "identical code, median time of a gate",
        "slowed, median time of a gate",
    ]


def test_the_page_says_what_the_committed_trial_says() -> None:
    root = Path(__file__).parents[3]
    lines = table(TRIAL.read(root / "results" / "gate_trial.json"))
    text = tabulate(lines, headers=("asked", "came out"), tablefmt="github", disable_numparse=True)
    assert text in (root / "docs" / "gate.md").read_text()
