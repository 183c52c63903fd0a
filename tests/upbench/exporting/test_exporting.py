"""Models as files: whole, checked, of no use to upbench alone, and nobody's other files in danger."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import upsample
from tests.upbench.commands import Here
from upbench import runtimes
from upbench.exporting import check_script
from upbench.exporting.formats import FORMATS

OWN = Path(__file__).parents[1] / "own_upsamplers.py"
TINY = ("--scale", "2", "--channels", "4", "--size", "6x7")


def needs(name: str) -> pytest.MarkDecorator:
    missing = runtimes.get(FORMATS[name].runtime).missing
    return pytest.mark.skipif(missing is not None, reason=str(missing))


EVERY = pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in FORMATS])


def checked(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What somebody sees who has the folder and its runtime, and no upbench."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-W", "ignore", "check.py", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=variables, timeout=120)


def card_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "card.json").read_text()))


@EVERY
def test_a_model_is_checked_without_upbench(name: str, here: Here, tmp_path: Path) -> None:
    done = here("export", f"--{name}", tmp_path / "models", "--upsampler", "subpixel", *TINY)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 written to" in done.stdout
    folder = tmp_path / "models" / "subpixel-x2-c4-4to4-6x7-b1-float32"
    assert [each.name for each in (tmp_path / "models").iterdir()] == [folder.name]
    right = checked(folder, "--threads", "2")
    assert (right.returncode, right.stdout[:6]) == (0, "right:"), right.stderr
    expected = np.load(folder / "expected.npy", allow_pickle=False)
    np.save(folder / "expected.npy", expected + np.abs(expected).max() * 2e-4, allow_pickle=False)
    wrong = checked(folder)
    assert (wrong.returncode, wrong.stdout[:6]) == (1, "wrong:"), wrong.stderr


def test_the_check_needs_nothing_of_this_house() -> None:
    assert "upbench" not in Path(check_script.__file__).read_text()
    assert "upsample" not in Path(check_script.__file__).read_text()


def test_a_card_says_what_the_model_is(here: Here, tmp_path: Path) -> None:
    arguments = ("--upsampler", "nearest_conv.shuffled", "--out-channels", "3", "--batch", "2", *TINY)
    done = here("export", "--onnx", tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "nearest_conv.shuffled-x2-c4-4to3-6x7-b2-float32"
    card = card_of(folder)
    assert (card["upsampler"], card["exact_form_of"]) == ("nearest_conv.shuffled", "nearest_conv")
    assert card["format"] == "onnx"
    assert card["case"] == {
        **{"scale": 2, "channels": 4, "in_channels": 4, "out_channels": 3, "height": 6, "width": 7, "batch": 2},
        "dtype": "float32",
    }
    module = upsample.create("nearest_conv.shuffled", 4, 3, 2)
    assert card["cost"]["flops"] == upsample.cost(module, (2, 4, 6, 7)).flops
    assert card["inputs"] == [{"name": "input", "shape": [2, 4, 6, 7], "dtype": "float32"}]
    assert card["output"] == {"shape": [2, 3, 12, 14], "dtype": "float32"}
    assert card["definition_error"] <= card["tolerance"] == 1e-4
    assert card["versions"]["torch"] == torch.__version__
    assert "onnxruntime" in card["versions"]
    files = {file.name: file for file in folder.iterdir() if file.name != "card.json"}
    assert set(files) == {"model.onnx", "input.npz", "expected.npy", "check.py"}
    assert card["files"] == {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


@pytest.mark.slow
def test_plain_onnxruntime_computes_what_is_expected_of_a_guided_one(here: Here, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    done = here("export", "--onnx", tmp_path, "--upsampler", "joint_bilateral", *TINY)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "joint_bilateral-x2-c4-4to4-6x7-b1-float32"
    assert [each["name"] for each in card_of(folder)["inputs"]] == ["input", "guide"]
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    with np.load(folder / "input.npz", allow_pickle=False) as file:
        arrays = [file[name] for name in ("input", "guide")]
    names = [each.name for each in session.get_inputs()]
    (output,) = session.run(None, dict(zip(names, arrays, strict=True)))
    np.testing.assert_allclose(output, np.load(folder / "expected.npy", allow_pickle=False), rtol=1e-4, atol=1e-5)
    assert checked(folder).returncode == 0


@needs("ncnn")
def test_plain_ncnn_computes_what_is_expected(here: Here, tmp_path: Path) -> None:
    import ncnn

    done = here("export", "--ncnn", tmp_path, "--upsampler", "dysample_lp", "--batch", "2", *TINY)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "dysample_lp-x2-c4-4to4-6x7-b2-float32"
    net = ncnn.Net()
    for name in ("packed", "storage", "arithmetic"):
        setattr(net.opt, f"use_fp16_{name}", False)
    assert (net.load_param(str(folder / "model.param")), net.load_model(str(folder / "model.bin"))) == (0, 0)
    with np.load(folder / "input.npz", allow_pickle=False) as file:
        input = file["input"]
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(input, batch_index=0).clone())
    status, output = extractor.extract("out0")
    expected = np.load(folder / "expected.npy", allow_pickle=False)
    assert status == 0
    np.testing.assert_allclose(output.numpy(batch_index=0).reshape(expected.shape), expected, rtol=1e-3, atol=1e-4)
    assert checked(folder).returncode == 0


@needs("tflite")
def test_plain_litert_computes_what_is_expected_of_a_guided_one(here: Here, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    done = here("export", "--tflite", tmp_path, "--upsampler", "max_unpooling", *TINY)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "max_unpooling-x2-c4-4to4-6x7-b1-float32"
    interpreter = Interpreter(model_path=str(folder / "model.tflite"))
    interpreter.allocate_tensors()
    with np.load(folder / "input.npz", allow_pickle=False) as file:
        for place, name in zip(interpreter.get_input_details(), ("input", "guide"), strict=True):
            interpreter.set_tensor(place["index"], file[name].astype(place["dtype"]))
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(output, np.load(folder / "expected.npy", allow_pickle=False), rtol=1e-4, atol=1e-5)
    assert checked(folder).returncode == 0


@needs("ncnn")
def test_what_cannot_be_exported_is_listed_in_the_runtimes_words(here: Here, tmp_path: Path) -> None:
    options = ("--upsampler", "carafe_unfolded,nearest_conv_staged", "--channels", "4", "--size", "6x7", "--scale", "3")
    done = here("export", "--onnx", tmp_path / "a", "--ncnn", tmp_path / "b", *options)
    assert done.returncode == 0, done.stderr
    told = done.stderr
    assert "unsupported: carafe_unfolded-x3-c4-4to4-6x7-b1-float32 as ncnn: ncnn cannot take it: pnnx leaves" in told
    assert "unsupported: nearest_conv_staged-x3-c4-4to4-6x7-b1-float32 as ONNX: " in told
    (row,) = (line.split() for line in done.stdout.splitlines() if line.strip().startswith("carafe_unfolded-x3"))
    assert float(row[1]) < 1e-4
    assert row[2] == "–"
    assert "0 of 2 written to" in done.stdout
    assert [each.name for each in (tmp_path / "b").iterdir()] == []


def test_nothing_at_all_is_exit_code_1(here: Here, tmp_path: Path) -> None:
    done = here("export", "--onnx", tmp_path, "--upsampler", "subpixel", "--scale", "1.5", "--channels", "4")
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_is_ours_is_written_anew_and_what_is_not_stays(here: Here, tmp_path: Path) -> None:
    arguments = ("export", "--onnx", tmp_path, "--upsampler", "dupsampling", *TINY)
    assert here(*arguments).returncode == 0
    (folder,) = tmp_path.iterdir()
    before = card_of(folder)
    (folder / "model.onnx").write_bytes(b"spoilt")
    assert here(*arguments).returncode == 0
    assert card_of(folder) == before
    assert checked(folder).returncode == 0
    # Somebody's own folder of that name, or a file, or a link to an export elsewhere.
    (folder / "card.json").write_text('{"schema": "mine"}')
    refused = here(*arguments)
    assert (refused.returncode, refused.stderr) == (
        2,
        f"upbench: {folder} is there already and was not exported by upbench: move it away.\n",
    )
    assert (folder / "card.json").read_text() == '{"schema": "mine"}'
    shutil.move(folder, tmp_path / "elsewhere")
    folder.write_text("a file")
    assert here(*arguments).returncode == 2
    assert folder.read_text() == "a file"


@pytest.mark.slow
def test_a_class_of_ones_own_is_exported_and_one_that_ends_its_process_leaves_what_was_there(
    here: Here, tmp_path: Path
) -> None:
    shutil.copy(OWN, tmp_path / "mine.py")
    models = tmp_path / "models"
    arguments = ("export", "--onnx", models, *TINY, "--out-channels", "3")
    done = here(*arguments, *(f"--module=mine:{name}" for name in ("Plain", "Fatal", "TooSmall")), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = models.iterdir()
    assert folder.name == "mine_Plain-x2-c4-4to3-6x7-b1-float32"
    assert card_of(folder)["upsampler"] == "mine:Plain"
    assert "mine_Fatal-x2-c4-4to3-6x7-b1-float32 as ONNX: the worker was killed by SIGKILL" in done.stderr
    assert "refused: mine_TooSmall-x2-c4-4to3-6x7-b1-float32 as ONNX: " in done.stderr
    # The class is another one now.
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text().replace("class Fatal", "class Plain"))
    assert here(*arguments, "--module", "mine:Plain", cwd=tmp_path).returncode == 1
    assert [each.name for each in models.iterdir()] == [folder.name]
    assert checked(folder).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--upsampler", "subpixel"), "say what to write, and where to: --onnx"),
        (("--onnx", "a"), "say what to export: --upsampler NAME"),
        (("--onnx", "a", "--quick", "--full"), "--quick and --full exclude each other."),
        (("--onnx", "a", "--ncnn", "./a", "--upsampler", "subpixel"), "each format wants a folder of its own"),
        (("--onnx", "a", "--upsampler", "nonsense"), "nonsense"),
        (("--onnx", "a", "--upsampler", "subpixel", "--scale", "x"), "scales must be numbers such as 2"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], sentence: str, here: Here, tmp_path: Path) -> None:
    done = here("export", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_half_precision_is_exported_to_onnx_and_what_its_runtime_lacks_is_not(here: Here, tmp_path: Path) -> None:
    done = here("export", "--onnx", tmp_path, "--upsampler", "subpixel", "--dtype", "float16,float64,bfloat16", *TINY)
    assert done.returncode == 0, done.stderr
    assert [each.name.rsplit("-", 1)[1] for each in tmp_path.iterdir()] == ["float16"]
    for lacking in ("float64", "bfloat16"):
        assert f"unsupported: subpixel-x2-c4-4to4-6x7-b1-{lacking} as ONNX: ONNX Runtime cannot take it" in done.stderr
    for folder in tmp_path.iterdir():
        assert checked(folder).returncode == 0
