"""Where the time of the fastest exact forms goes, cell by cell, and write the page that says so.

    python docs/limit_profile.py results/exact_forms.json results/exact_forms_64to64.json

A form's share of the machine's limit is the product of two: the share of its time that convolutions and matrix products
take, and the share of the limit that they reach meanwhile. The first comes from each runtime's own profiler, in one
process and one thread; the second follows, with the operations that the form's closed form counts. Nothing else should
run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from tabulate import tabulate
from torch.profiler import ProfilerActivity, profile

from upbench.cases.case import scale_text
from upbench.processes.control import Control
from upbench.records.record import read_run
from upbench.report.evidence import Evidence, gather
from upbench.report.exact_section import Choice, in_each_cell, is_compute_bound
from upbench.runtimes.onnx import exported, session_options
from upbench.runtimes.openvino import core, latency_settings
from upbench.runtimes.workload import Workload, build, gradients_as_in

PAGE = Path(__file__).parent / "limit_profile.md"

ARITHMETIC = ("conv", "mm", "gemm", "einsum", "deconv")
"""In the names of operators that the limit is about."""

CALLS = 30
WARM_S = 0.2

Seconds = dict[str, float]
"""Of one call, by operator."""

HEADERS = (
    "runtime", "layout", "upsampler", "cell", "form", "share of the limit",
    "time in convolutions", "share of the limit meanwhile", "most of the rest",
)  # fmt: skip


def in_torch(workload: Workload) -> Seconds:
    """By torch's profiler; what no operator accounts for is Python's and the dispatcher's."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        begun = time.perf_counter()
        for _ in range(CALLS):
            workload.call()
        elapsed = time.perf_counter() - begun
    found: Seconds = defaultdict(float)
    for each in seen.key_averages():
        name = "compiled kernels" if "CompiledFxGraph" in each.key else each.key
        found[name] += each.self_cpu_time_total * 1e-6 / CALLS
    return {**found, "between operators": max(0.0, elapsed / CALLS - sum(found.values()))}


def in_onnx(workload: Workload) -> Seconds:
    """By ONNX Runtime's profiler."""
    import onnxruntime

    options = session_options()
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        model = exported(workload.module, workload.inputs)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        feeds = {
            given.name: each.detach().numpy() for given, each in zip(session.get_inputs(), workload.inputs, strict=True)
        }
        for _ in range(CALLS):
            session.run(None, feeds)
        events = json.loads(Path(session.end_profiling()).read_text())
    found: Seconds = defaultdict(float)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            found[event["args"]["op_name"]] += event["dur"] * 1e-6 / CALLS
    return dict(found)


def in_openvino(workload: Workload) -> Seconds:
    """By OpenVINO's performance counters, which tell of the last call: the median of some."""
    import openvino

    with torch.no_grad():
        model = openvino.convert_model(
            workload.module, example_input=workload.inputs, input=[tuple(each.shape) for each in workload.inputs]
        )
    settings = {**latency_settings(workload.input.dtype), "PERF_COUNT": True}
    request = core().compile_model(model, "CPU", settings).create_infer_request()
    feeds = [openvino.Tensor(each.detach().numpy()) for each in workload.inputs]
    seen: dict[str, list[float]] = defaultdict(list)
    for _ in range(CALLS):
        request.infer(feeds)
        call: Seconds = defaultdict(float)
        for each in request.profiling_info:
            call[each.node_type] += each.real_time.total_seconds()
        for name, seconds in call.items():
            seen[name].append(seconds)
    return {name: median(values) for name, values in seen.items()}


PROFILERS: dict[str, Callable[[Workload], Seconds]] = {
    "eager": in_torch,
    "compiled": in_torch,
    "onnx": in_onnx,
    "openvino": in_openvino,
}


def split(found: Seconds) -> tuple[float, str]:
    """The share of the time in convolutions and products, and what takes most of the rest, with its share."""
    whole = sum(found.values())
    rest = {name: s for name, s in found.items() if not any(word in name.lower() for word in ARITHMETIC)}
    most = max(rest, key=lambda name: rest[name], default="")
    share = rest[most] / whole if most else 0.0
    name = most.removeprefix("aten::")
    return 1 - sum(rest.values()) / whole, f"{name} {share:.0%}" if share >= 0.005 else "–"


def line(evidence: Evidence, choice: Choice) -> list[str]:
    """One cell: build its fastest form, let its runtime profile it, and put the shares together."""
    case, share = choice.best.case, choice.share
    assert share is not None
    with gradients_as_in(case.cell), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workload = build(case)
        _warm(workload)
        convolving, most = split(PROFILERS[case.cell.runtime](workload))
    cell = case.cell
    return [
        cell.runtime,
        cell.layout,
        evidence.title(choice.name),
        f"×{scale_text(cell.scale)} {cell.in_channels}→{cell.out_channels}",
        case.upsampler.partition(".")[2] or "the usual one",
        f"{share:.0%}",
        f"{convolving:.0%}",
        f"{share / convolving:.0%}" if convolving > 0.01 else "–",
        most,
    ]


def _warm(workload: Workload) -> None:
    end = time.perf_counter() + WARM_S
    while time.perf_counter() < end:
        workload.call()
    Control()()


def lines(evidence: Evidence) -> Iterator[list[str]]:
    """Every cell whose limit is arithmetic."""
    for choice in in_each_cell(evidence):
        if choice.share is not None and is_compute_bound(evidence, choice.best):
            yield line(evidence, choice)


def page(evidence: Evidence, rows: list[list[str]]) -> str:
    """The page, with what the table comes to in a sentence."""
    shares, convolving, meanwhile = ([float(row[at].rstrip("%")) for row in rows if row[at] != "–"] for at in (5, 6, 7))
    few = [float(row[7].rstrip("%")) for row in rows if row[7] != "–" and not row[3].endswith("64→64")]
    many = [float(row[7].rstrip("%")) for row in rows if row[7] != "–" and row[3].endswith("64→64")]
    machine = evidence.runs[0].fingerprint
    return f"""# What stands between exact forms and the limit

Written by `python docs/limit_profile.py` from `results/exact_forms.json` and `results/exact_forms_64to64.json`, on
{machine["cpu"]}, one thread, torch {machine["torch"]}. The limit is the rate of a 3×3 convolution between 128 channels.

In the {len(rows)} cells whose limit is arithmetic the fastest form reaches {median(shares):.0f}% of it, in the median
as all that follows. Its time goes to convolutions and matrix products for {median(convolving):.0f}%; while these run
they reach {median(meanwhile):.0f}% of the limit: {median(few):.0f}% into the few channels of a tail,
{median(many):.0f}% between 64 channels. The last column names what takes most of the rest.

{tabulate(rows, HEADERS, tablefmt="github", disable_numparse=True)}

Shares of time are a profiler's, which adds about a microsecond to each operator: of the smallest cells it overstates
what is not convolved, and what was reached meanwhile may come out above the limit. Where a runtime fuses what follows
into the convolution, it is counted with it.
"""


def main() -> None:
    """Profile every cell, and write the page."""
    parser = argparse.ArgumentParser(description="Say where the time of exact forms goes.")
    parser.add_argument("files", nargs="+", type=Path, help="runs with exact forms, of this machine")
    parser.add_argument("--output", type=Path, default=PAGE)
    chosen = parser.parse_args()
    evidence = gather([read_run(file) for file in chosen.files])
    chosen.output.write_text(page(evidence, list(lines(evidence))))


if __name__ == "__main__":
    main()
