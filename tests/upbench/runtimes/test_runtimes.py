"""The runtimes: the same output in each, what they refuse in whose words, and a network rewritten for one of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx as onnx_format
import pytest
import torch
from torch import nn
from torch._inductor.cpu_vec_isa import VecISA

import upsample
from upbench import runtimes
from upbench.cases import grid
from upbench.cases.case import Case, Cell
from upbench.processes.isolation import Isolation, Outcome
from upbench.runtimes import ConversionError, onnx
from upbench.runtimes.eager import Eager
from upbench.runtimes.workload import build, gradients_as_in
from upbench.sweep import worker
from upbench.sweep.plan import planned
from upbench.sweep.preloading import PRELOAD
from upsample.exact import ExactForm
from upsample.exact.forms import FORMS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

CONVERTING = ("onnx", "openvino")
EXAMINED = ("agreement", "allocated_memory", "arithmetic", "conversion", "tensor_memory")


def case(upsampler: str, runtime: str, **cell: Any) -> Case:
    return Case(upsampler, Cell(2, 8, 8, 3, 12, 20, **{"runtime": runtime, **cell}))


class Besselled(nn.Module):
    """An operator that nobody's upsampler has, and no other runtime."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(input)


@pytest.mark.parametrize("runtime", ["eager", *CONVERTING])
@pytest.mark.parametrize(
    "upsampler", ["transposed", "subpixel", "bilinear_conv", "nearest_conv.phases", "bilinear_conv.mixed_first"]
)
def test_every_runtime_gives_the_definitions_output(upsampler: str, runtime: str) -> None:
    the_case = case(upsampler, runtime)
    with gradients_as_in(the_case.cell):
        workload = build(the_case)
        torch.testing.assert_close(workload.call(), workload.module.definition(*workload.inputs), rtol=1e-4, atol=1e-5)


def test_the_compiled_one_is_measured_like_any_other_with_its_compilation_apart(tmp_path: Path) -> None:
    the_case, isolation = case("subpixel", "compiled"), Isolation(preload=PRELOAD)
    fresh = isolation.call(worker.measure, the_case, EXAMINED, tmp_path / "own", timeout=300)
    assert fresh.kind == "ok", fresh.reason
    assert fresh.value["definition_error"] < 1e-5
    assert fresh.value["peak_allocated_bytes"] >= 8 * 3 * 12 * 20 * 4
    assert fresh.value["peak_tensor_bytes"] is None
    # What inductor asks of the machine, ten seconds of compiling, is not asked anew for each case.
    assert VecISA._avx_code not in "".join(source.read_text() for source in (tmp_path / "own").rglob("*.cpp"))
    again = isolation.call(worker.measure, the_case, ("conversion",), tmp_path / "own", timeout=300).value
    assert again["conversion_s"] < fresh.value["conversion_s"]


def test_many_modules_of_one_class_are_all_compiled() -> None:
    # Dynamo gives up a function that it has compiled for eight modules, and runs the ninth as it is.
    compiled, input = runtimes.get("compiled"), torch.ones(2, 3)
    counter = torch._dynamo.utils.counters["stats"]
    torch._dynamo.reset()
    before = counter["unique_graphs"]
    with torch.no_grad(), torch._dynamo.config.patch(recompile_limit=2):
        calls = [compiled.prepare(nn.Hardtanh(0, bound + 0.5), (input,)) for bound in range(4)]
        for bound, call in enumerate(calls):
            assert call().max() == min(1, bound + 0.5)
    assert counter["unique_graphs"] - before == 4


@pytest.mark.parametrize("runtime", CONVERTING)
def test_what_a_runtime_cannot_convert_it_refuses_in_its_own_words(runtime: str) -> None:
    converter = runtimes.get(runtime)
    with pytest.raises(ConversionError, match=f"^{converter.title} cannot take it: .*") as refusal:
        converter.prepare(Besselled(), (torch.ones(1, 1, 2, 2),))
    assert "\n" not in str(refusal.value)


def isolated_check(the_case: Case) -> Outcome:
    return Isolation(preload=PRELOAD).call(worker.measure, the_case, ("agreement",), timeout=60)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ({"step": "training"}, "ONNX Runtime is run for inference only"),
        ({"layout": "channels_last"}, "ONNX Runtime chooses its own layout: its inputs are contiguous"),
        ({"device": "cuda"}, "ONNX Runtime is run on the CPU only; got cuda"),
    ],
)
def test_what_a_runtime_never_does_is_unsupported(cell: dict[str, str], reason: str) -> None:
    outcome = isolated_check(case("subpixel", "onnx", **cell))
    assert (outcome.kind, outcome.reason) == ("unsupported", reason)


def test_bfloat16_where_a_runtime_lacks_it_is_unsupported_in_its_own_words() -> None:
    outcome = isolated_check(case("subpixel", "onnx", dtype="bfloat16"))
    assert outcome.kind == "unsupported"
    assert (outcome.reason or "").startswith("ONNX Runtime cannot take it: ")


def test_a_runtime_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx.Onnx, "packages", ("onnx", "no_such_package"))
    with pytest.raises(
        grid.GridError, match=r"runtime onnx needs no_such_package: pip install 'upsample-bench\[onnx\]'"
    ):
        planned(grid.Axes(("subpixel",), runtimes=("eager", "onnx")))


def test_an_unknown_runtime_is_named_with_those_there_are() -> None:
    known = "one of eager, compiled, cudagraph, litert, ncnn, onnx, openvino; got 'tensorrt'"
    with pytest.raises(grid.GridError, match=known):
        planned(grid.Axes(("subpixel",), runtimes=("tensorrt",)))


def test_what_one_process_exports_the_next_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, input = upsample.create("subpixel", 4, 3, 2).eval(), torch.randn(1, 4, 5, 6)
    first = runtimes.get("onnx").prepare(module, (input,), tmp_path)()
    monkeypatch.setattr(onnx, "exported", None)
    torch.testing.assert_close(runtimes.get("onnx").prepare(module, (input,), tmp_path)(), first)


class Decoder(nn.Sequential):
    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=4), nn.Conv2d(16, 3, 3, padding=1)
        )


@pytest.mark.parametrize("runtime", CONVERTING)
def test_a_network_is_rewritten_for_the_runtime_that_it_will_run_in(
    runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every form takes a second to convert; that each can be exported is tested with the rewriting.
    for name in set(FORMS) - {"shuffled", "phases"}:
        monkeypatch.delitem(FORMS, name)
    network, input = Decoder().eval(), torch.randn(1, 3, 24, 32)
    converter = runtimes.get(runtime)
    rewritten, report = upsample.rewrite(network, input, prepare=converter.prepare, least_gain=-1, seconds=0)
    assert [bool(site.after) for site in report.sites] == [True], str(report)
    with torch.no_grad():
        expected = network(input)
        torch.testing.assert_close(converter.prepare(rewritten, (input,))(), expected, rtol=1e-4, atol=1e-5)


def test_a_rewritten_network_is_exported_to_onnx_with_its_kernels() -> None:
    network, input = Decoder().eval(), torch.randn(1, 3, 24, 32)
    rewritten, report = upsample.rewrite(network, input, least_gain=-1, seconds=0)
    assert report.sites[0].after
    graph = onnx_format.load_from_string(onnx.exported(rewritten, (input,))).graph
    assert "Resize" not in {node.op_type for node in graph.node}
    assert "Resize" in {
        node.op_type for node in onnx_format.load_from_string(onnx.exported(network, (input,))).graph.node
    }


class WithoutForms(Eager):
    """Runs the usual layers and none of their exact forms."""

    name = "without forms"
    title = "A runtime without forms"

    def prepare(self, module: nn.Module, inputs: tuple[torch.Tensor, ...], kept: Path | None = None) -> runtimes.Call:
        if any(isinstance(each, ExactForm) for each in module.modules()):
            raise ConversionError(self, RuntimeError("no"))
        return super().prepare(module, inputs)


# Defining a runtime registers it, which other tests need not see.
runtimes.Runtime.registry.pop(WithoutForms.name)


def test_a_form_that_the_runtime_cannot_take_is_no_choice() -> None:
    network, input = Decoder().eval(), torch.randn(1, 3, 24, 32)
    rewritten, report = upsample.rewrite(network, input, prepare=WithoutForms().prepare, least_gain=-1, seconds=0)
    assert not report.sites[0].after
    assert "A runtime without forms cannot take it: no" in report.sites[0].reason
    torch.testing.assert_close(rewritten(input), network(input))


def test_a_network_that_the_runtime_cannot_run_is_not_rewritten() -> None:
    network = nn.Sequential(Besselled(), *Decoder())
    with pytest.raises(upsample.UpsampleError, match="the runtime cannot run the model: ONNX Runtime cannot take it: "):
        upsample.rewrite(network, torch.rand(1, 3, 8, 8), prepare=runtimes.get("onnx").prepare)


AN_INTERRUPT_AFTERWARDS = """
import signal
import torch
from upbench import runtimes

def prepared():
    return runtimes.get("openvino").prepare(torch.nn.Conv2d(3, 4, 3), (torch.rand(1, 3, 8, 8),))

first, second = prepared(), prepared()
del first
third = prepared()
del second, third
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_signal_after_models_that_came_and_went_in_openvino_is_only_a_signal() -> None:
    """Each core leaves the stack for signals that it found when it came, which another may have freed meanwhile."""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", AN_INTERRUPT_AFTERWARDS], capture_output=True, text=True, timeout=300
    )
    assert (process.returncode, process.stdout) == (0, "interrupted\n"), process.stderr
