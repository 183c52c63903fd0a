"""What is done otherwise on a GPU, on tensors that hold no values: none is needed for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import upsample
from upsample.families.reassembly import BLOCK_VALUES, GPU_BLOCK_VALUES, reassemble
from upsample.rewriting import proof


class Launches(TorchDispatchMode):
    """Counts the operators that would be a kernel on a GPU each."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.count += func is torch.ops.aten.addcmul_.default
        return made


@pytest.mark.parametrize(("batch", "side", "blocks"), [(1, 48, 1), (4, 256, 4)])
def test_carafe_is_few_kernels_where_each_has_to_be_launched(batch: int, side: int, blocks: int) -> None:
    with torch.device("meta"), torch.no_grad(), Launches() as launches:
        upsample.create("carafe", 64, 64, 2)(torch.empty(batch, 64, side, side))
    assert launches.count == blocks * 4 * 25


def test_the_size_of_its_blocks_changes_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    input, kernels = torch.randn(2, 12, 6, 5), torch.randn(2, 25, 6, 2, 5, 2)
    whole = reassemble(input, kernels, 5)
    monkeypatch.setattr("upsample.families.reassembly.BLOCK_VALUES", 2 * 6 * 5 * 5)
    assert torch.equal(reassemble(input, kernels, 5), whole)
    assert BLOCK_VALUES < GPU_BLOCK_VALUES


@pytest.fixture
def switches() -> Iterator[Any]:
    """Torch's, as they are by default, and once more afterwards."""
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, products.allow_tf32
    cudnn.allow_tf32, products.allow_tf32 = True, False
    yield torch.backends
    cudnn.allow_tf32, products.allow_tf32 = before


def on_a_gpu(dtype: torch.dtype) -> torch.Tensor:
    with FakeTensorMode():
        return torch.empty(1, device="cuda", dtype=dtype)


def test_rewriting_allows_for_tf32_where_torch_rounds_to_it(switches: Any) -> None:
    tolerances = {
        torch.float32: 2e-2,
        torch.complex64: 2e-2,
        torch.float64: 1e-11,
        torch.bfloat16: 5e-2,
        torch.int64: 0.0,
    }
    assert {dtype: proof.tolerance([on_a_gpu(dtype)]) for dtype in tolerances} == tolerances
    assert proof.tolerance([torch.empty(1)]) == 1e-4
    switches.cudnn.allow_tf32 = False
    assert proof.tolerance([on_a_gpu(torch.float32)]) == 1e-4
    switches.cuda.matmul.allow_tf32 = True
    assert proof.tolerance([on_a_gpu(torch.float32)]) == 2e-2


def test_torchs_newer_switches_are_understood_too(switches: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once they were used, torch raises where the older ones are read."""

    class Newer:
        def __init__(self, precision: str) -> None:
            self.fp32_precision = precision
            self.conv = self

        @property
        def allow_tf32(self) -> bool:
            raise RuntimeError("PyTorch is checking whether allow_tf32 is enabled for cuDNN without a specific name")

    for convolutions, products, expected in (("tf32", "ieee", True), ("ieee", "tf32", True), ("ieee", "ieee", False)):
        with monkeypatch.context() as patch:
            patch.setattr(torch.backends, "cudnn", Newer(convolutions))
            patch.setattr(torch.backends.cuda, "matmul", Newer(products))
            assert proof.in_tf32() is expected
