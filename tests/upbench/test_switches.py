"""TF32, cuDNN's search and the cache as axes: cells of their own on a GPU, and nothing at all elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.upbench.synthetic import small_run
from upbench.cases.case import CUDA_AXES, Case, Cell, GridError
from upbench.cases.grid import Axes, expand
from upbench.cases.outcome import RefusedCaseError
from upbench.recommend.measurements import Surroundings, measurements
from upbench.recommend.question import command_to_measure
from upbench.records.comparison import compare_runs
from upbench.records.record import RecordError, read_run, write_run
from upbench.report.evidence import Setting, gather
from upbench.report.tables import results_table, what_varies
from upbench.runtimes.torch_state import TorchState
from upbench.sweep.standing import by_question

CELL = Cell(2, 16, 16, 16, 48, 48, device="cuda")
SET = {"tf32": "on", "cudnn_benchmark": "on", "cache": "warm"}
EVERY = replace(CELL, **SET)  # type: ignore[arg-type]


def test_names_of_old_cases_are_as_they_were_and_each_switch_adds_to_them() -> None:
    usual = "x2-c16-16to16-48x48-b1-float32-contiguous-t1-cuda-eager"
    assert CELL.label == usual
    assert EVERY.label == f"{usual}-tf32-cudnn.benchmark-warm"
    assert replace(CELL, cache="warm", step="training").label == f"{usual}-training-warm"


def test_a_record_of_before_reads_as_what_it_was_and_one_of_a_cpu_has_no_switches() -> None:
    old = {key: value for key, value in Case("subpixel", CELL).as_dict().items() if key not in CUDA_AXES}
    assert Case.from_dict(old) == Case("subpixel", CELL)
    assert Case.from_dict(Case("subpixel", EVERY).as_dict()) == Case("subpixel", EVERY)
    on_cpu = Case("subpixel", replace(CELL, device="cpu"))
    assert set(on_cpu.as_dict()) == set(old)
    # What somebody else wrote of a CPU means nothing.
    assert Case.from_dict(on_cpu.as_dict() | SET) == on_cpu


def test_the_grid_has_a_cell_for_every_switch_that_a_device_and_a_dtype_know() -> None:
    axes = Axes(
        ("subpixel",), (2,), (16,), devices=("cpu", "cuda"), dtypes=("float32", "float16"), tf32=("off", "on"),
        cudnn_benchmark=("off", "on"), caches=("cold", "warm"),
    )  # fmt: skip
    cells = [case.cell for case in expand(axes)]
    counts = {(d, t): sum((c.device, c.dtype) == (d, t) for c in cells) for d in axes.devices for t in axes.dtypes}
    assert counts == {("cpu", "float32"): 1, ("cpu", "float16"): 1, ("cuda", "float32"): 8, ("cuda", "float16"): 4}
    assert len({cell.label for cell in cells}) == len(cells) == 14


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"tf32": ("yes",)}, "tf32 must be one of off, on; got 'yes'."),
        ({"cudnn_benchmark": ("1",)}, "cudnn_benchmark must be one of off, on; got '1'."),
        ({"caches": ("hot",)}, "cache must be one of cold, warm; got 'hot'."),
    ],
)
def test_another_value_is_one_sentence(axes: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(GridError) as caught:
        Axes(("subpixel",), **axes)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_what_is_set_otherwise_is_another_question_and_never_compared(tmp_path: Path) -> None:
    assert len(by_question([Case("subpixel", CELL), Case("nearest_conv", EVERY)])) == 2
    run = small_run()
    on_cuda, in_tf32 = (
        replace(run, records=tuple(replace(r, case=Case(r.case.upsampler, cell)) for r in run.records[:1]))
        for cell in (CELL, replace(CELL, tf32="on"))
    )
    files = []
    for number, each in enumerate((on_cuda, in_tf32)):
        write_run(each, tmp_path / f"{number}.json")
        files.append(read_run(tmp_path / f"{number}.json"))
    assert [file.records[0].case for file in files] == [on_cuda.records[0].case, in_tf32.records[0].case]
    assert [row.verdict for row in compare_runs(*files)] == ["only in A", "only in B"]
    assert list(measurements(files, Surroundings.of(CELL)).records) == [on_cuda.records[0].case]
    assert not Surroundings.of(CELL).hold(replace(CELL, tf32="on"))
    assert Surroundings.of(EVERY).hold(EVERY)


def test_a_damaged_switch_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_run(small_run(), path)
    document = json.loads(path.read_text())
    document["benchmarks"][0]["extra_info"]["tf32"] = "perhaps"
    path.write_text(json.dumps(document))
    with pytest.raises(RecordError, match=r"extra_info\.tf32: Input should be 'off' or 'on'"):
        read_run(path)


def test_the_report_and_the_commands_name_what_is_set() -> None:
    assert "tf32, cudnn.benchmark, warm" in str(Setting.of(EVERY).title)
    assert Setting.of(EVERY).slug != Setting.of(CELL).slug
    command = command_to_measure(["subpixel"], EVERY)
    assert "--tf32 on --cudnn-benchmark on --cache warm" in command
    assert "--tf32" not in command_to_measure(["subpixel"], CELL)

    class Two:
        settings = (Setting.of(CELL), Setting.of(EVERY))

    assert what_varies(Two(), EVERY) == {"device": "cuda tf32 cudnn.benchmark warm"}  # type: ignore[arg-type]


def test_the_table_of_a_gpu_says_whose_time_the_latency_is_and_what_slowed_it() -> None:
    run = small_run()
    told = {
        "device_s": 2e-5, "queueing_s": 1e-4, "slowed_share": 0.25,
        "peak_cuda_allocated_bytes": 3 << 20, "peak_cuda_reserved_bytes": 20 << 20,
    }  # fmt: skip
    record = replace(run.records[0], case=Case(run.records[0].case.upsampler, CELL))
    record = replace(record, quantities={**record.quantities, **told})
    table = results_table(gather([replace(run, records=(record,))]))
    columns = ["device's part, ms", "queueing, ms", "slowed", "peak allocated, MiB", "peak reserved, MiB"]
    assert [str(each) for each in table.iloc[0][columns]] == ["0.02", "0.1", "25%", "3", "20"]
    assert not {"slowed", "queueing, ms"} & set(results_table(gather([run])).columns)


def test_a_case_after_which_torch_cannot_tell_its_precision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does where both of its interfaces were used."""
    state = TorchState.now()

    def mixed() -> str:
        raise RuntimeError("PyTorch is checking the matmul precision. Current status: a mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", mixed)
    with pytest.raises(RefusedCaseError, match=r"of which torch says: PyTorch is checking the matmul precision$"):
        state.check_kept()


def test_a_case_that_changes_a_switch_is_refused_on_a_gpu_and_may_do_so_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    on_cpu, on_cuda = TorchState.now(), TorchState.now(on_cuda=True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    on_cpu.check_kept()
    with pytest.raises(RefusedCaseError, match="it changed whether cuDNN tries its algorithms of the whole process"):
        on_cuda.check_kept()
