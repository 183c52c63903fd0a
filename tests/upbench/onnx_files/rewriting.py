"""Files rewritten without timing: whatever a form is preferred by, the rest of the rewriting is as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.upsample.random_networks import preferring
from upbench.onnx_files.file_rewriter import FileRewriting, FileSettings, rewrite_file
from upbench.onnx_files.site_measuring import InRuntimes
from upsample.rewriting import proof


@contextmanager
def sites_in_torch() -> Iterator[None]:
    """Sites are tried in torch, which is sooner done than in runtimes; the whole file is run in its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InRuntimes, "__call__", lambda _, module, inputs: proof.eager(module, inputs))
        yield


def rewritten(
    model: onnx.ModelProto | Path, folder: Path, form: str = "shuffled", given: Any = None, **settings: Any
) -> tuple[FileRewriting, Path]:
    """Rewrite a model as if a form were the fastest; what became of it, and where it would be written."""
    source, output = folder / "model.onnx", folder / "faster.onnx"
    if isinstance(model, Path):
        source = model
    else:
        onnx.save(model, source)
    inputs = None
    if given is not None:
        inputs = folder / "inputs.npz"
        np.savez(inputs, **given)
    with preferring(form), sites_in_torch():
        made = rewrite_file(source, output, FileSettings(**{"least_gain": -1.0, **settings}), inputs)
    assert made.written == output.exists()
    return made, output


def run(model: onnx.ModelProto | Path, **feeds: Any) -> list[Any]:
    """What ONNX Runtime makes of a model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    given = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def operators(file: Path) -> list[str]:
    """The operators of a file's main graph, in order."""
    return [node.op_type for node in onnx.load(file, load_external_data=False).graph.node]


def some(*shape: int) -> Any:
    """Random values."""
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def apart(expected: list[Any], actual: list[Any]) -> float:
    """The largest difference, as a share of each output's largest value."""
    assert [each.shape for each in expected] == [each.shape for each in actual]
    pairs = [(one, other) for one, other in zip(expected, actual, strict=True) if one.size]
    return max((float(np.abs(one - other).max() / (np.abs(one).max() + 1e-30)) for one, other in pairs), default=0.0)
