"""Records with known figures, for everything behind the measuring: no case here was ever run."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

from upbench.cases.case import Case, Cell
from upbench.records.launches import Launch
from upbench.records.record import Record, Run, build_record
from upbench.records.statistics import launch_interval

FINGERPRINT = {
    "cpu": "Test CPU",
    "physical_cores": 2,
    "logical_cores": 2,
    "usable_cores": 2,
    "caches": {"L1 Data": "32K", "L2 Unified": "512K"},
    "memory_bytes": 8 << 30,
    "os": "Linux 6.1",
    "libc": "glibc 2.36",
    "python": "3.11.7",
    "torch": "2.13.0+cpu",
    "torch_build": "built for tests",
    "cpu_capability": "AVX2",
    "gpus": [],
}

TITLES = {
    "nearest_conv": ("Nearest + conv", "operator"),
    "nearest_conv.phases": ("Nearest + conv, as a conv for each phase", "operator"),
    "subpixel": ("Sub-pixel conv, one stage", "operator"),
    "nearest_conv_staged": ("Nearest + conv, staged", "operator"),
    "transposed": ("Transposed conv, k = 2s", "operator"),
    "transposed_phases": ("Transposed conv as s² small kernels", "operator"),
    "pre_upsampling": ("Network, upsampling first", "network"),
    "post_upsampling": ("Network, upsampling last", "network"),
}


def case(upsampler: str, scale: int = 2, channels: int = 16, **cell: Any) -> Case:
    ends = 3 if TITLES[upsampler][1] == "network" else channels
    return Case(upsampler, Cell(scale, channels, ends, ends, 48, 48, **cell))


def card(upsampler: str) -> dict[str, Any]:
    title, kind = TITLES[upsampler]
    family, (usual, dot, _) = "subpixel" if "subpixel" in upsampler else "another", upsampler.partition(".")
    return {"title": title, "kind": kind, "family": family, "exact_form_of": usual if dot else None}


CONTROL_S = 50e-6


def launches(medians: Sequence[float]) -> list[Launch]:
    return [
        Launch(str(number), log(median / CONTROL_S), (median,) * 3, 1, busy_share=0.25)
        for number, median in enumerate(medians)
    ]


def measured(the_case: Case, medians: Sequence[float], **quantities: Any) -> Record:
    fields = {
        "macs": 5_000_000,
        "flops": 10_000_000,
        "elementwise_ops": 0,
        "params": 2320,
        "min_bytes": 600_000,
        "peak_allocated_bytes": 3 << 20,
        "peak_tensor_bytes": 2 << 20,
        "peak_rss_bytes": 3 << 20,
        "definition_error": 4e-7,
        "allocator": "pinned",
        "stopped_by": "precision",
        "roofline_share": 0.5,
    }
    interval = launch_interval(medians)
    half_width = interval and interval.relative_half_width
    return build_record(the_case, "ok", None, fields | quantities, launches(medians), half_width)


def refused(the_case: Case, outcome: str = "unsupported", reason: str = "cannot do that scale") -> Record:
    return build_record(the_case, outcome, reason, {}, [])


def run_of(records: Sequence[Record], **fingerprint: Any) -> Run:
    names = dict.fromkeys(record.case.upsampler for record in records)
    facts = {
        "command": "upbench run --quick --output made-up.json",
        "version": "0.1.0",
        "pytest_benchmark_version": "5.3.1",
        "source": "0123456789abcdef",
        "protocol": "side by side",
        "controls": [{"threads": 1, "device": "cpu", "quiet_s": CONTROL_S}],
        "settings": {"allocator": "pinned", "precision": 0.03},
        "limits": [
            {"dtype": "float32", "threads": 1, "device": "cpu", "flops_per_s": 80e9, "bytes_per_s": 16e9},
        ],
        "cards": {name: card(name) for name in names},
    }
    machine = {"cpu": {"brand_raw": "Test CPU"}, "fingerprint": FINGERPRINT | fingerprint}
    commit = {"id": "0123456789abcdef", "dirty": False}
    return Run(tuple(records), machine, commit, facts, measured_at="2026-01-02T03:04:05+00:00")


def small_run() -> Run:
    """Two cells of operators and a pair of networks, with a winner, a tie, and one case for each kind of failure."""
    return run_of(
        [
            measured(case("nearest_conv"), [2.0e-3, 2.02e-3, 2.01e-3, 1.99e-3, 2.0e-3]),
            measured(case("subpixel"), [1.0e-3, 1.01e-3, 1.0e-3, 0.99e-3, 1.0e-3], peak_allocated_bytes=2 << 20),
            measured(case("transposed"), [1.5e-3, 1.52e-3, 1.5e-3, 1.49e-3, 1.5e-3], flops=4_000_000, macs=2_000_000),
            measured(case("transposed_phases"), [1.8e-3, 1.81e-3, 1.8e-3, 1.79e-3, 1.8e-3], flops=4_100_000),
            measured(case("nearest_conv_staged"), [1e-2, 3e-2, 9e-2, 2e-2, 4e-2]),
            measured(case("nearest_conv", 3), [3.0e-3, 3.3e-3, 3.1e-3, 3.0e-3, 3.2e-3]),
            measured(case("subpixel", 3), [3.1e-3, 3.2e-3, 3.0e-3, 3.1e-3, 3.2e-3]),
            refused(case("nearest_conv_staged", 3), reason="scales 2, 4, 8, …; got 3."),
            refused(case("transposed", 3), "timeout", "no answer within 120 s"),
            refused(case("transposed_phases", 3), "out_of_memory", "the worker was killed by SIGKILL"),
            measured(case("pre_upsampling"), [8e-3, 8.1e-3, 8e-3, 8e-3, 7.9e-3], flops=40_000_000),
            measured(case("post_upsampling"), [2e-3, 2.01e-3, 2e-3, 2e-3, 1.99e-3]),
        ]
    )
