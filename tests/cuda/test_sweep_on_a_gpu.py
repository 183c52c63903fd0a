"""A whole run on a GPU, from the command line to the report."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.upbench.commands import Here
from tests.upbench.conftest import here as here
from upbench.processes.gpu_watch import NVML
from upbench.records.record import read_run

pytestmark = pytest.mark.cuda


def test_a_run_of_a_few_cases_has_every_figure_and_a_report(here: Here, tmp_path: Path) -> None:
    upsamplers = "subpixel,transposed,nearest_conv,conv_bilinear,carafe"
    result = here(
        *("run", "--device", "cuda", "--upsampler", upsamplers, "--scale", "2", "--channels", "16", "--size", "48"),
        *("--runtime", "eager,cudagraph", "--tf32", "off,on", "--budget", "4", "--output", tmp_path / "run.json"),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    run = read_run(tmp_path / "run.json")
    assert len(run.records) == 5 * 2 * 2
    assert {record.outcome for record in run.records} <= {"ok", "unstable"}
    assert [each["device"] for each in run.facts["clocks"]] == ["cuda"]
    assert {each["dtype"] for each in run.facts["limits"]} == {"float32", "tf32"}
    assert {"cuda", "cudnn"} <= run.fingerprint["versions"].keys()
    for record in run.records:
        told = record.quantities
        assert told["launches"] >= 4
        assert told["peak_cuda_reserved_bytes"] >= told["peak_cuda_allocated_bytes"] > 0
        assert min(told["device_s"], told["queueing_s"]) > 0
        assert ("slowed_share" in told) == (find_spec(NVML) is not None)
        print(
            f"{record.case.id}: {told['latency_s'] * 1e6:.1f} µs, of the device {told['device_s'] * 1e6:.1f}, "
            f"queueing {told['queueing_s'] * 1e6:.1f}, error {told['definition_error']:.1e}"
        )
    by_case = {(r.case.upsampler, r.case.cell.runtime, r.case.cell.tf32): r for r in run.records}
    shared = (by_case["carafe", runtime, "off"].levels.keys() for runtime in ("eager", "cudagraph"))
    assert set.intersection(*map(set, shared))
    assert here("report", tmp_path / "run.json", "--output", tmp_path / "report").returncode == 0


def test_the_doctor_looks_at_the_gpu(here: Here) -> None:
    result = here("doctor")
    assert result.returncode == 0
    assert "MHz by events and cycles" in " ".join(result.stdout.split())
