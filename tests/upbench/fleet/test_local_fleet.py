"""``upbench run --fleet local`` as a new user has it, with real measuring; and what is said where it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from upbench.errors import UsageError
from upbench.fleet.cluster import Cluster
from upbench.records.record import read_run

ONE_QUESTION = [
    "--upsampler", "subpixel,nearest_conv", "--scale", "2", "--channels", "4", "--size", "8x9", "--time-limit", "1",
]  # fmt: skip


def upbench(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "upbench", *map(str, arguments)]
    variables = os.environ | {"COLUMNS": "300"} | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=240)


def test_a_new_user_measures_on_a_fleet_of_this_machine_and_nothing_is_left_behind(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    output = tmp_path / "out.json"
    # A path of pytest's would be too long for Ray's sockets.
    with tempfile.TemporaryDirectory() as temporary:
        result = upbench("run", *ONE_QUESTION, "--fleet", "local", "--output", output, TMPDIR=temporary)
        assert result.returncode == 0, result.stderr
        assert list(Path(temporary).glob("upbench-*")) == []
    assert "2 cases (2 ok) written to" in result.stdout
    run = read_run(output)
    assert {record.quantities["stopped_by"] for record in run.records} <= {"time limit", "precision", "beaten"}
    (node,) = run.facts["nodes"]
    assert {record.quantities["node"] for record in run.records} == {node["node"]}
    assert not any("niceness" in mark or "shared" in mark for mark in node["marks"])
    assert not output.with_name("out.json.journal").exists()


def test_without_ray_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"a fleet needs Ray: pip install 'upsample-bench\[ray\]'"):
        Cluster("local", {})


def test_ray_is_imported_only_by_who_opens_a_cluster() -> None:
    text = "import sys, upbench.cli, upbench.fleet.campaign, upbench.fleet.station; assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", text], check=True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--fleet-label", "a=b"), "add --fleet ADDRESS"),
        (("--each-machine",), "add --fleet ADDRESS"),
        (("--fleet", "local", "--fleet-label", "a"), "--fleet-label must be KEY=VALUE; got 'a'"),
        (("--fleet", "local", "--trial", "1"), "--trial tries one machine"),
    ],
)
def test_options_of_a_fleet_that_make_no_sense_are_wrong_usage(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    result = upbench("run", *ONE_QUESTION, *arguments, "--output", tmp_path / "out.json")
    assert result.returncode == 2
    assert sentence in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "ray://127.0.0.1:1", "nowhere"])
def test_an_address_without_a_cluster_is_one_sentence(address: str, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    result = upbench("run", *ONE_QUESTION, "--fleet", address, "--output", tmp_path / "out.json")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1
