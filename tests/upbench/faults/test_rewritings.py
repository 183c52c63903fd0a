"""A rewriting that is killed at any moment: the output is there whole or not at all, its weights included."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.upbench.faults.running import Place, kill, until
from tests.upbench.faults.table import shows

pytestmark = pytest.mark.slow

pytest.importorskip("onnxruntime")


@shows("rewriting killed")
def test_the_output_is_there_whole_or_not_at_all(place: Place, tmp_path: Path) -> None:
    import onnx

    from tests.upbench.onnx_files.rewriting import apart, run, some
    from tests.upbench.onnx_files.test_files import last, nearest_and_conv

    made = nearest_and_conv((48, 48))
    source, output = tmp_path / "source" / "model.onnx", tmp_path / "results" / "faster.onnx"
    source.parent.mkdir()
    model = made.proto(made.conv(last(made), 3, 64))
    onnx.save(model, source, save_as_external_data=True, location="weights.bin", size_threshold=100)
    x = some(1, 4, 48, 48)
    expected = run(source, x=x)
    rng = random.Random(0)
    arguments = ("rewrite", source, "--output", output, "--seconds", "0.2")
    for death in range(9):
        process = place.start(*arguments)
        if death < 8:
            time.sleep(rng.uniform(1, 9))
            with suppress(ProcessLookupError):
                kill(process)
        else:
            stdout, stderr = process.communicate(timeout=300)
            assert process.returncode in (0, 1), stderr
            # What killed ones have left is gone, whether this one has written or not.
            assert not list(output.parent.glob(".*")), stdout
        until(lambda: not place.processes(), 30)
        if output.exists():
            assert apart(expected, run(output, x=x)) < 1e-5
            output.unlink()
            for each in output.parent.glob("faster.onnx.*"):
                each.unlink()
    assert np.isfinite(expected[0]).all()
    assert place.left_behind() == []
