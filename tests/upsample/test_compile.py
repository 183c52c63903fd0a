"""Every upsampler can be compiled as one graph and exported, with the same output."""

from __future__ import annotations

import pytest
import torch

import upsample
from tests.specimens import inputs_of, supported, trained

names = pytest.mark.parametrize("name", upsample.names())
ignores = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def specimen(name: str) -> tuple[upsample.AnyUpsampler, list[torch.Tensor]]:
    torch.manual_seed(0)
    in_channels, out_channels, scale = supported(name, (2,))[-1]
    module = trained(upsample.create(name, in_channels, out_channels, scale)).eval()
    return module, inputs_of(module, 1, 9, 11)


def check_compiled(name: str, backend: str) -> None:
    torch._dynamo.reset()
    module, inputs = specimen(name)
    compiled = torch.compile(module, fullgraph=True, backend=backend)
    with torch.no_grad():
        torch.testing.assert_close(compiled(*inputs), module(*inputs), rtol=1e-4, atol=1e-4)


@names
@ignores
def test_it_is_one_graph(name: str) -> None:
    check_compiled(name, "aot_eager")


@names
@ignores
@pytest.mark.slow
def test_inductor_compiles_it(name: str) -> None:
    check_compiled(name, "inductor")


@names
@ignores
def test_it_can_be_exported(name: str) -> None:
    module, inputs = specimen(name)
    with torch.no_grad():
        exported = torch.export.export(module, tuple(inputs))
        torch.testing.assert_close(exported.module()(*inputs), module(*inputs))
