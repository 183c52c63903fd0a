"""The command line as a user meets it: real processes, exit codes, one sentence for each mistake."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import upsample
from tests.upbench.commands import Here
from tests.upbench.synthetic import case, measured, run_of, small_run
from tests.upbench.synthetic_quality import quality_run
from upbench.records import compact
from upbench.records.quality_run import write_quality
from upbench.records.record import read_run, write_run
from upbench.sweep.journal import Journal

TINY = [
    "--upsampler",
    "subpixel,nearest_conv_staged",
    "--scale",
    "2,3",
    "--channels",
    "4",
    "--size",
    "8x9",
    "--time-limit",
    "1",
]


OWN = Path(__file__).with_name("own_upsamplers.py")


def upbench(
    *arguments: str | Path, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "upbench", *map(str, arguments)]
    variables = os.environ | {"COLUMNS": "300"} | (environment or {})
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=variables)


class Tiny(NamedTuple):
    """A run of its own process: where it was written, and what its terminal showed meanwhile."""

    output: Path
    terminal: str


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    output = tmp_path_factory.mktemp("tiny") / "deep" / "tiny.json"
    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "upbench", "run", *TINY, "--output", str(output)]
    with subprocess.Popen(
        command, stderr=theirs, stdout=subprocess.DEVNULL, env=os.environ | {"TERM": "xterm"}
    ) as process:
        os.close(theirs)
        seen = b""
        while process.poll() is None or not seen:
            try:
                seen += os.read(mine, 65536)
            except OSError:
                break
    os.close(mine)
    assert process.returncode == 0, seen
    return Tiny(output, seen.decode(errors="replace"))


def test_a_run_measures_everything_the_interface_promises(tiny_run: Tiny) -> None:
    records = {record.case.id: record for record in read_run(tiny_run.output).records}
    assert len(records) == 4
    unsupported = [record for record in records.values() if record.outcome == "unsupported"]
    assert [record.case.upsampler for record in unsupported] == ["nearest_conv_staged"]
    assert "scales 2, 4, 8" in str(unsupported[0].outcome_reason)
    for record in records.values():
        if record.outcome == "unsupported":
            continue
        assert record.outcome in ("ok", "unstable")
        quantities = record.quantities
        low, high = quantities["latency_ci_s"]
        assert 0 < low <= quantities["latency_s"] <= high
        assert quantities["macs"] * 2 == quantities["flops"] > 0
        assert quantities["definition_error"] < 1e-5
        assert quantities["peak_tensor_bytes"] >= 4 * 4 * 8 * 9 * record.case.cell.scale**2
        assert quantities["peak_allocated_bytes"] >= quantities["peak_tensor_bytes"]
        assert quantities["peak_rss_bytes"] >= 0
        assert quantities["peak_cuda_allocated_bytes"] is None
        assert quantities["roofline_share"] > 0
        assert quantities["allocator"] == "pinned"
        assert len(record.rounds_s) == sum(quantities["rounds_per_launch"])


def test_a_run_says_where_it_comes_from(tiny_run: Tiny) -> None:
    run = read_run(tiny_run.output)
    assert run.facts["command"] == f"python -m upbench run {' '.join(TINY)} --output {tiny_run.output}"
    assert {"cpu", "usable_cores", "caches", "memory_bytes", "os", "torch", "torch_build"} <= run.fingerprint.keys()
    assert run.machine_info["node"] == ""
    assert not Journal.path_for(tiny_run.output).exists()


def test_a_terminal_gets_a_progress_bar(tiny_run: Tiny) -> None:
    assert "measuring" in tiny_run.terminal
    assert "━" in tiny_run.terminal


def test_a_report_of_a_run_ends_with_its_place_after_six_findings(tiny_run: Tiny, tmp_path: Path, here: Here) -> None:
    result = here("report", tiny_run.output, "--output", tmp_path / "plots")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[-1] == f"Report: {tmp_path / 'plots' / 'report.html'}"
    assert sum(line.startswith("• ") for line in lines) == 6
    assert (tmp_path / "plots" / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--upsampler", "subpixl"], "no upsampler is named 'subpixl'; did you mean 'subpixel'?"),
        (
            ["--scale", "two"],
            "scales must be numbers such as 2, 1.5, or 1.5x2 for height and width, separated by commas; got 'two'.",
        ),
        (["--scale", "0"], "scale must be above 1; got 0."),
        (["--scale", "1.5x1"], "scale must be above 1; got 1.5x1."),
        (["--scale", "nan"], "separated by commas; got 'nan'."),
        (["--channels", "0"], "must be whole numbers of at least 1"),
        (["--size", "48by48"], "sizes must be height x width such as 96x96, separated by commas; got '48by48'."),
        (["--dtype", "int8"], "dtype must be one of float32, float64, bfloat16, float16; got 'int8'."),
        (["--layout", "nhwc"], "layout must be one of contiguous, channels_last; got 'nhwc'."),
        (["--device", "tpu"], "device must be cpu, cuda or cuda:N; got 'tpu'."),
        (["--device", "cpu:0"], "device must be cpu, cuda or cuda:N; got 'cpu:0'."),
        (["--channels", ","], "channels needs at least one value; got ','."),
        (["--quick", "--full"], "--quick and --full exclude each other."),
    ],
)
def test_a_wrong_option_is_wrong_usage_in_one_sentence(
    arguments: list[str], message: str, tmp_path: Path, here: Here
) -> None:
    result = here("run", *arguments, "--output", tmp_path / "out.json")
    assert result.returncode == 2
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_must_be_told_where_to_write(here: Here) -> None:
    result = here("run", "--quick")
    assert (result.returncode, "--output FILE.json is needed" in result.stderr) == (2, True)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, here: Here) -> None:
    (tmp_path / "file").write_text("")
    write_run(small_run(), tmp_path / "a.json")
    result = here("report", "a.json", "--output", "file/plots", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "upbench: file/plots: Not a directory.\n"


def test_a_run_that_measures_nothing_fails_and_says_why(tmp_path: Path, here: Here) -> None:
    axes = ("--upsampler", "nearest_conv_staged", "--scale", "3", "--channels", "4")
    result = here("run", *axes, "--output", tmp_path / "out.json")
    assert result.returncode == 1
    assert "1 cases (1 unsupported) written" in result.stdout
    assert "scales 2, 4, 8, …; got 3." in result.stdout


def test_an_unfinished_sweep_in_the_way_is_wrong_usage(tmp_path: Path, here: Here) -> None:
    with Journal.create(tmp_path / "out.json", {"schema": 1}):
        pass
    result = here("run", *TINY, "--output", tmp_path / "out.json")
    assert (result.returncode, "--resume" in result.stderr) == (2, True)


@pytest.mark.parametrize("text", ["{", '{"benchmarks": []}', "[]"])
def test_a_damaged_or_foreign_file_fails_without_a_traceback(text: str, tmp_path: Path, here: Here) -> None:
    (tmp_path / "bad.json").write_text(text)
    for arguments in (["report", "bad.json", "--output", "plots"], ["compare", "bad.json", "bad.json"]):
        result = here(*arguments, cwd=tmp_path)
        assert result.returncode == 1
        assert "bad.json" in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "plots").exists()


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path, here: Here) -> None:
    result = here("report", tmp_path / "none.json", "--output", tmp_path / "plots")
    assert result.returncode == 2
    assert "does not exist" in " ".join(result.stderr.split())


def test_records_of_two_machines_stand_beside_each_other(tmp_path: Path, here: Here) -> None:
    write_run(small_run(), tmp_path / "a.json")
    write_run(run_of(small_run().records, cpu="Another CPU"), tmp_path / "b.json")
    result = here("report", "a.json", "b.json", "--output", "plots", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    of_each, of_both = ["• Test CPU", "• Another CPU"], "• Another upsampler wins where one thing alone is changed"
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [*of_each, of_both, "Report"]


def test_runs_of_one_machine_with_different_software_make_no_report(tmp_path: Path, here: Here) -> None:
    write_run(small_run(), tmp_path / "a.json")
    write_run(run_of(small_run().records, torch="2.12.0"), tmp_path / "b.json")
    result = here("report", "a.json", "b.json", "--output", "plots", cwd=tmp_path)
    assert result.returncode == 1
    assert "different conditions (torch 2.13.0+cpu → 2.12.0 differ)" in " ".join(result.stderr.split())


def test_compare_shows_the_ratio_its_interval_and_what_changed(tmp_path: Path, here: Here) -> None:
    before = run_of([measured(case("subpixel"), [1.0, 1.01, 0.99]), measured(case("transposed"), [1.0, 1.01, 0.99])])
    after = run_of(
        [measured(case("subpixel"), [1.5, 1.51, 1.49], flops=11), measured(case("transposed"), [1.0, 1.01, 0.99])]
    )
    write_run(before, tmp_path / "a.json")
    write_run(after, tmp_path / "b.json")
    result = here("compare", "a.json", "b.json", cwd=tmp_path)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    slower = next(line for line in lines if "subpixel" in line)
    assert "1.500" in slower
    assert "slower" in result.stdout
    assert "flops" in result.stdout
    assert "no difference" in result.stdout


def test_compare_refuses_latencies_of_different_machines(tmp_path: Path, here: Here) -> None:
    write_run(small_run(), tmp_path / "a.json")
    write_run(run_of(small_run().records, cpu="Another CPU"), tmp_path / "b.json")
    result = here("compare", "a.json", "b.json", cwd=tmp_path)
    assert "Different conditions (cpu): latencies are not comparable" in " ".join(result.stdout.split())
    assert "B slower" not in result.stdout


def test_compare_answers_whether_new_software_is_slower(tmp_path: Path, here: Here) -> None:
    for name, version in (("a", "2.13.0"), ("b", "2.14.0")):
        write_run(run_of(small_run().records, torch=version), tmp_path / f"{name}.json")
    result = here("compare", "a.json", "b.json", cwd=tmp_path)
    assert "Other software: torch 2.13.0 → 2.14.0." in " ".join(result.stdout.split())
    assert "not comparable" not in result.stdout


def test_a_dry_run_prints_the_cases_and_an_estimate_and_measures_nothing(tmp_path: Path, here: Here) -> None:
    result = here("run", *TINY, "--dry-run", cwd=tmp_path)
    assert result.returncode == 0
    assert "subpixel-x2-c4-4to4-8x9-b1-float32-contiguous-t1-cpu-eager" in result.stdout
    assert "4 cases, roughly 1 min" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_allows_for_what_is_not_supported(tmp_path: Path, here: Here) -> None:
    result = here("run", "--upsampler", "transposed_9x9", "--scale", "9,10", "--channels", "4", "--dry-run")
    assert (result.returncode, result.stderr) == (0, "")


def test_runtimes_steps_and_exact_forms_are_axes_and_what_a_runtime_does_not_do_stays_with_its_reason(
    tmp_path: Path, here: Here
) -> None:
    few = ["--upsampler", "nearest_conv.phases", "--scale", "2", "--channels", "4", "--size", "8x9"]
    axes = ["--runtime", "eager,onnx", "--step", "inference,training", "--time-limit", "1"]
    result = here("run", *few, *axes, "--output", tmp_path / "axes.json")
    assert result.returncode == 0, result.stderr
    records = read_run(tmp_path / "axes.json").records
    assert len(records) == 4
    for record in records:
        cell, quantities = record.case.cell, record.quantities
        if (cell.runtime, cell.step) == ("onnx", "training"):
            assert record.outcome_reason == "ONNX Runtime is run for inference only"
            continue
        assert record.measured, record.outcome_reason
        assert quantities["conversion_s"] > 0
        assert (quantities["peak_allocated_bytes"] is None) == (cell.runtime == "onnx")
        assert (quantities["gradient_bytes"] is None) == (cell.step == "inference")
    report = here("report", tmp_path / "axes.json", "--output", tmp_path / "report")
    assert report.returncode == 0, report.stderr
    assert "not measured in 1" in report.stdout  # ONNX Runtime's memory


def test_exact_forms_stand_beside_their_usual_one(here: Here) -> None:
    listed = here("run", "--upsampler", "nearest_conv", "--exact-forms", "--scale", "2", "--channels", "4", "--dry-run")
    names = ["nearest_conv", *upsample.exact_names("nearest_conv")]
    assert [line.partition("-")[0] for line in listed.stdout.splitlines()[:-1]] == names


def test_a_wrong_runtime_or_step_is_wrong_usage(here: Here) -> None:
    result = here("run", "--runtime", "tensorrt", "--dry-run")
    assert (result.returncode, result.stderr.strip()) == (
        2,
        "upbench: runtime must be one of eager, compiled, cudagraph, litert, ncnn, onnx, openvino; got 'tensorrt'.",
    )
    result = here("run", "--step", "train", "--dry-run")
    assert "step must be one of inference, training; got 'train'." in result.stderr


def test_fractional_scales_are_measured_where_they_can_be_and_refused_by_name_elsewhere(
    tmp_path: Path, here: Here
) -> None:
    few = ["--upsampler", "subpixel,liif", "--scale", "2.0,1.5,1.5x2", "--channels", "4", "--size", "8x9"]
    result = here("run", *few, "--time-limit", "1", "--output", tmp_path / "fractional.json")
    assert result.returncode == 0, result.stderr
    records = {record.case.id: record for record in read_run(tmp_path / "fractional.json").records}
    assert {record.case.cell.scale for record in records.values()} == {2, 1.5, (1.5, 2)}
    unsupported = [record for record in records.values() if record.outcome == "unsupported"]
    assert [record.outcome_reason for record in unsupported] == [
        "SubPixel takes whole scales of at least 2; got 1.5.",
        "SubPixel takes whole scales of at least 2; got (1.5, 2).",
    ]
    assert records["liif-x1.5x2-c4-4to4-8x9-b1-float32-contiguous-t1-cpu-eager"].measured
    report = here("report", tmp_path / "fractional.json", "--output", tmp_path / "report")
    assert report.returncode == 0, report.stderr
    assert "×1.5x2" in (tmp_path / "report" / "results.md").read_text()


@pytest.fixture(scope="module")
def own_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Classes that know nothing of us, by their path and from an installed package; some break the contract."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(OWN, folder / "mine.py")
    path = installed(folder / "site")
    few = ["--upsampler", "subpixel,repeat,mine:TooSmall,mine:TooManyChannels,mine:NotANumber", "--scale", "2"]
    own = ["--module", "mine:Plain", "--module", "mine:Stated", "--module", "mine:Sorting"]
    rest = ["--channels", "4", "--size", "8x9", "--time-limit", "1", "--output", folder / "mine.json"]
    result = upbench("run", *few, *own, *rest, cwd=folder, environment={"PYTHONPATH": path})
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "mine.json", result


def installed(folder: Path) -> str:
    """A package with an entry point; returns the PYTHONPATH on which it is found."""
    metadata = folder / "theirs-1.0.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(OWN, folder / "theirs.py")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[upsample_bench.upsamplers]\nrepeat = theirs:Stated\n")
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def test_a_class_of_ones_own_is_measured_beside_the_others(
    own_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path, here: Here
) -> None:
    run = read_run(own_run[0])
    measured = [record.case.upsampler for record in run.records if record.measured]
    assert measured == ["subpixel", "repeat", "mine:Plain", "mine:Stated", "mine:Sorting"]
    assert run.facts["cards"]["mine:Plain"]["advice"] == "Nearest and a convolution, written by somebody else."
    assert run.facts["cards"]["mine:Stated"]["title"] == "My repeat"
    report = here("report", own_run[0], "--output", tmp_path / "report")
    assert report.returncode == 0, report.stderr
    assert "My repeat" in (tmp_path / "report" / "results.md").read_text()


def test_classes_that_break_the_contract_are_refused_with_what_they_returned(
    own_run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    small, many, not_finite = (line for line in own_run[1].stdout.splitlines() if line.startswith("  refused: mine:"))
    given = "for an input of (1, 4, 8, 9), expected (1, 4, 16, 18)"
    assert small.endswith(f": TooSmall returned shape (1, 4, 15, 18) {given}")
    assert many.endswith(f": TooManyChannels returned shape (1, 8, 16, 18) {given}")
    assert re.search(r": NotANumber returned values that are not finite, \d+\.\d% of them", not_finite)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere:Class", "'nowhere:Class' is not an upsampler that can be imported: No module named 'nowhere'."),
        ("mine:Missing", "'mine:Missing' is not an upsampler that can be imported: module 'mine' has no attribute"),
        ("mine:no_class", "'mine:no_class' must be a class derived from torch.nn.Module; it is <function"),
    ],
)
def test_a_path_that_leads_to_no_class_is_wrong_usage(path: str, sentence: str, tmp_path: Path, here: Here) -> None:
    shutil.copy(OWN, tmp_path / "mine.py")
    result = here("run", "--module", path, "--output", tmp_path / "mine.json", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_installed_package_adds_its_upsampler_by_an_entry_point(
    own_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    listed = upbench("list", "--json", environment={"PYTHONPATH": installed(tmp_path / "site")})
    assert listed.returncode == 0, listed.stderr
    assert [row["title"] for row in json.loads(listed.stdout) if row["name"] == "repeat"] == ["My repeat"]
    (record,) = (record for record in read_run(own_run[0]).records if record.case.upsampler == "repeat")
    assert (record.measured, record.quantities["flops"]) == (True, 0)


def test_list_as_json_has_every_upsampler_once(here: Here) -> None:
    import upsample

    rows = json.loads(here("list", "--json").stdout)
    assert [row["name"] for row in rows] == upsample.names()
    subpixel = next(row for row in rows if row["name"] == "subpixel")
    assert (subpixel["params"], subpixel["macs_per_pixel"]) == (36 * 64 * 64 + 256, 36 * 64 * 64)


def test_list_and_doctor_print_a_table(here: Here) -> None:
    assert "subpixel_staged" in here("list").stdout
    doctor = here("doctor")
    assert doctor.returncode == 0
    for subject in ("cores", "load", "frequency", "allocator", "throttling"):
        assert subject in doctor.stdout


@pytest.mark.parametrize(
    "command", ["run", "quality", "report", "recommend", "compare", "list", "doctor", "export", "serve"]
)
def test_every_command_has_help_with_an_example(command: str, here: Here) -> None:
    result = here(command, "--help")
    assert result.returncode == 0
    assert f"Example: upbench {command}" in " ".join(result.stdout.split())


def wait_for_lines(journal: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if journal.exists() and journal.read_text().count("\n") >= count:
            return
        time.sleep(0.02)
    raise TimeoutError(f"{journal} never had {count} lines")


def test_a_sweep_killed_in_the_middle_is_continued_without_measuring_anything_twice(tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    command = [sys.executable, "-m", "upbench", "run", *TINY, "--output", str(output)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        wait_for_lines(Journal.path_for(output), 12)
        process.kill()
    before = Journal.path_for(output).read_text().splitlines()
    assert not output.exists()
    result = upbench("run", *TINY, "--output", output, "--resume")
    assert result.returncode == 0, result.stderr
    finished = [json.loads(line) for line in before[1:] if line.endswith("}")]
    records = {record.case.id: record for record in read_run(output).records}
    for entry in finished:
        for name, found in entry.get("rivals", {}).items():
            kept = records[name]
            assert entry["launch"] in kept.quantities["launch_ids"]
            # A record has fewer digits than the journal.
            rounds = [float(f"{seconds:.{compact.SIGNIFICANT_DIGITS}g}") for seconds in found["rounds_s"]]
            assert set(rounds) <= set(kept.rounds_s)
    for record in records.values():
        ids = record.quantities["launch_ids"] or []
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_keeps_the_journal_says_how_to_go_on_and_clears_up(tmp_path: Path, stop: signal.Signals) -> None:
    output = tmp_path / "out.json"
    # The name of a socket in tmp_path would be too long for the kernel.
    with tempfile.TemporaryDirectory() as temporary:
        process = subprocess.Popen(
            [sys.executable, "-m", "upbench", "run", *TINY, "--output", str(output)],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_as_in_a_terminal,
            env=os.environ | {"TMPDIR": temporary},
        )
        wait_for_lines(Journal.path_for(output), 6)
        assert list(Path(temporary).glob("upbench-*"))
        process.send_signal(stop)
        _, stderr = process.communicate(timeout=30)
        assert not list(Path(temporary).glob("upbench-*"))
    assert process.returncode == 130
    assert f"To go on: upbench run {' '.join(TINY)} --output {output} --resume" in stderr
    assert "Traceback" not in stderr
    for line in Journal.path_for(output).read_text().splitlines():
        json.loads(line)


def test_a_temporary_folder_that_cannot_hold_a_socket_is_named(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "upbench", "run", *TINY, "--output", str(tmp_path / "out.json")],
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    assert (result.returncode, result.stderr.strip()) == (
        1,
        f"upbench: the fork server's socket would have too long a name in {folder}: "
        "set TMPDIR to a folder with a shorter one.",
    )


def _as_in_a_terminal() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_report_in_chinese_with_quality_beside_the_run(here: Here, tmp_path: Path) -> None:
    run, quality, output = tmp_path / "run.json", tmp_path / "quality.json", tmp_path / "plots"
    write_run(small_run(), run)
    write_quality(quality_run(), quality)
    done = here("report", run, quality, "--output", output, "--lang", "zh", "--reference", quality)
    assert done.returncode == 0
    assert "最快：" in done.stdout
    page = (output / "report.html").read_text()
    assert page.startswith('<!doctype html>\n<html lang="zh-Hans">')
    assert '<section id="quality">' in page


def test_a_report_needs_a_run(here: Here, tmp_path: Path) -> None:
    write_quality(quality_run(), tmp_path / "quality.json")
    done = here("report", tmp_path / "quality.json", "--output", tmp_path / "plots")
    assert done.returncode == 2
    assert "needs a run of upbench run" in done.stderr
