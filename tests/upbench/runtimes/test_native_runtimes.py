"""ncnn and LiteRT, the runtimes of phones and boards: the same output, the threads and numbers that were asked for."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import upsample
from tests.upbench.runtimes.on_threads import threads_added
from tests.upsample.random_networks import preferring
from upbench import runtimes
from upbench.cases.case import Case, Cell
from upbench.processes.isolation import Isolation
from upbench.runtimes import ConversionError, litert, ncnn
from upbench.runtimes.workload import build, gradients_as_in
from upbench.sweep import worker
from upbench.sweep.preloading import PRELOAD
from upsample.exact.forms import FORMS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def needs(runtime: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(runtimes.get(runtime).missing is not None, reason=str(runtimes.get(runtime).missing))


NCNN, LITERT = (pytest.param(name, marks=needs(name)) for name in ("ncnn", "litert"))
NATIVE = pytest.mark.parametrize("runtime", [NCNN, LITERT])


def case(upsampler: str, runtime: str, **cell: Any) -> Case:
    return Case(upsampler, replace(Cell(2, 8, 8, 8, 12, 20, runtime=runtime), **cell))


class TwoInputs(nn.Module):
    """A guide of another size than the input, and of which the order matters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, input: Tensor, guide: Tensor) -> Tensor:
        return 3 * nn.functional.interpolate(input, scale_factor=2.0) - self.conv(guide)


class Besselled(nn.Module):
    """An operator that nobody's upsampler has, and no other runtime."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.special.bessel_j0(input)


@NATIVE
@pytest.mark.parametrize(
    ("upsampler", "cell"),
    [
        ("subpixel", {}),
        ("bilinear_conv", {"batch": 2, "threads": 2}),
        ("nearest_conv.shuffled", {}),
        pytest.param("transposed", {"batch": 2}, marks=pytest.mark.slow),
        pytest.param("dysample_lp", {}, marks=pytest.mark.slow),
        pytest.param("dysample_lp", {"batch": 2}, marks=pytest.mark.slow),
        pytest.param("nearest_conv.transposed", {}, marks=pytest.mark.slow),
        pytest.param("lapsrn", {"in_channels": 3, "out_channels": 3}, marks=pytest.mark.slow),
    ],
)
def test_the_output_is_the_definitions_in_every_call(runtime: str, upsampler: str, cell: dict[str, int]) -> None:
    the_case = case(upsampler, runtime, **cell)
    with gradients_as_in(the_case.cell):
        workload = build(the_case)
        before = workload.input.clone()
        first = workload.call()
        torch.testing.assert_close(first, workload.module.definition(*workload.inputs), rtol=1e-4, atol=1e-5)
        kept = first.clone()
        # Somebody may still have the last output, which the next call is free to overwrite.
        torch.testing.assert_close(workload.call(), kept, rtol=0, atol=0)
        assert torch.equal(workload.input, before)
    torch.set_num_threads(1)


@needs("litert")
def test_a_guide_of_indices_reaches_litert() -> None:
    the_case = case("max_unpooling", "litert")
    with gradients_as_in(the_case.cell):
        workload = build(the_case)
        assert workload.inputs[1].dtype == torch.int64
        assert torch.equal(workload.call(), workload.module.definition(*workload.inputs))


@NATIVE
def test_two_inputs_come_in_their_order(runtime: str) -> None:
    module, inputs = TwoInputs().eval(), (torch.randn(1, 4, 5, 6), torch.randn(1, 3, 10, 12))
    with torch.no_grad():
        expected = module(*inputs)
    torch.testing.assert_close(runtimes.get(runtime).prepare(module, inputs)(), expected, rtol=1e-4, atol=1e-5)


@NATIVE
def test_a_call_runs_on_as_many_threads_as_torch_has(runtime: str) -> None:
    module, input = nn.Conv2d(8, 8, 3, padding=1).eval(), torch.ones(1, 8, 48, 48)
    model = (ncnn if runtime == "ncnn" else litert).converted(module, (input,))
    added = {}
    for threads in (1, 3):
        outcome = Isolation(preload=PRELOAD).call(threads_added, runtime, model, threads, timeout=120)
        assert outcome.kind == "ok", outcome.reason
        added[threads] = outcome.value
    assert added[3] - added[1] == 2


@needs("ncnn")
def test_ncnn_rounds_nothing_to_fewer_bits() -> None:
    module, fine = nn.Conv2d(1, 1, 1, bias=False).eval(), 1 + 2**-20
    nn.init.constant_(module.weight, fine)
    model = ncnn.converted(module, (torch.ones(1, 1, 4, 4),))
    options = ncnn.loaded(model).opt
    assert not any(getattr(options, name) for name in ncnn.HALF_PRECISION)
    # Neither in the file nor in the input.
    assert ncnn.called(model, (torch.ones(1, 1, 4, 4),))().unique().item() == fine
    assert ncnn.called(model, (torch.full((1, 1, 4, 4), fine),))().unique().item() == pytest.approx(fine**2, abs=2e-7)


@NATIVE
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_numbers_than_float32_are_unsupported(runtime: str, dtype: str) -> None:
    outcome = Isolation(preload=PRELOAD).call(worker.measure, case("subpixel", runtime, dtype=dtype), (), timeout=60)
    assert outcome.kind == "unsupported"
    assert (outcome.reason or "").endswith(f"got {dtype}")
    # And so they are where a network is rewritten, which has no cell.
    module, number = nn.Conv2d(1, 1, 1), getattr(torch, dtype)
    with pytest.raises(ConversionError, match=f"float32; got {number}$"):
        runtimes.get(runtime).prepare(module.to(number), (torch.ones(1, 1, 4, 4, dtype=number),))


@NATIVE
def test_what_cannot_be_converted_is_refused_in_the_converters_words(runtime: str) -> None:
    converter = runtimes.get(runtime)
    with pytest.raises(ConversionError, match=f"^{converter.title} cannot take it: .*bessel_j0") as refusal:
        converter.prepare(Besselled(), (torch.ones(1, 1, 2, 2),))
    assert "\n" not in str(refusal.value)


@needs("ncnn")
def test_the_words_are_of_why_pnnx_left_an_operator() -> None:
    module = upsample.create("carafe_unfolded", 4, 4, 2).eval()
    with pytest.raises(ConversionError, match=r"pnnx leaves Tensor\.reshape, which ncnn lacks .*physical rank"):
        runtimes.get("ncnn").prepare(module, (torch.randn(1, 4, 8, 8),))


def test_words_hold_no_folder_of_this_machine() -> None:
    error = ValueError("Failed: /home/me/project/transposed.py:126:0: no 'a/b', see https://x.org/y.py and ./z.py")
    told = str(ConversionError(runtimes.get("litert"), error))
    assert told.endswith("it: Failed: transposed.py:126:0: no 'a/b', see https://x.org/y.py and ./z.py")


@needs("ncnn")
def test_pnnx_cannot_hang_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    module, input = nn.Conv2d(2, 2, 3).eval(), torch.randn(1, 2, 8, 8)
    runtimes.get("ncnn").prepare(module, (input,))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(ncnn, "PNNX_S", 0.001)
    with pytest.raises(ConversionError, match=r"pnnx does not end within 0\.001 s"):
        runtimes.get("ncnn").prepare(module, (input,))
    assert list(tmp_path.iterdir()) == []


@NATIVE
def test_what_one_process_converts_the_next_finds(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, input = upsample.create("subpixel", 4, 3, 2).eval(), torch.randn(1, 4, 5, 6)
    first = runtimes.get(runtime).prepare(module, (input,), tmp_path / "kept")().clone()
    monkeypatch.setattr(ncnn if runtime == "ncnn" else litert, "converted", None)
    torch.testing.assert_close(runtimes.get(runtime).prepare(module, (input,), tmp_path / "kept")(), first)


@needs("litert")
def test_litert_converts_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    runtimes.get("litert").prepare(nn.Conv2d(2, 2, 3).eval(), (torch.randn(1, 2, 8, 8),))()
    assert capfd.readouterr() == ("", "")


def test_litert_says_to_install_its_converter_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert.LiteRT, "packages", ("no_such_package",))
    wanted = "the runtime litert needs no_such_package: pip install 'upsample-bench[litert]' litert-torch."
    assert runtimes.get("litert").missing == wanted


@NATIVE
def test_a_network_is_rewritten_for_it(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each takes a second or more to convert.
    for name in set(FORMS) - {"shuffled", "phases"}:
        monkeypatch.delitem(FORMS, name)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 3, padding=1)).eval()
    input = torch.randn(1, 8, 12, 16)
    converter = runtimes.get(runtime)
    with preferring("shuffled"):
        rewritten, report = upsample.rewrite(network, input, prepare=converter.prepare)
    assert [bool(site.after) for site in report.sites] == [True], str(report)
    with torch.no_grad():
        torch.testing.assert_close(converter.prepare(rewritten, (input,))(), network(input), rtol=1e-4, atol=1e-5)
