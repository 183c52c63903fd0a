"""``upbench history`` as a user meets it: the table, the files it writes, exit codes, one sentence for each mistake."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.machinery import BuiltinImporter
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from docs.change_point_methods import METHODS
from tests.upbench.commands import Here
from tests.upbench.history.archives import Made, Plant, write_archive
from upbench.cli.history_command import QuantityChoice
from upbench.history.archive import read_archive
from upbench.history.history_export import figures, write_parquet
from upbench.history.survey import survey
from upbench.history.tracks import QUANTITIES, Wanted

PAGE = Path(__file__).parents[3] / "docs" / "history.md"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    plants = [Plant(0, 20, 0.25), *(Plant(case, 40, 0.1, "flops") for case in range(8))]
    folder = tmp_path_factory.mktemp("here") / "nightly"
    made = write_archive(folder, commits=60, cases=8, planted=plants, software={40: {"torch": "2.14.0"}}, seed=9)
    (folder / "notes.json").write_text("{}")
    return made


def test_the_table_names_commit_case_size_and_what_else_changed(made: Made, here: Here) -> None:
    done = here("history", made.folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"Test CPU, 2 cores, 8 GiB \(\w+-8\): \d+ runs of 60 versions, ", done.stdout)
    row = next(line for line in done.stdout.splitlines() if made.commits[20][:9] in line)
    assert made.cases[0] in row
    assert re.search(r"\+2\d\.\d %", row)
    folded = next(line for line in done.stdout.splitlines() if made.commits[40][:9] in line)
    assert "8 of 8 cases" in folded
    assert "torch 2.13.0+cpu → 2.14.0" in folded
    assert "Left out: 1 file" in done.stdout
    assert "notes.json: Object missing required field" in done.stdout


def test_every_command_of_the_page_works(made: Made, tmp_path: Path, here: Here) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "nightly").symlink_to(made.folder)
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("upbench history")]
    assert len(lines) >= 4
    for line in lines:
        done = here(*shlex.split(line, comments=True)[1:], cwd=tmp_path)
        assert done.returncode == 0, (line, done.stderr)
    document = json.loads((tmp_path / "history.json").read_text())
    latencies = [each["changes"] for each in document["series"] if each["quantity"] == "latency"]
    ((change,),) = [changes for changes in latencies if changes]
    assert change["commit"] == made.commits[20]
    assert change["ratio"]["low"] * 0.98 < 1.25 < change["ratio"]["high"] * 1.02
    assert document["skipped"][0]["file"].endswith("notes.json")
    table = pd.read_parquet(tmp_path / "history.parquet")
    assert len(table) == 8 * made.files
    assert list((tmp_path / "charts").glob("*latency.svg"))


@pytest.mark.parametrize(
    ("commits", "said"),
    [
        (1, "There is no other version to compare it with."),
        (5, "No case has enough runs for a latency to have changed for certain: 5 at most, of 12 that it takes"),
    ],
)
def test_where_no_change_could_be_seen_it_says_so(tmp_path: Path, here: Here, commits: int, said: str) -> None:
    # One run of 4 cases and a control each.
    folder = write_archive(tmp_path / "few", commits, most_runs=1, cases=4, planted=[Plant(0, 3, 0.5)]).folder
    done = here("history", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "No change found." in done.stdout
    assert said in done.stdout


def test_parquet_read_back_equals_what_was_written(made: Made, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    told = survey(read_archive(made.folder), Wanted())
    write_parquet(told, tmp_path / "deep" / "a.parquet")
    assert_frame_equal(pd.read_parquet(tmp_path / "deep" / "a.parquet"), figures(told), check_dtype=False)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["a.parquet"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["nowhere"], 2, "does not exist"),
        (["."], 1, "upbench: . holds no runs."),
        (["nightly", "--case", "nothing"], 2, "no case is like nothing"),
        (["nightly", "--since", "soon"], 2, "--since takes a day such as 2026-03-01"),
        (["nightly", "--least", "2"], 2, "--least"),
        (["nightly", "--quantity", "beauty"], 2, "beauty"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], code: int, sentence: str, made: Made, tmp_path: Path, here: Here
) -> None:
    cwd = tmp_path if arguments == ["."] else made.folder.parent
    done = here("history", *arguments, cwd=cwd)
    assert done.returncode == code
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_what_a_file_says_moves_no_terminal(tmp_path: Path, here: Here) -> None:
    document = {
        "machine_info": {"cpu": {"brand_raw": "\x1b[2J"}},
        "commit_info": {"id": "\x1b[2J", "time": "2026-03-01"},
        "benchmarks": [{"name": "", "fullname": "\x1b[2J", "stats": {"median": 1.0}}],
        "datetime": "2026-03-01",
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b.json")).write_text("{}")
    done = here("history", tmp_path, "--json", tmp_path / "out" / "a.json")
    assert (done.returncode, done.stderr, "\x1b" in done.stdout) == (0, "", False)
    assert "Left out: 1 file" in done.stdout


def test_without_pyarrow_it_says_what_to_install(
    made: Made, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    here("history", made.folder)
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    monkeypatch.setattr(sys, "meta_path", [BuiltinImporter])
    done = here("history", made.folder, "--parquet", tmp_path / "a.parquet")
    assert (done.returncode, "pip install 'upsample-bench[parquet]'" in done.stderr) == (2, True)


def test_every_quantity_can_be_chosen() -> None:
    assert tuple(QuantityChoice) == QUANTITIES


def test_the_page_has_a_row_for_each_method_that_was_tried() -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert rows[1:] == list(METHODS)


def test_help_has_an_example(here: Here) -> None:
    done = here("history", "--help")
    assert "Example: upbench history" in " ".join(done.stdout.split())


def test_the_help_of_all_commands_imports_nothing_for_it() -> None:
    code = "import sys, upbench.cli; print({'msgspec', 'ruptures', 'pandas', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
