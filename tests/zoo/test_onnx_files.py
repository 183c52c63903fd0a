"""Networks of the zoo exported to ONNX: the rewritten files compute the same in ONNX Runtime and in OpenVINO.

Each in a process of its own: where dozens of networks are exported in one, torch's exporter may end it by a signal.
"""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

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
    source = tmp_path / "network.onnx"
    # What an exporter cannot do is no fault of a file's rewriter. Where one fails the other may not.
    if not any(apart(export, name, source, newer) for newer in (True, False)):
        pytest.skip("torch exports no file of it")
    if reason := apart(check, name, source):
        pytest.skip(reason)


def apart(work: Callable[..., str | bool], *given: Any) -> str | bool:
    """Do some of it in a process of its own; if that ends by a signal, in an export, there is no file."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        try:
            return process.submit(work, *given).result()
        except BrokenProcessPool:
            if work is not export:
                raise
            return False


def network(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """One of the zoo, the same in every process, and what it is given."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    return ZOO[name].make().eval(), ZOO[name].example()


def export(name: str, source: Path, newer: bool) -> bool:
    """Export one network by torch's newer exporter or by its older one; the answer is whether there is a file."""
    model, given = network(name)
    try:
        if newer:
            source.write_bytes(exported(model, given))
        else:
            with torch.no_grad():
                torch.onnx.export(model, given, str(source), dynamo=False)
    except Exception:
        return False
    return True


def check(name: str, source: Path) -> str:
    """Rewrite an exported network and run both files; the answer is why that cannot be done, or nothing."""
    model, given = network(name)
    names = [each.name for each in onnx.load(source).graph.input]
    feeds: dict[str, Any] = {each: tensor.numpy() for each, tensor in zip(names, given, strict=True)}
    runtimes = [each for each in ("onnx", "openvino") if _runs(each, source, feeds)]
    result, output = rewritten(source, source.parent, given=feeds, runtimes=tuple(runtimes))
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
