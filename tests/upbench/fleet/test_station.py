"""A station and the rig that keeps it, without a cluster: answers, failures, and what is left when nobody asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.upbench.fleet.driver import grid
from tests.upbench.fleet.stand_in import __file__ as STAND_IN
from upbench.fleet.rig import STATION, Rig
from upbench.fleet.station import own_digests
from upbench.machine.fingerprint import source_digest
from upbench.sweep.settings import SweepSettings

FACTS = {"what": "facts", "own": []}


def question(number: int = 1, **changes: Any) -> dict[str, Any]:
    cases = [each.as_dict() for each in grid(number)[-2:]]
    return {"what": "measure", "cases": cases, "settings": asdict(SweepSettings()), "entries": [], **changes}


DYING = """
import os, sys
sys.stdin.readline()
print('{"entry": {}}', flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("station")
    found = Rig((sys.executable, STAND_IN, str(folder / "diary"), "0"), str(folder))
    yield found
    found.stop()


def test_a_station_says_what_it_is_and_measures_one_question_after_another(rig: Rig) -> None:
    facts, done = rig.answers(FACTS)
    assert facts["facts"]["source"] == source_digest()
    assert done == {"done": True}
    first, second = (list(rig.answers(question(number))) for number in (1, 2))
    assert first[-1] == second[-1] == {"done": True}
    assert {answer["entry"].get("question", "")[:5] for answer in second[:-1]} == {"", "x2-c2"}


def test_what_is_known_already_is_not_measured_again(rig: Rig) -> None:
    whole = [answer["entry"] for answer in rig.answers(question()) if "entry" in answer]
    rest = [answer["entry"] for answer in rig.answers(question(entries=whole[:5])) if "entry" in answer]
    assert len(rest) == len(whole) - 5


def test_a_request_that_makes_no_sense_is_answered_and_the_next_one_as_well(rig: Rig) -> None:
    (failed,) = rig.answers(question(cases=[{"upsampler": "subpixel"}]))
    assert failed["failed"].startswith("KeyError")
    assert list(rig.answers(question()))[-1] == {"done": True}


def test_a_station_that_is_killed_is_lost_and_says_how(tmp_path: Path) -> None:
    rig = Rig((sys.executable, "-c", DYING), str(tmp_path))
    assert list(rig.answers(question())) == [{"entry": {}}, {"lost": "its station ended with code -9"}]
    assert list(rig.answers(question())) == [{"lost": "its station ended with code -9"}]
    assert rig.stop()


def test_it_ends_in_the_middle_of_a_question_and_takes_workers_and_files_with_it(tmp_path: Path) -> None:
    # A folder whose name a socket's can be added to.
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONSAFEPATH": "1"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(STATION, env=environment, start_new_session=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question()) + "\n")
        process.stdin.flush()
        assert "entry" in json.loads(process.stdout.readline())
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.stdin.close()
        process.wait(20)
    deadline = time.monotonic() + 10
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [each.name for each in folder.glob("upbench-*")] == []


def test_classes_of_ones_own_are_told_apart_by_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = (
        "import torch\n\n\nclass Up(torch.nn.Module):\n    def __init__(self, i, o, s):\n        super().__init__()\n"
    )
    Path("of_mine.py").write_text(text)
    before = own_digests(["of_mine:Up"])
    Path("of_mine.py").write_text(text + "\n")
    after = own_digests(["of_mine:Up"])
    assert before.keys() == after.keys() == {"of_mine:Up"}
    assert before != after
