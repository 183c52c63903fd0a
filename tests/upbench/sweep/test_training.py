"""A training step: its gradients, its arithmetic, and what training keeps in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

import upsample
from upbench import meters
from upbench.cases.case import Case, Cell
from upbench.meters.agreement import WrongOutputError
from upbench.runtimes.workload import TrainingStep, Workload, build, gradients_as_in, is_network, prepare
from upsample.families.subpixel import SubPixel

CHANNELS, SIDE = 8, 12


def case(upsampler: str, **cell: Any) -> Case:
    ends = (3, 3) if is_network(upsampler) else (CHANNELS, CHANNELS)
    return Case(upsampler, Cell(2, CHANNELS, *ends, SIDE, SIDE, **{"step": "training", **cell}))


def workload(upsampler: str, **cell: Any) -> Workload:
    with gradients_as_in(case(upsampler, **cell).cell):
        return build(case(upsampler, **cell))


QUICK = [card.name for card in upsample.cards() if card.preset == "quick" and card.kind == "operator"]


@pytest.mark.parametrize("upsampler", [*QUICK, "bilinear_conv.phases", "nearest_conv.mixed_first", "post_upsampling"])
def test_gradients_are_the_definitions_and_every_operator_is_counted(upsampler: str) -> None:
    step = workload(upsampler)
    assert meters.get("agreement").measure(step)["definition_error"] < 1e-4
    fields = meters.get("arithmetic").measure(step)
    assert "uncounted_operator" not in fields
    if step.leaves:
        assert fields["flops"] > upsample.cost(step.module, step.input.shape).flops


class HalfTheGradient(SubPixel):
    """The right output, and half of it hidden from the backward pass."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input / 2 + input.detach() / 2)


def test_a_wrong_gradient_is_refused() -> None:
    right = workload("subpixel")
    wrong = HalfTheGradient(CHANNELS, CHANNELS, 2)
    with pytest.raises(WrongOutputError, match=r"the gradients differ from the definition by 5\.0e-01"):
        meters.get("agreement").measure(prepare(right.case, wrong, right.inputs))


def test_a_gradient_that_the_runtime_gets_wrong_is_refused() -> None:
    right = workload("subpixel")
    wrong = TrainingStep(lambda: right.module(right.input / 2 + right.input.detach() / 2), right.leaves)
    with pytest.raises(WrongOutputError, match=r"the gradients differ from those of eager by 5\.0e-01"):
        meters.get("agreement").measure(replace(right, call=wrong))


@pytest.mark.parametrize("upsampler", ["transposed", "subpixel"])
def test_a_convolutions_training_step_is_three_times_its_inference(upsampler: str) -> None:
    step = workload(upsampler)
    inference = upsample.cost(step.module, step.input.shape)
    fields = meters.get("arithmetic").measure(step)
    assert (fields["flops"], fields["macs"]) == (3 * inference.flops, 3 * inference.macs)
    assert fields["min_bytes"] == 2 * inference.min_bytes


def test_training_keeps_a_gradient_and_two_moments_for_each_parameter() -> None:
    step = workload("subpixel")
    params = sum(each.numel() for each in step.module.parameters())
    fields = meters.get("training_state").measure(step)
    assert fields == {"gradient_bytes": 4 * params, "optimizer_bytes": 8 * params}
    inference = workload("subpixel", step="inference")
    assert meters.get("training_state").measure(inference) == {"gradient_bytes": None, "optimizer_bytes": None}


def test_training_needs_more_memory_than_inference() -> None:
    # What the backward pass reads must be kept until then.
    peaks = []
    for step in ("inference", "training"):
        work = workload("nearest_conv", step=step)
        with gradients_as_in(work.case.cell):
            peaks.append([meters.get(name).measure(work) for name in ("tensor_memory", "allocated_memory")])
    for small, large in zip(*peaks, strict=True):
        (field,) = small
        assert small[field] < large[field]


def test_a_step_starts_from_no_gradients_and_leaves_its_own() -> None:
    step = workload("subpixel")
    assert {leaf.shape for leaf in step.leaves} == {
        step.input.shape,
        *(each.shape for each in step.module.parameters()),
    }
    step.call()
    first = [leaf.grad.clone() for leaf in step.leaves if leaf.grad is not None]
    step.call()
    second = [leaf.grad for leaf in step.leaves if leaf.grad is not None]
    assert len(first) == len(second) == len(step.leaves)
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other)


def test_a_networks_photograph_has_no_gradient() -> None:
    assert not workload("post_upsampling").input.requires_grad


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_training_is_compiled_backward_and_all() -> None:
    step = workload("subpixel", runtime="compiled")
    assert meters.get("agreement").measure(step)["definition_error"] < 1e-4


def test_a_records_step_is_part_of_its_name_unless_it_is_inference() -> None:
    assert case("subpixel").id.endswith("-eager-training")
    assert case("subpixel", step="inference").id.endswith("-eager")
    fields = case("subpixel", step="inference").as_dict()
    del fields["step"]
    assert Case.from_dict(fields).cell.step == "inference"
