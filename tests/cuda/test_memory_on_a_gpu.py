"""Peaks of memory on a GPU against arithmetic, and a shortage that costs nobody else anything."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from upbench import meters
from upbench.cases.case import Case, Cell
from upbench.meters.cuda_memory import peak_cuda_memory
from upbench.processes.isolation import Isolation
from upbench.runtimes.workload import build
from upbench.sweep import worker
from upbench.sweep.preloading import PRELOAD

pytestmark = pytest.mark.cuda

MIB = 2**20


def test_peaks_are_those_of_known_tensors(device: torch.device) -> None:
    def call() -> Tensor:
        between = torch.empty(96 * MIB, dtype=torch.uint8, device=device)
        made = torch.empty(32 * MIB, dtype=torch.uint8, device=device)
        del between
        return made

    kept = torch.empty(50 * MIB, dtype=torch.uint8, device=device)
    exact = {"peak_cuda_allocated_bytes": 128 * MIB, "peak_cuda_reserved_bytes": 128 * MIB}
    assert peak_cuda_memory(call, torch.cuda) == exact
    # What was cached before makes no difference.
    call()
    assert peak_cuda_memory(call, torch.cuda) == exact
    assert kept.numel() == 50 * MIB


@pytest.mark.parametrize("upsampler", ["subpixel", "nearest_conv"])
def test_peaks_of_an_upsampler_hold_its_tensors(upsampler: str) -> None:
    """The output, and as much again: what is convolved for all phases, or what is convolved after growing."""
    case = Case(upsampler, Cell(2, 64, 64, 64, 256, 256, device="cuda"))
    with torch.inference_mode():
        found = meters.get("cuda_memory").measure(build(case))
    assert found["peak_cuda_allocated_bytes"] >= 128 * MIB
    assert found["peak_cuda_reserved_bytes"] >= found["peak_cuda_allocated_bytes"]


def test_the_peak_of_a_graph_holds_the_same_tensors() -> None:
    cell = Cell(2, 64, 64, 64, 256, 256, device="cuda", runtime="cudagraph")
    with torch.inference_mode():
        found = meters.get("cuda_memory").measure(build(Case("subpixel", cell)))
    assert found["peak_cuda_allocated_bytes"] >= 128 * MIB


def test_a_shortage_is_an_outcome_with_the_allocators_figures_and_the_next_case_is_unharmed() -> None:
    isolation = Isolation(preload=PRELOAD)
    cell = Cell(2, 4, 4, 4, 32, 32, device="cuda")
    names = ("agreement", "cuda_memory")
    greedy = Case("tests.upbench.own_upsamplers:Greedy", cell)
    before = isolation.call(worker.free_bytes, "cuda", timeout=120).value
    outcome = isolation.call(worker.measure, greedy, names, timeout=120)
    assert outcome.kind == "out_of_memory"
    said = r"cuda: .+; of [\d.]+ GiB tensors hold [\d.]+, the allocator's cache [\d.]+, and [\d.]+ are free"
    assert re.fullmatch(said, outcome.reason or ""), outcome.reason
    following = isolation.call(worker.measure, Case("subpixel", cell), names, timeout=120)
    assert following.kind == "ok", following.reason
    after = isolation.call(worker.free_bytes, "cuda", timeout=120).value
    assert after == pytest.approx(before, rel=0.05)
