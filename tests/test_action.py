"""The GitHub Action, as far as it goes without GitHub: its scripts, run by bash in a repository, with the real gate.

``gh`` alone is a script that writes down what it is asked for, as there is nobody to ask.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: dict[str, dict[str, Any]] = {each["name"]: each for each in ACTION["runs"]["steps"] if "run" in each}
GIT = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org")
HOSTILE = "$(touch hurt);`touch hurt`;\"';touch hurt;#"
BENCHMARK = """
def test_sum(benchmark):
    assert benchmark(sum, range(1000)) == 499500
"""
GH = """#!/bin/bash
printf '%s\\n' "$@" '--' >> "$GH_LOG"
for argument in "$@"; do
    case "$argument" in body=@*) cp -- "${argument#body=@}" "$GH_LOG.body" ;; esac
done
if [ "${*: -2:1}" = --jq ]; then printf '%s\\n' $GH_FOUND; fi
exit "${GH_CODE:-0}"
"""


@dataclass
class Runner:
    """A repository with a clone, and the variables that a runner has."""

    home: Path
    repository: Path

    def step(self, name: str, expect: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a step as a runner does: in the clone, with the step's own variables only."""
        assert set(env) - {"GH_LOG", "GH_FOUND", "GH_CODE"} <= set(STEPS[name]["env"])
        script = self.home / "step.sh"
        script.write_text(STEPS[name]["run"])
        variables = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "GIT_"))},
            **dict.fromkeys(STEPS[name]["env"], ""),
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(self.home / "output"),
            "GITHUB_REPOSITORY": "owner/name",
            "GITHUB_STEP_SUMMARY": str(self.home / "summary.md"),
            "RUNNER_TEMP": str(self.home / "temp"),
            "GH_LOG": str(self.home / "gh.log"),
            **env,
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.repository, env=variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == expect, done.stderr
        assert not list(self.home.rglob("hurt"))
        return done

    def outputs(self) -> dict[str, str]:
        lines = (self.home / "output").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def program(self, name: str, text: str) -> None:
        (self.home / "bin" / name).write_text(text)
        (self.home / "bin" / name).chmod(0o755)

    def asked(self) -> list[list[str]]:
        """What the gate or ``gh`` was called with, call by call."""
        calls = (self.home / "gh.log").read_text().split("\n--\n")
        return [call.splitlines() for call in calls if call]

    def git(self, *arguments: str, folder: Path | None = None) -> None:
        subprocess.run([*GIT, *arguments], cwd=folder or self.repository, check=True, capture_output=True)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    for folder in (origin / "benchmarks", tmp_path / "bin", tmp_path / "temp"):
        folder.mkdir(parents=True)
    here = Runner(tmp_path, clone)
    (origin / "benchmarks" / "test_sum.py").write_text(BENCHMARK)
    here.git("init", "--quiet", "--initial-branch=main", folder=origin)
    here.git("add", ".", folder=origin)
    for message in ("one", "two"):
        here.git("commit", "--quiet", "--allow-empty", "-m", message, folder=origin)
    here.git("clone", "--quiet", "--depth=1", f"file://{origin}", str(clone), folder=tmp_path)
    here.program("gh", GH)
    return here


def pretended(runner: Runner, code: int) -> None:
    """A gate that ends like this; only how it is called is looked at."""
    script = (
        "#!/bin/bash\n"
        'printf "%s\\n" "$@" "--" >> "$GH_LOG"\n'
        'for each in "$@"; do case "$each" in --markdown=*) echo "### table" > "${each#*=}" ;; esac; done\n'
        f"exit {code}\n"
    )
    runner.program("upbench", script)


def test_it_is_a_composite_action_whose_inputs_and_outputs_are_described() -> None:
    assert ACTION["runs"]["using"] == "composite"
    for each in (*ACTION["inputs"].values(), *ACTION["outputs"].values()):
        assert each["description"]
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text()))
    assert used == set(ACTION["inputs"])
    assert all(each["shell"] == "bash" for each in STEPS.values())


def test_no_script_has_an_expression_in_it() -> None:
    for step in STEPS.values():
        assert "${{" not in step["run"]
        assert "eval" not in step["run"]


def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("needs shellcheck (Debian: shellcheck)")
    for name, step in STEPS.items():
        script = tmp_path / "step.sh"
        script.write_text(f"#!/bin/bash\n{step['run']}")
        done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name}: {done.stdout}"


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_gates_code_decides_and_a_gate_that_could_not_only_warns(runner: Runner, code: int) -> None:
    pretended(runner, code)
    runner.step("Measure", BENCHMARKS="benchmarks", TARGET="main")
    assert runner.outputs()["code"] == str(code)
    assert (runner.home / "summary.md").read_text() == "### table\n"
    done = runner.step("Decide", expect=0 if code == 3 else code, CODE=str(code))
    assert ("::warning" in done.stdout) == (code == 3)


def test_a_step_that_never_measured_is_no_pass(runner: Runner) -> None:
    runner.step("Decide", expect=1, CODE="")


@pytest.mark.parametrize("where", ["BENCHMARKS", "OPTIONS", "BASE", "TARGET"])
def test_whatever_is_given_is_one_word_for_the_gate(runner: Runner, where: str) -> None:
    pretended(runner, 0)
    runner.step("Measure", **({"BENCHMARKS": "benchmarks"} | {where: f"{HOSTILE}\n" if where[0] in "BO" else HOSTILE}))
    (words,) = runner.asked()
    expected = f"origin/{HOSTILE}" if where == "TARGET" else HOSTILE
    assert any(word.removeprefix("--against=") == expected for word in words)


@pytest.mark.parametrize("base", ["--upload-pack=touch hurt", "-h", "", "x:refs/heads/y", "../.."])
def test_no_base_is_an_option_of_git(runner: Runner, base: str) -> None:
    pretended(runner, 0)
    runner.step("Measure", BENCHMARKS="benchmarks", BASE=base)


def test_a_shallow_clone_gets_the_base_that_it_lacks(runner: Runner) -> None:
    pretended(runner, 0)
    runner.git("branch", "--quiet", "other", "main~1", folder=runner.home / "origin")
    for env in ({"TARGET": "other"}, {"BASE": "other"}, {}):
        runner.step("Measure", BENCHMARKS="benchmarks", **env)
    commit = subprocess.run(
        ["git", "rev-parse", "other"], cwd=runner.home / "origin", capture_output=True, text=True, check=True
    ).stdout.strip()
    target, base, before = (words[1] for words in runner.asked())
    assert (target, base) == (f"--against={commit}", f"--against={commit}")
    assert before == "--against=HEAD~1"
    runner.git("rev-parse", "--verify", "HEAD~1")


def comment(runner: Runner, table: str, **env: str) -> subprocess.CompletedProcess[str]:
    file = runner.home / "temp" / "upbench-gate.md"
    file.write_text(table)
    return runner.step("Comment", MARKDOWN=str(file), NUMBER="7", BENCHMARKS=HOSTILE, GH_TOKEN="secret", **env)


def test_the_table_is_commented_once_and_then_written_anew(runner: Runner) -> None:
    comment(runner, "### table\n")
    body = (runner.home / "gh.log.body").read_text()
    assert re.fullmatch(r"<!-- upbench gate [0-9a-f]{16} -->\n### table\n", body)
    assert "--method\nPOST\nrepos/owner/name/issues/7/comments" in (runner.home / "gh.log").read_text()
    comment(runner, "### another\n", GH_FOUND="41 42")
    assert (runner.home / "gh.log.body").read_text().endswith("### another\n")
    assert "--method\nPATCH\nrepos/owner/name/issues/comments/42" in (runner.home / "gh.log").read_text()
    assert "secret" not in (runner.home / "gh.log").read_text()


def test_a_comment_is_no_longer_than_github_takes(runner: Runner) -> None:
    comment(runner, "é" * 100_000)
    body = (runner.home / "gh.log.body").read_text()
    assert len(body) < 65_536
    assert body.endswith("The rest stands in the summary of the run.\n")


def test_a_token_that_can_only_read_is_a_warning(runner: Runner) -> None:
    done = comment(runner, "### table\n", GH_CODE="1")
    assert "::warning" in done.stdout


def test_there_is_nothing_to_comment_where_nothing_was_measured(runner: Runner) -> None:
    runner.step("Comment", MARKDOWN="", NUMBER="7")
    assert not (runner.home / "gh.log").exists()


def test_what_is_installed_is_the_actions_own_version_and_what_was_asked_for(runner: Runner) -> None:
    runner.program("python", '#!/bin/bash\nprintf "%s\\n" "$@" "--" >> "$GH_LOG"\n')
    runner.step("Install", INSTALL=f".[test]\n\n{HOSTILE}\n")
    assert runner.asked() == [["-m", "pip", "install", "--quiet", str(ROOT), ".[test]", HOSTILE]]


@pytest.mark.slow
def test_the_real_gate_measures_a_pull_request(runner: Runner) -> None:
    runner.program("upbench", f'#!/bin/bash\nexec "{sys.executable}" -m upbench "$@"\n')
    file = runner.repository / "benchmarks" / "test_sum.py"
    file.write_text(BENCHMARK.replace("== 499500", "== 1"))
    runner.step("Measure", BENCHMARKS="benchmarks", TARGET="main", OPTIONS="--budget=10")
    assert runner.outputs()["code"] == "1"
    assert "test_sum" in (runner.home / "summary.md").read_text()
    assert "❌" in (runner.home / "summary.md").read_text()


def test_the_workflow_in_the_documentation_uses_inputs_that_there_are() -> None:
    page = (ROOT / "docs" / "supply_chain.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    workflow: Mapping[str, Any] = yaml.safe_load(block)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    (own,) = [step for step in steps if "upsample-bench" in step.get("uses", "")]
    assert set(own["with"]) <= set(ACTION["inputs"])
