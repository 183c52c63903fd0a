"""Networks of the zoo exported to ONNX: the rewritten files compute the same in ONNX Runtime and in OpenVINO.

Each in a process of its own: where dozens of networks are exported in one, torch's exporter may end it by a signal.
"""

from __future__ import annotations

import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from examples.zoo import ZOO
from examples.zoo.package import installed
from tests.upbench.onnx_files.rewriting import rewritten
from tests.zoo.comparison import called
from upbench.onnx_files import engines
from upbench.runtimes.onnx import exported

pytestmark = [pytest.mark.zoo, pytest.mark.filterwarnings("ignore")]

NAMES = [name for name in ZOO if not name.endswith("as published")]

LOOSE = 1e-4
"""Of outputs in float32, as a share of the largest: two runtimes round the networks of others differently."""


@pytest.mark.parametrize("name", NAMES)
def test_a_rewritten_file_computes_the_same(name: str, tmp_path: Path) -> None:
    entry = ZOO[name]
    if entry.requires and not installed(entry.requires):
        pytest.skip(f"{name} is a network of {entry.requires}, which is not installed.")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        reason = process.submit(check, name, tmp_path).result()
    if reason:
        pytest.skip(reason)


def check(name: str, folder: Path) -> str:
    """Export one network, rewrite the file and run both; the answer is why that cannot be done, or nothing."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    model, given = ZOO[name].make().eval(), ZOO[name].example()
    try:
        file = exported(model, given)
    except Exception as error:  # what an exporter cannot do is no fault of a file's rewriter
        return f"torch exports no file of it: {type(error).__name__}"
    names = [each.name for each in onnx.load_from_string(file).graph.input]
    feeds: dict[str, Any] = {each: tensor.numpy() for each, tensor in zip(names, given, strict=True)}
    source = folder / "network.onnx"
    source.write_bytes(file)
    runtimes = [each for each in ("onnx", "openvino") if _runs(each, source, feeds)]
    result, output = rewritten(source, folder, given=feeds, runtimes=tuple(runtimes))
    assert all(site.after or site.reason for site in result.sites)
    if not result.written:
        if any("random" in verdict.trouble for verdict in result.verdicts):
            return "its output is random"
        assert not any(site.after for site in result.sites)
        return ""
    with torch.no_grad():
        expected = [each.numpy() for each in called(model, given)]
    for runtime in runtimes:
        actual = engines.load(runtime, output)(feeds)
        for one, other in zip(expected, actual, strict=False):
            assert one.shape == other.shape
            assert np.abs(one - other).max() <= LOOSE * np.abs(one).max(), runtime
    return ""


def _runs(runtime: str, file: Path, feeds: dict[str, Any]) -> bool:
    """Whether a runtime takes the file as it was exported."""
    try:
        engines.load(runtime, file)(feeds)
    except engines.EngineError:
        return False
    return True
