"""ONNX files and inputs that were cut off, edited or made to do harm."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tests.upbench.onnx_files.random_graphs import Model
from upbench.errors import UserError
from upbench.onnx_files import engines, example_feeds, model_file, observing
from upbench.onnx_files.file_rewriter import FileSettings, rewrite_file
from upbench.onnx_files.model_file import ModelFileError
from upbench.onnx_files.translation import constant_of

SOME = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def model() -> onnx.ModelProto:
    made = Model(17, 4, ("h", "w"))
    grown = made.resize("x", (2, 2), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    return made.proto(made.conv(grown, 4, 3))


VALID = model().SerializeToString()


def prepared(file: Path) -> None:
    """All that is done with a file before a runtime sees it."""
    read = model_file.read(file)
    example_feeds.example(read, None)
    observing.inferred(read)


def expect_a_sentence_or(look: Callable[[], object]) -> None:
    try:
        look()
    except UserError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 2000


def changed(data: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    for place, piece in edits:
        place %= len(data) + 1
        data = data[:place] + piece + data[place + len(piece) :]
    return data


edits = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=6)), min_size=1, max_size=4)


@SOME
@given(edits, st.integers(0, len(VALID)))
@example([(0, b"\x00")], 0)
def test_a_file_with_any_bytes_wrong_gets_a_sentence_or_is_read(
    tmp_path: Path, wrong: list[tuple[int, bytes]], cut: int
) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(changed(VALID, wrong)[: len(VALID) - cut // 4])
    expect_a_sentence_or(lambda: prepared(file))


CODE = 'a"), __import__("os").system("touch hurt")'
NAMES = ("", "x", "../../hurt", "/hurt", "\x1b[2J", CODE, "x" * 100_000, "\u202e", "1")


@st.composite
def damaged(draw: st.DrawFn) -> onnx.ModelProto:
    """A model of which one to three fields say something else."""
    made = model()
    graph = made.graph
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from(list(graph.node)))
        weight = draw(st.sampled_from(list(graph.initializer)))
        number = draw(st.sampled_from((-(2**63), -1, 0, 1, 2, 7, 2**31, 2**62)))
        name = draw(st.sampled_from(NAMES))
        dims = graph.input[0].type.tensor_type.shape.dim
        what = draw(st.integers(0, 13))
        if what == 0:
            node.op_type = draw(st.sampled_from((*NAMES, "Conv", "If", "Loop", "Constant", "ConvTranspose")))
        elif what == 1 and node.input:
            node.input[draw(st.integers(0, len(node.input) - 1))] = name
        elif what == 2:
            node.output[0] = name
        elif what == 3:
            weight.name = name
        elif what == 4:
            weight.dims[:] = [number] * draw(st.integers(0, 5))
        elif what == 5:
            weight.data_type = draw(st.integers(0, 30))
        elif what == 6:
            weight.raw_data = weight.raw_data[: draw(st.integers(0, 8))]
        elif what == 7:
            draw(st.sampled_from(list(dims))).dim_value = number
        elif what == 8:
            draw(st.sampled_from(list(dims))).dim_param = name
        elif what == 9:
            graph.input[0].type.tensor_type.elem_type = draw(st.integers(0, 30))
        elif what == 10 and node.attribute:
            attribute = draw(st.sampled_from(list(node.attribute)))
            attribute.type = draw(st.integers(0, 12))
        elif what == 11 and node.attribute:
            attribute = draw(st.sampled_from(list(node.attribute)))
            attribute.ints[:] = [number] * draw(st.integers(0, 3))
            attribute.name = draw(st.sampled_from((attribute.name, name)))
        elif what == 12:
            made.opset_import[0].version = number
            made.ir_version = draw(st.sampled_from((made.ir_version, 0, 1000)))
        elif what == 13:
            del graph.output[:]
    return made


@SOME
@given(damaged())
def test_a_model_with_anything_wrong_gets_a_sentence_or_is_read(tmp_path: Path, made: onnx.ModelProto) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(made.SerializeToString())
    expect_a_sentence_or(lambda: prepared(file))


@pytest.mark.parametrize("dtype", [0, *range(2, 31)])
def test_an_input_of_any_dtype_gets_a_sentence_or_is_made_up(tmp_path: Path, dtype: int) -> None:
    made, file = model(), tmp_path / "model.onnx"
    made.graph.input[0].type.tensor_type.elem_type = dtype
    file.write_bytes(made.SerializeToString())
    expect_a_sentence_or(lambda: prepared(file))


@pytest.mark.parametrize("domain", ["", "com.example"])
def test_a_constant_that_is_none_is_not_taken_for_one(tmp_path: Path, domain: str) -> None:
    made, file = model(), tmp_path / "model.onnx"
    made.graph.node[1].op_type, made.graph.node[1].domain = "Constant", domain
    file.write_bytes(made.SerializeToString())
    node = list(model_file.read(file).graph)[1]
    assert constant_of(node.outputs[0]) is None


def test_what_a_runtime_quotes_is_cut_short() -> None:
    made = model()
    made.graph.node[1].op_type = "x" * 100_000
    with pytest.raises(engines.EngineError) as raised:
        engines.load("onnx", made.SerializeToString())
    assert len(str(raised.value)) < 300


@pytest.mark.slow
@settings(SOME, max_examples=300)
@given(damaged())
def test_a_model_with_anything_wrong_is_refused_or_rewritten(tmp_path: Path, made: onnx.ModelProto) -> None:
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    file = folder / "model.onnx"
    file.write_bytes(made.SerializeToString())
    settings = FileSettings(("onnx",), seconds=0.0, only_if_faster=False)
    expect_a_sentence_or(lambda: rewrite_file(file, folder / "out.onnx", settings, overwrite=True))
    assert {each.name for each in tmp_path.iterdir()} == {"in"}
    assert not Path("hurt").exists()


def nested(depth: int) -> bytes:
    """A graph in a branch of a graph, and so on."""
    graph = b""
    for _ in range(depth):
        attribute = b"\x32" + _length(graph) + graph  # AttributeProto.g
        node = b"\x2a" + _length(attribute) + attribute  # NodeProto.attribute
        graph = b"\x0a" + _length(node) + node  # GraphProto.node
    return b"\x08\x08\x3a" + _length(graph) + graph  # ModelProto.ir_version, .graph


def _length(data: bytes) -> bytes:
    size, made = len(data), b""
    while size >= 0x80:
        made, size = made + bytes([size & 0x7F | 0x80]), size >> 7
    return made + bytes([size])


@pytest.mark.parametrize("depth", [90, 1000, 100_000])
def test_a_deeply_nested_file_gets_a_sentence(tmp_path: Path, depth: int) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(nested(min(depth, 20_000)))
    with pytest.raises(ModelFileError):
        model_file.read(file)


def external(location: str, where: str = "initializer", **more: str) -> onnx.ModelProto:
    made = model()
    tensor = made.graph.initializer[2]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "16", **more}.items():
        tensor.external_data.add(key=key, value=value)
    if where == "constant":
        made.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
        del made.graph.initializer[2]
    return made


@pytest.mark.parametrize("where", ["initializer", "constant"])
@pytest.mark.parametrize("location", ["../secret.bin", "a/../../secret.bin", "{folder}/secret.bin", "/etc/passwd"])
def test_weights_are_read_from_a_models_own_folder_alone(tmp_path: Path, location: str, where: str) -> None:
    (tmp_path / "secret.bin").write_bytes(b"x" * 10_000)
    folder = tmp_path / "models" / "a"
    folder.mkdir(parents=True)
    file = folder.parent / "model.onnx"
    file.write_bytes(external(location.format(folder=tmp_path), where).SerializeToString())
    with pytest.raises(ModelFileError, match="which is outside its folder"):
        model_file.read(file)


@pytest.mark.parametrize("wrong", [{"offset": "-1"}, {"length": "-5"}, {"offset": "x"}, {"length": str(2**70)}])
def test_a_wrong_place_in_a_file_of_weights_gets_a_sentence(tmp_path: Path, wrong: dict[str, str]) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x" * 10_000)
    file = tmp_path / "model.onnx"
    file.write_bytes(external("weights.bin", **wrong).SerializeToString())
    with pytest.raises(ModelFileError):
        model_file.read(file)


@pytest.mark.parametrize("dims", [[1, 4, 2**40, 2**40], [2**62, 2**62, 1, 1], [1, 1, -5, 3]])
def test_inputs_beyond_any_memory_are_not_made_up(tmp_path: Path, dims: list[int]) -> None:
    made = model()
    for dim, size in zip(made.graph.input[0].type.tensor_type.shape.dim, dims, strict=True):
        dim.dim_value = size
    file = tmp_path / "model.onnx"
    file.write_bytes(made.SerializeToString())
    with pytest.raises(UserError, match=r"cannot be made up here|damaged"):
        prepared(file)


def npz(**arrays: np.ndarray) -> bytes:
    held = io.BytesIO()
    np.savez(held, **arrays)  # type: ignore[arg-type]  # the stubs take names for settings
    return held.getvalue()


INPUTS = npz(x=np.zeros((1, 4, 8, 8), np.float32))


def read_inputs(folder: Path, data: bytes) -> None:
    (folder / "model.onnx").write_bytes(VALID)
    (folder / "inputs.npz").write_bytes(data)
    example_feeds.example(model_file.read(folder / "model.onnx"), folder / "inputs.npz")


@SOME
@given(edits)
def test_inputs_with_any_bytes_wrong_get_a_sentence_or_are_read(tmp_path: Path, wrong: list[tuple[int, bytes]]) -> None:
    expect_a_sentence_or(lambda: read_inputs(tmp_path, changed(INPUTS, wrong)))


class Hurt:
    """Makes a file where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str, int], None], tuple[str, int]]:
        return os.mknod, ("hurt", 0o644)


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def packed(name: str, data: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        archive.writestr(name, data)
    return held.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        packed("x.npy", header("(" + "(" * 5000 + ")" * 5000 + ")")),
        packed("x.npy", header("(1125899906842624,)")),
        packed("x.npy", header("(-5,)")),
        packed("x.npy", header("(2,)", "'|O'")),
        packed("x.npy", b"no header"),
        INPUTS[:-20],
        b"PK",
    ],
    ids=["nested", "huge", "negative", "objects", "no header", "cut off", "no archive"],
)
def test_inputs_that_are_no_arrays_get_a_sentence(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match=r"is no \.npz file with arrays"):
        read_inputs(tmp_path, data)


def test_a_small_file_of_inputs_that_holds_more_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example_feeds, "MOST_BYTES", 1 << 20)
    bomb = packed("x.npy", header("(1, 4, 1024, 1024)") + b"\0" * (16 << 20), zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    with pytest.raises(UserError, match="holds arrays of 16 MiB; up to 1 MiB are read"):
        read_inputs(tmp_path, bomb)


def test_nothing_in_a_file_of_inputs_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    held = io.BytesIO()
    np.savez(held, x=np.array([Hurt()], dtype=object))
    with pytest.raises(UserError, match=r"is no \.npz file with arrays"):
        read_inputs(tmp_path, held.getvalue())
    assert not (tmp_path / "hurt").exists()


def test_nothing_in_a_models_names_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = model()
    name = '__import__("os").mknod("hurt")'
    made.graph.input[0].type.tensor_type.shape.dim[2].dim_param = name
    made.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), f'a"), {name}, ("'))
    for number, node in enumerate(made.graph.node):
        node.name = f'{number}"), {name}, ("'
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    settings = FileSettings(("onnx",), seconds=0.0, only_if_faster=False)
    rewrite_file(tmp_path / "model.onnx", tmp_path / "out.onnx", settings)
    assert not (tmp_path / "hurt").exists()
