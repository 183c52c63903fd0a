"""A file that cannot be rewritten is refused in one sentence, and the command ends as scripts can tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.upbench.commands import Here
from tests.upbench.onnx_files.random_graphs import Model
from tests.upsample.random_networks import preferring


def model(opset: int = 17) -> onnx.ModelProto:
    made = Model(opset, 4, ("h", "w"))
    grown = made.resize("x", (2, 2), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    return made.proto(made.conv(grown, 4, 3))


def saved(folder: Path, proto: onnx.ModelProto) -> Path:
    file = folder / "model.onnx"
    file.write_bytes(proto.SerializeToString())
    return file


def text(folder: Path) -> Path:
    file = folder / "model.onnx"
    file.write_text("no model, but a sentence.")
    return file


def empty(folder: Path) -> Path:
    file = folder / "model.onnx"
    file.touch()
    return file


def damaged(folder: Path) -> Path:
    file = folder / "model.onnx"
    file.write_bytes(model().SerializeToString()[:200])
    return file


def without_weights(folder: Path) -> Path:
    file = folder / "model.onnx"
    onnx.save(model(), file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (folder / "weights.bin").unlink()
    return file


def with_short_weights(folder: Path) -> Path:
    file = folder / "model.onnx"
    onnx.save(model(), file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (folder / "weights.bin").write_bytes(b"short")
    return file


def larger_than_any(folder: Path) -> Path:
    file = folder / "model.onnx"
    with file.open("wb") as held:
        held.truncate(2**31)
    return file


def old(folder: Path) -> Path:
    nodes = [helper.make_node("Upsample", ["x", "s"], ["y"], mode="nearest")]
    scales = helper.make_tensor("s", TensorProto.FLOAT, [4], [1, 1, 2, 2])
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, None, None]) for name in "xy"]
    graph = helper.make_graph(nodes, "old", infos[:1], infos[1:], [scales])
    return saved(folder, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=4))


def of_own_operators(folder: Path) -> Path:
    made = model()
    made.graph.node.insert(0, helper.make_node("Own", ["x"], ["own"], domain="com.example"))
    made.graph.node[1].input[0] = "own"
    made.opset_import.append(helper.make_opsetid("com.example", 1))
    return saved(folder, made)


BAD: list[tuple[Callable[[Path], Path], str]] = [
    (lambda folder: folder / "nothing.onnx", "is not there"),
    (lambda folder: folder, "is no file"),
    (empty, "is empty"),
    (text, "damaged, or no ONNX file"),
    (damaged, "damaged, or no ONNX file"),
    (larger_than_any, "larger than 2 GB"),
    (without_weights, "which is not there"),
    (with_short_weights, "which is too short"),
    (old, "opset 9"),
    (of_own_operators, "cannot be run on x 1×4×96×96"),
]


@pytest.mark.parametrize(("make", "sentence"), BAD, ids=[sentence for _, sentence in BAD])
def test_a_bad_file_is_refused_in_one_sentence(
    make: Callable[[Path], Path],
    sentence: str,
    tmp_path: Path,
    here: Here,
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    output = tmp_path / "out" / "faster.onnx"
    done = here("rewrite", make(folder), "--output", output)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.parent.exists()


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"y": np.zeros(3)}, "has no array x"),
        ({"x": np.zeros((1, 4, 8, 8))}, "as float32 of 1×4×h×w"),
        ({"x": np.zeros((1, 3, 8, 8), np.float32)}, "as float32 of 1×3×8×8"),
        (None, "is no .npz file"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    arrays: dict[str, np.ndarray] | None,
    sentence: str,
    tmp_path: Path,
    here: Here,
) -> None:
    inputs = tmp_path / "inputs.npz"
    if arrays is None:
        inputs.write_text("nothing")
    else:
        np.savez(inputs, **arrays)  # type: ignore[arg-type]  # the stubs take names for settings
    file = saved(tmp_path, model())
    done = here("rewrite", file, "--output", tmp_path / "faster.onnx", "--input", inputs)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_a_runtime_that_runs_no_files_is_refused(tmp_path: Path, here: Here) -> None:
    file = saved(tmp_path, model())
    done = here("rewrite", file, "--output", tmp_path / "faster.onnx", "--runtime", "eager")
    assert done.returncode == 2
    assert "known are onnx, openvino" in done.stderr


def test_scripts_can_tell_what_was_done(tmp_path: Path, here: Here) -> None:
    file, output, record = saved(tmp_path, model()), tmp_path / "faster.onnx", tmp_path / "record.json"
    with preferring("usual"):
        done = here("rewrite", file, "--output", output, "--json", record)
    assert done.returncode == 1
    assert not output.exists()
    assert "left alone" in done.stdout
    held = json.loads(record.read_text())
    assert (held["upsample_bench_rewriting"], held["written"], held["runtimes"]) == (1, False, [])
    with preferring("shuffled"):
        done = here("rewrite", file, "--output", output, "--json", record, "--lang", "zh")
    assert done.returncode == 0
    assert "已写入" in done.stdout
    held = json.loads(record.read_text())
    assert held["written"]
    assert held["sites"][0]["after"] == "shuffled"
    assert held["runtimes"][0]["runtime"] == "onnx"
    assert held["runtimes"][0]["difference"] < 1e-5
