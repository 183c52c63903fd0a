"""The meters against figures that were established by hand."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import upsample
from upbench import meters
from upbench.cases import inputs
from upbench.cases.case import Case, Cell
from upbench.cases.outcome import UnsupportedCaseError
from upbench.meters.agreement import WrongOutputError
from upbench.meters.arithmetic import CountMismatchError
from upbench.meters.tensor_memory import LiveTensors
from upbench.processes.isolation import Isolation
from upbench.processes.stopwatch import CoreClock, WallClock
from upbench.runtimes.workload import Workload, build, prepare
from upbench.sweep import worker
from upbench.sweep.preloading import PRELOAD
from upsample.contract import Work
from upsample.families.subpixel import SubPixel

MIB = 2**20


def workload(upsampler: str, channels: int = 64, side: int = 256, **cell: Any) -> Workload:
    return build(Case(upsampler, Cell(2, channels, channels, channels, side, side, **cell)))


@pytest.mark.parametrize(
    ("upsampler", "tensors_mib", "allocated_mib"),
    # One image of 64 channels at 256×256 in float32; measured by three methods before this project existed.
    [("transposed", 64, 192), ("subpixel", 128, 128), ("nearest_conv", 128, 192)],
)
def test_peaks_are_the_known_ones(upsampler: str, tensors_mib: int, allocated_mib: int) -> None:
    case = Case(upsampler, Cell(2, 64, 64, 64, 256, 256))
    isolation = Isolation(preload=PRELOAD)
    exact = isolation.call(worker.measure, case, ("tensor_memory", "allocated_memory"), timeout=60).value
    assert exact["peak_tensor_bytes"] == tensors_mib * MIB
    assert exact["peak_allocated_bytes"] == pytest.approx(allocated_mib * MIB, rel=0.01)
    resident = isolation.call(worker.measure, case, ("resident_memory",), timeout=60).value
    assert resident["peak_rss_bytes"] == pytest.approx(allocated_mib * MIB, rel=0.02)


def test_carafe_takes_at_most_a_fifth_of_the_memory_of_its_unfold_form() -> None:
    lean, unfolded = workload("carafe", side=128), workload("carafe_unfolded", side=128)
    with torch.inference_mode():
        peaks = {
            meter: [meters.get(meter).measure(each) for each in (lean, unfolded)]
            for meter in ("allocated_memory", "tensor_memory")
        }
    for meter, field in (("allocated_memory", "peak_allocated_bytes"), ("tensor_memory", "peak_tensor_bytes")):
        small, large = (peak[field] for peak in peaks[meter])
        assert small * 5 <= large


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_an_exact_form_takes_at_most_a_third_of_the_memory_of_the_image_it_does_not_make(layout: str) -> None:
    cell = Cell(4, 16, 16, 3, 96, 96, layout=layout)
    with torch.inference_mode():
        usual, form = (
            meters.get("allocated_memory").measure(build(Case(name, cell)))["peak_allocated_bytes"]
            for name in ("nearest_conv", "nearest_conv.shuffled")
        )
    assert form * 3 <= usual


def test_live_tensors_are_counted_until_the_last_one_is_gone() -> None:
    input = torch.zeros(1000)
    with LiveTensors([input]) as tensors:
        a = input + 1
        view = a.view(10, 100)
        del a
        assert tensors.live_bytes == 4000
        b = view * 2
        assert tensors.live_bytes == 8000
        del view, b
        gc.collect()
        assert tensors.live_bytes == 0
        input.view(10, 100)
        assert tensors.live_bytes == 0
    assert tensors.peak_bytes == 8000


class WrongShape(SubPixel):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input)[:, :, 1:]


class WrongChannels(SubPixel):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input)[:, 1:]


class NoTensor(SubPixel):
    def forward(self, input: torch.Tensor) -> Any:
        return [super().forward(input)]


class NotFinite(SubPixel):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) / 0


class WrongValues(SubPixel):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) * 1.001


class WrongCost(SubPixel):
    def work(self, batch: int, height: int, width: int) -> Work:
        return Work(flops=1)


@pytest.mark.parametrize(
    ("cls", "error", "message"),
    [
        (
            WrongShape,
            WrongOutputError,
            r"WrongShape returned shape \(1, 4, 15, 16\) for an input of \(1, 4, 8, 8\), expected \(1, 4, 16, 16\)",
        ),
        (WrongChannels, WrongOutputError, r"returned shape \(1, 3, 16, 16\) for .*, expected \(1, 4, 16, 16\)"),
        (NoTensor, WrongOutputError, r"NoTensor returned list for an input of \(1, 4, 8, 8\), expected a tensor"),
        (NotFinite, WrongOutputError, r"returned values that are not finite, 100.0% of them, for a finite input"),
        (WrongValues, WrongOutputError, "differs from the definition by 1.0e-03"),
    ],
)
def test_a_wrong_output_is_refused(cls: type[SubPixel], error: type[Exception], message: str) -> None:
    right = workload("subpixel", 4, 8)
    with torch.inference_mode(), pytest.raises(error, match=message):
        meters.get("agreement").measure(prepare(right.case, cls(4, 4, 2), right.inputs))


def test_a_wrong_closed_form_is_refused() -> None:
    right = workload("subpixel", 4, 8)
    with pytest.raises(CountMismatchError, match="closed form says 1 FLOPs"):
        meters.get("arithmetic").measure(prepare(right.case, WrongCost(4, 4, 2), right.inputs))


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("scale", [2, 3, 4, 1.5, 2.7, (1.5, 2)])
@pytest.mark.parametrize("name", upsample.names())
def test_every_upsampler_passes_its_examination_at_full_size(name: str, scale: Any, layout: str) -> None:
    ends = (3, 3) if upsample.card(name).kind == "network" else (16, 16)
    case = Case(name, Cell(scale, 16, *ends, 20, 26, layout=layout))
    reason = upsample.refusal(name, *ends, scale)
    if reason is not None:
        with pytest.raises(UnsupportedCaseError) as caught:
            build(case)
        assert str(caught.value) == reason
        return
    with torch.inference_mode():
        examined = build(case)
        error = meters.get("agreement").measure(examined)["definition_error"]
        fields = meters.get("arithmetic").measure(examined)
    assert error < 2e-5
    assert fields["params"] == sum(parameter.numel() for parameter in examined.module.parameters())


def test_a_guide_has_the_size_of_the_output_and_edges_where_the_input_has_them() -> None:
    for name in ("sapa_b", "joint_bilateral"):
        input, guide = build(Case(name, Cell(4, 8, 8, 8, 16, 20))).inputs
        assert guide.shape == (1, {"sapa_b": 8, "joint_bilateral": 3}[name], 64, 80)
    # The guide is the photograph itself; the input is features of its average.
    small = torch.nn.functional.avg_pool2d(guide, 4)
    torch.testing.assert_close(input, inputs.activations(small, 8))


def test_a_class_without_a_closed_form_has_its_operators_counted() -> None:
    case = Case("tests.upbench.own_upsamplers:Plain", Cell(2, 4, 4, 4, 8, 8))
    with torch.inference_mode():
        fields = meters.get("arithmetic").measure(build(case))
        assert meters.get("agreement").measure(build(case))["definition_error"] < 1e-6
    assert (fields["macs"], fields["params"]) == (9 * 4 * 4 * 256, 9 * 4 * 4 + 4)


@pytest.mark.parametrize("cls", ["Worldly", "Silent"])
def test_a_class_of_ones_own_may_see_the_whole_image_or_answer_zeros(cls: str) -> None:
    case = Case(f"tests.upbench.own_upsamplers:{cls}", Cell(2, 4, 4, 4, 40, 40))
    with torch.inference_mode():
        assert meters.get("agreement").measure(build(case))["definition_error"] < 1e-6


def test_an_operator_without_a_formula_is_named_where_nothing_is_promised() -> None:
    with torch.inference_mode():
        fields = meters.get("arithmetic").measure(
            build(Case("tests.upbench.own_upsamplers:Sorting", Cell(2, 4, 4, 4, 8, 8)))
        )
    assert fields["flops"] is fields["macs"] is None
    assert "aten.sort" in fields["uncounted_operator"]
    assert fields["params"] == 0


def test_examination_checks_the_output_first() -> None:
    assert meters.of_stage("examine")[0] == "agreement"
    assert {"arithmetic", "allocated_memory", "tensor_memory", "cuda_memory"} < set(meters.of_stage("examine"))
    assert meters.of_stage("alone") == ("resident_memory",)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_every_dtype_and_layout_can_be_examined(dtype: str, layout: str) -> None:
    with torch.inference_mode():
        chosen = workload("subpixel", 4, 8, dtype=dtype, layout=layout)
        fields = meters.get("agreement").measure(chosen) | meters.get("arithmetic").measure(chosen)
    assert fields["min_bytes"] == chosen.input.element_size() * (4 * 64 + (36 * 4 + 4) * 4 + 4 * 256)


def test_a_cuda_case_without_cuda_is_unsupported() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(UnsupportedCaseError, match="torch sees 0 CUDA devices here; cuda is not there"):
        workload("subpixel", 4, 8, device="cuda")


def test_a_block_is_an_untimed_call_and_then_timed_ones() -> None:
    pauses = iter([0.03, 0.0, 0.0])
    assert WallClock().block(lambda: time.sleep(next(pauses)), calls=2) < 0.03


def test_the_wall_clock_divides_a_round_by_its_calls() -> None:
    calls = []
    seconds = WallClock().rounds(lambda: calls.append(1), rounds=4, iterations=5)
    assert (len(calls), len(seconds)) == (20, 4)
    assert all(value > 0 for value in seconds)


def run_queue_ns() -> int:
    """How long the threads of this process have waited for a core, from the second number of each one's line."""
    return sum(int(path.read_text().split()[1]) for path in Path("/proc/self/task").glob("*/schedstat"))


@pytest.mark.skipif(not CoreClock.exists(), reason="the system does not tell how long a process waited")
def test_the_core_clock_leaves_out_the_time_in_which_another_process_had_the_core() -> None:
    """What it leaves out of the wall clock's time is what the system says that the process waited, and nothing else."""
    before = os.sched_getaffinity(0)
    core = min(before)

    def spin() -> int:
        return sum(range(2_000_000))

    clock = CoreClock()
    try:
        os.sched_setaffinity(0, {core})
        command = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"]
        with subprocess.Popen(command) as other:
            try:
                time.sleep(0.5)
                waited_ns, begun = run_queue_ns(), time.perf_counter()
                (own,) = clock.rounds(spin, 1, 20)
                wall_s = time.perf_counter() - begun
                waited_ns = run_queue_ns() - waited_ns
            finally:
                # Whoever waits for it would wait for ever.
                other.kill()
    finally:
        os.sched_setaffinity(0, before)
    # But for the last digit of a mean of twenty.
    assert 0 < 20 * clock.waited_s <= waited_ns / 1e9 * (1 + 1e-12)
    assert 20 * (own + clock.waited_s) <= wall_s
    assert 20 * (own + clock.waited_s) == pytest.approx(wall_s, rel=0.2)
