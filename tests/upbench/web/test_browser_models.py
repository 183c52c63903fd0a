"""A case for a browser: its model gives the output that travels with it, and what has none says why."""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from upbench.cases.case import Case, Cell, GridError
from upbench.web.browser_models import (
    MOST_EXPECTED,
    BrowserModel,
    check_cells,
    control_model,
    for_browser,
    ready_model,
    stride_over,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

OWN = "tests.upbench.own_upsamplers:"


def case(upsampler: str, **cell: Any) -> Case:
    return Case(
        upsampler,
        Cell(**{"scale": 2, "channels": 8, "in_channels": 8, "out_channels": 8, "height": 12, "width": 20, **cell}),
    )


def difference(model: BrowserModel) -> float:
    """How far ONNX Runtime is from what the model should give, as a page works it out."""
    session = onnxruntime.InferenceSession(model.model, providers=["CPUExecutionProvider"])
    feeds = {each.name: np.frombuffer(each.data, dtype=each.type).reshape(each.dims) for each in model.inputs}
    output = session.run(None, feeds)[0]
    assert output.shape == model.dims
    expected = np.frombuffer(model.expected, dtype=np.float32)
    return float(np.abs(output.flatten()[:: model.stride] - expected).max()) / model.largest


@pytest.mark.parametrize("upsampler", ["subpixel", "nearest_conv.phases"])
def test_a_model_gives_what_travels_with_it(upsampler: str) -> None:
    found = for_browser(case(upsampler))
    assert (found.outcome, found.reason) == ("ok", None)
    assert found.model is not None
    assert found.fields["flops"] > 0
    assert difference(found.model) < found.model.tolerance / 10


def test_the_control_is_the_product_of_the_same_matrices_as_everywhere() -> None:
    assert difference(control_model()) < 1e-5


def test_a_wrong_output_would_be_seen() -> None:
    model = control_model()
    wrong = ready_model(model.model, [torch.zeros(128, 128), torch.zeros(128, 128)], torch.ones(128, 128))
    assert difference(wrong) == 1.0


def test_what_cannot_do_the_scale_says_so() -> None:
    found = for_browser(case("nearest_conv_staged", scale=3))
    assert found.outcome == "unsupported"
    assert "scales 2, 4, 8" in str(found.reason)
    assert found.model is None


@pytest.mark.parametrize(("name", "outcome"), [("TooSmall", "refused"), ("Sorting", "ok")])
def test_a_class_of_ones_own_is_judged_before_it_travels(name: str, outcome: str) -> None:
    assert for_browser(case(OWN + name)).outcome == outcome


@pytest.mark.parametrize(
    ("axis", "value"),
    [("dtype", "float16"), ("layout", "channels_last"), ("device", "cuda"), ("step", "training")],
)
def test_a_browser_is_not_asked_what_it_cannot_do(axis: str, value: str) -> None:
    with pytest.raises(GridError, match=f"in a browser {axis} is"):
        check_cells([case("subpixel", **{axis: value}).cell])


@given(st.integers(1, 10**9))
def test_a_stride_visits_every_row_and_phase_and_takes_no_more_than_may_travel(count: int) -> None:
    stride = stride_over(count)
    assert gcd(stride, count) == 1
    assert -(-count // stride) <= MOST_EXPECTED
