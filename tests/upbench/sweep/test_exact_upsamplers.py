"""Exact forms as upsamplers of the grid: named after the usual one, with its weights, its definition and its card."""

from __future__ import annotations

from io import BytesIO

import pytest
import torch

import upsample
from upbench import meters
from upbench.cases import grid
from upbench.cases.case import Case, Cell
from upbench.cases.listing import listing
from upbench.runtimes.workload import build
from upsample.exact.forms import FORMS

BASES = ("transposed", "transposed_9x9", "subpixel", "subpixel_staged", "nearest_conv", "bicubic_conv", "conv_bilinear")


def existing(scale: int) -> list[str]:
    names = [name for base in BASES for name in upsample.exact_names(base)]
    return [name for name in names if upsample.refusal(name, 6, 4, scale) is None]


@pytest.mark.parametrize(("name", "scale"), [(name, scale) for scale in (2, 3) for name in existing(scale)])
def test_it_is_the_usual_ones_output_in_the_precision_that_it_is_converted_to(name: str, scale: int) -> None:
    torch.manual_seed(0)
    # Built in float32: kernels that were worked out before the conversion would be off by its rounding.
    module = upsample.create(name, 6, 4, scale).double()
    input = torch.randn(2, 6, 7, 9, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(module(input), module.definition(input), rtol=0, atol=1e-12)


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning"
)
def test_torchscript_reads_what_it_has_written_of_one() -> None:
    module, input, file = upsample.create("nearest_conv.shuffled", 4, 3, 2).eval(), torch.randn(1, 4, 5, 6), BytesIO()
    with torch.no_grad():
        torch.jit.save(torch.jit.trace(module, input, check_trace=False), file)
        file.seek(0)
        torch.testing.assert_close(torch.jit.load(file)(input), module(input))


@pytest.mark.parametrize("name", ["nearest_conv.phases", "bilinear_conv.transposed", "subpixel_staged.shuffled"])
def test_its_closed_form_and_its_output_pass_the_meters(name: str) -> None:
    work = build(Case(name, Cell(2, 6, 6, 4, 20, 18)))
    with torch.inference_mode():
        assert meters.get("agreement").measure(work)["definition_error"] < 1e-5
        assert meters.get("arithmetic").measure(work)["params"] == sum(p.numel() for p in work.module.parameters())


def test_it_has_the_usual_ones_parameters_and_no_others() -> None:
    torch.manual_seed(0)
    usual = upsample.create("nearest_conv", 4, 3, 2)
    torch.manual_seed(0)
    form = upsample.create("nearest_conv.phases", 4, 3, 2)
    assert [name.removeprefix("usual.") for name in form.state_dict()] == list(usual.state_dict())
    for one, other in zip(usual.parameters(), form.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_what_a_form_made_without_gradients_leaves_behind_does_not_stop_the_next_one_from_training() -> None:
    with torch.inference_mode():
        upsample.create("bicubic_conv.phases", 2, 2, 5)
    form = upsample.create("bicubic_conv.phases", 2, 2, 5)
    form(torch.randn(1, 2, 9, 9)).sum().backward()
    assert all(parameter.grad is not None for parameter in form.parameters())


def test_exact_forms_are_offered_for_what_is_linear_and_made_of_known_layers() -> None:
    assert upsample.exact_names("nearest_conv") == [f"nearest_conv.{form}" for form in FORMS]
    assert upsample.exact_names("carafe") == upsample.exact_names("no such thing") == []
    assert "not made of layers" in str(upsample.refusal("lanczos_conv.phases", 4, 4, 2))


def test_they_stand_beside_the_usual_one_in_the_grid_and_nowhere_else() -> None:
    names = grid.with_exact_forms(("carafe", "subpixel"))
    assert names == ("carafe", "subpixel", *upsample.exact_names("subpixel"))
    upsample.card("subpixel.phases")
    assert not any("." in name for name in upsample.names())


def test_an_unknown_form_is_an_unknown_upsampler() -> None:
    with pytest.raises(upsample.UnknownUpsamplerError, match=r"no upsampler is named 'subpixel\.fastest'"):
        upsample.create("subpixel.fastest", 4, 3, 2)


def test_its_row_tells_what_it_is_a_form_of() -> None:
    (row,) = listing(("nearest_conv.phases",))
    assert (row.exact_form_of, row.scales) == ("nearest_conv", "any whole")
    assert row.title == "Nearest + conv, as a conv for each phase"
