"""Every upsampler, exact form and setting computes on a GPU what it promises, within what its arithmetic allows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

import upsample
from tests.upbench.own_upsamplers import Plain
from upbench import meters
from upbench.cases.case import Case, Cell
from upbench.cases.outcome import UnsupportedCaseError
from upbench.processes.isolation import Isolation
from upbench.runtimes.workload import build
from upbench.sweep import worker
from upbench.sweep.preloading import PRELOAD
from upsample.rewriting import proof

pytestmark = pytest.mark.cuda

CELL = Cell(2, 16, 16, 16, 24, 20, device="cuda")
WITH_FORMS = [each for name in upsample.names() for each in (name, *upsample.exact_names(name))]
QUICK = [card.name for card in upsample.cards() if card.preset == "quick"]


@pytest.fixture(autouse=True)
def switches_as_before() -> Any:
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark
    yield
    cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark = before


def case_of(name: str, cell: Cell) -> Case:
    ends = (3, 3) if upsample.card(name).kind == "network" else (16, 16)
    return Case(name, replace(cell, in_channels=ends[0], out_channels=ends[1]))


def error_of(case: Case) -> float:
    """The case's definition error; skips what it cannot be."""
    with torch.inference_mode():
        try:
            return float(meters.get("agreement").measure(build(case))["definition_error"])
        except UnsupportedCaseError as refusal:
            pytest.skip(str(refusal))


@pytest.mark.parametrize("name", WITH_FORMS)
def test_float32_means_float32(name: str) -> None:
    assert error_of(case_of(name, CELL)) < 1e-4


@pytest.mark.parametrize("name", WITH_FORMS)
def test_a_graph_replays_what_the_module_computes_from_what_its_input_holds_now(name: str) -> None:
    case = case_of(name, replace(CELL, runtime="cudagraph"))
    with torch.inference_mode():
        try:
            workload = build(case)
        except UnsupportedCaseError as refusal:
            pytest.skip(str(refusal))
        tolerance = {"rtol": 1e-4, "atol": 1e-4}
        torch.testing.assert_close(workload.call(), workload.module(*workload.inputs), **tolerance)
        workload.input.copy_(workload.input.flip(-1))
        torch.testing.assert_close(workload.call(), workload.module(*workload.inputs), **tolerance)


@pytest.mark.parametrize("switches", [{"cudnn_benchmark": "on"}, {"cache": "warm"}, {"step": "training"}])
@pytest.mark.parametrize("name", QUICK)
def test_other_settings_change_no_output(name: str, switches: dict[str, str]) -> None:
    assert error_of(case_of(name, replace(CELL, **switches))) < 1e-4  # type: ignore[arg-type]


def test_tf32_costs_what_its_ten_bits_do_and_no_more(device: torch.device) -> None:
    if torch.cuda.get_device_capability(device) < (8, 0):
        pytest.skip("the GPU has no TF32")
    # A long sum of large values: 576 products for each output.
    cell = Cell(2, 64, 64, 64, 64, 64, device="cuda")
    exact = error_of(Case("subpixel", cell))
    rounded = error_of(Case("subpixel", replace(cell, tf32="on")))
    print(f"definition error {exact:.1e} in float32, {rounded:.1e} in TF32")
    assert exact < 1e-5 < rounded < 5e-3


def test_a_worker_measures_under_the_switches_of_its_case() -> None:
    isolation = Isolation(preload=PRELOAD)
    cell = replace(CELL, tf32="on", cudnn_benchmark="on", cache="warm")
    outcome = isolation.call(worker.measure, Case("subpixel", cell), meters.of_stage("examine"), timeout=120)
    assert outcome.kind == "ok", outcome.reason
    assert outcome.value["device_s"] > 0
    assert outcome.value["queueing_s"] > 0
    assert outcome.value["unjoined_s"] < 1e-4


def test_a_class_that_leaves_work_on_another_stream_is_refused() -> None:
    case = Case("tests.upbench.own_upsamplers:Unjoined", Cell(2, 4, 4, 4, 16, 16, device="cuda"))
    outcome = Isolation(preload=PRELOAD).call(worker.measure, case, ("unjoined_work",), timeout=120)
    assert (outcome.kind, "they leave work on a stream" in (outcome.reason or "")) == ("refused", True)


@pytest.mark.parametrize("tf32", [False, True])
def test_rewriting_allows_the_rounding_that_torch_is_told_to_make_and_no_more(device: torch.device, tf32: bool) -> None:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    model = torch.nn.Sequential(Plain(64, 64, 2), torch.nn.ReLU(), Plain(64, 3, 2)).eval().to(device)
    input = torch.rand(1, 64, 48, 48, device=device)
    faster, report = upsample.rewrite(model, input)
    print(report)
    assert proof.tolerance([input]) == (2e-2 if tf32 else 1e-4)
    assert not any("would differ" in (site.reason or "") for site in report.sites)
    with torch.no_grad():
        assert proof.difference([model(input)], [faster(input)]) <= proof.tolerance([input])
