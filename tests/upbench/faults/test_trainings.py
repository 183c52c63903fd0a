"""A training comparison that is killed goes on where it stopped, with the figures of one that nobody disturbed."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.upbench.faults.running import Place, kill, until
from tests.upbench.faults.table import FAULTS, shows
from upbench.records.quality_run import read_quality

pytestmark = pytest.mark.slow

ASKED = ("--train", "--upsampler", "transposed", "--scale", "2", "--seeds", "1")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    plane = np.random.default_rng(0).integers(0, 255, (75, 81), np.uint8)
    Image.fromarray(np.stack([plane] * 3, -1)).save(folder / "noise.png")
    return folder


def quality(place: Place, images: Path, *options: str | Path, steps: int = 20) -> tuple[str | Path, ...]:
    return ("quality", *ASKED, "--steps", str(steps), "--images", images, *options)


def figures(output: Path) -> dict[tuple[str, int], tuple[str, Any]]:
    run = read_quality(output)
    return {(each.contestant, each.seed): (each.outcome, each.readings) for each in run.trainings}


@shows("training killed")
def test_a_comparison_killed_again_and_again_has_the_figures_of_one_that_was_not(place: Place, images: Path) -> None:
    undisturbed = place.outputs / "undisturbed.json"
    assert place.run(*quality(place, images, "--output", undisturbed)).returncode == 0
    rng = random.Random(0)
    lines: list[str] = []
    for _ in range(6):
        process = place.start(*quality(place, images, "--output", place.output, "--resume"))
        time.sleep(rng.uniform(2, 12))
        with suppress(ProcessLookupError):
            kill(process)
        # A training takes no look at anybody for minutes.
        until(lambda: not place.processes(), 30)
        if place.output.exists():
            break
        now = place.lines()
        assert now[: len(lines)] == lines
        lines = now
    assert place.run(*quality(place, images, "--output", place.output, "--resume")).returncode == 0
    assert figures(place.output) == figures(undisturbed)
    assert place.left_behind() == []


@shows("training killed for memory")
def test_a_training_that_is_killed_has_its_place_and_its_reason(place: Place, images: Path) -> None:
    process = place.start(*quality(place, images, "--output", place.output, steps=100))
    training = list[psutil.Process]()

    def trains() -> bool:
        with suppress(psutil.Error):
            workers = psutil.Process(process.pid).children(recursive=True)
            training.extend(each for each in workers if each.ppid() != process.pid and each.cpu_times().user > 2)
        return bool(training)

    until(trains)
    training[0].send_signal(signal.SIGKILL)
    try:
        stdout, stderr = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, stderr
    assert FAULTS["training killed for memory"].is_read_in(stdout), stdout
    outcomes = [outcome for outcome, _ in figures(place.output).values()]
    assert outcomes.count("out_of_memory") >= 1
    assert outcomes.count("ok") >= len(outcomes) // 2
    assert place.left_behind() == []
