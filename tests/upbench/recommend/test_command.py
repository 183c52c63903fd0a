"""``upbench recommend`` as a user meets it: exit codes, one sentence for each mistake, the answer first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.upbench.recommend.grids import grid_run, power
from upbench.records.record import write_run


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records") / "grid.json"
    write_run(grid_run({"subpixel": power(2e-9), "transposed": power(1e-9), "carafe": power(4e-9)}), path)
    return path


def recommend(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "upbench", "recommend", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "300"})


ASKED = ("--scale", "4", "--channels", "48", "--size", "70x90")


def test_the_answer_comes_first_and_the_exit_code_is_0(records: Path) -> None:
    done = recommend(*ASKED, "--objective", "latency", "--max-memory", "200MB", records)
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith("Of those that surely keep the limits, transposed is the fastest: 2.1 ms")
    assert second.startswith("The runner-up is subpixel")
    assert "• If" in done.stdout or "• No other" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_case_outside_is_refused_with_a_command_on_one_line_and_exit_code_1(records: Path) -> None:
    done = recommend("--scale", "4", "--channels", "64", "--size", "270x480", "--min-psnr", "28", records)
    assert done.returncode == 1
    command = "upbench run --upsampler subpixel,transposed,carafe --scale 4 --channels 64 --size 270x480"
    assert f"  {command} --output asked.json" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--max-memory", "lots"), "such as 200MB"),
        (("--max-latency", "4"), "such as 4ms"),
        (("--channels", "16,64"), "several values for channels"),
        (("--scale", "1"), "scale above 1"),
        (("--size", "big"), "height x width"),
        (("--objective", "beauty"), "beauty"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(records: Path, more: tuple[str, str], what: str) -> None:
    done = recommend(*ASKED, *more, records)
    assert done.returncode == 2
    assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_other_files_are_passed_over_and_damaged_ones_are_not(records: Path, tmp_path: Path) -> None:
    other = tmp_path / "trial.json"
    other.write_text('{"upsample_bench_sweep_trial": 1}')
    done = recommend(*ASKED, other, records)
    assert done.returncode == 0
    assert f"{other} holds no run" in done.stderr
    other.write_text("{")
    done = recommend(*ASKED, records, other)
    assert done.returncode == 1
    assert "is damaged" in done.stderr


def test_it_answers_in_chinese_too(records: Path) -> None:
    assert recommend(*ASKED, "--lang", "zh", records).returncode == 0


def test_it_needs_no_torch(records: Path) -> None:
    code = (
        "import sys; from upbench import cli; sys.argv = ['upbench', 'recommend', *sys.argv[1:]]\n"
        "try: cli.main()\nexcept SystemExit: pass\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *ASKED, str(records)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_case_of_a_browser_is_measured_by_a_page(tmp_path: Path) -> None:
    path = tmp_path / "browser.json"
    write_run(grid_run({"subpixel": power(2e-9)}, runtime="web-wasm", threads=2), path)
    asked = ("--scale", "4", "--channels", "64", "--size", "270x480", "--runtime", "web-wasm", "--threads", "2")
    done = recommend(*asked, path)
    assert done.returncode == 1
    command = "upbench export --upsampler subpixel --scale 4 --channels 64 --size 270x480 --threads 2 --web asked"
    assert f"  {command}" in done.stdout.splitlines()
