"""When two runs may be compared, and what is said of what differs between them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.upbench.synthetic import case, measured, run_of
from upbench.records.comparison import machine_differences, version_differences
from upbench.records.record import Run

MEMORY = 8 << 30


def run(**fingerprint: Any) -> Run:
    return run_of([measured(case("subpixel"), [1e-3, 1.1e-3])], **fingerprint)


@pytest.mark.parametrize("memory", [MEMORY - (4 << 20), MEMORY + 4096, int(MEMORY * 0.991)])
def test_memory_that_differs_by_what_a_kernel_keeps_is_the_same_machine(memory: int) -> None:
    assert machine_differences(run(memory_bytes=MEMORY), run(memory_bytes=memory)) == []


@pytest.mark.parametrize("memory", [MEMORY // 2, int(MEMORY * 1.05)])
def test_other_memory_is_another_machine(memory: int) -> None:
    assert machine_differences(run(memory_bytes=MEMORY), run(memory_bytes=memory)) == ["memory_bytes"]


def test_other_software_on_the_same_machine_is_compared_and_named() -> None:
    before = run(torch="2.12.0", python="3.11.7", versions={"onnxruntime": "1.22.0", "compiler": "g++ 12"})
    after = run(torch="2.13.0", python="3.12.1", versions={"onnxruntime": "1.23.0", "openvino": "2026.1"})
    assert machine_differences(before, after) == []
    assert version_differences(before, after) == [
        "torch 2.12.0 → 2.13.0",
        "python 3.11.7 → 3.12.1",
        "onnxruntime 1.22.0 → 1.23.0",
    ]


def test_a_record_of_before_the_versions_were_told_differs_in_none() -> None:
    assert version_differences(run(torch="2.13.0", versions={}), run(torch="2.13.0", versions={"onnx": "1.19"})) == []
