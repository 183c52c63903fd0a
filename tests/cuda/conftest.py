"""The acceptance test of a GPU: ``pytest -m cuda``. What it shows and what has passed it: docs/cuda.md."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def device() -> torch.device:
    """The first GPU."""
    if not torch.cuda.is_available():
        built = torch.version.cuda
        pytest.skip(f"torch sees no GPU here ({f'built for CUDA {built}' if built else 'a build without CUDA'})")
    torch.cuda.set_device(0)
    return torch.device("cuda", 0)
