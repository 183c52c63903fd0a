"""The example networks, small, before and after their rewriting."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import upsample
from examples.zoo.super_resolution import EDSR, FSRCNN, RRDBNet
from examples.zoo.unets import UNet

ROOT = Path(__file__).parents[1]

SMALL: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    "RRDBNet": (lambda: RRDBNet(1, 8, 4), 3, 4),
    "EDSR": (lambda: EDSR(1, 8), 3, 4),
    "FSRCNN": (lambda: FSRCNN(8, 4, 1), 1, 3),
    "UNet": (lambda: UNet(4, 2), 3, 1),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_rewritten_network_has_the_same_output_and_state(name: str) -> None:
    torch.manual_seed(0)
    make, channels, scale = SMALL[name]
    model = make().double().eval()
    # Whatever is not slower for certain.
    rewritten, report = upsample.rewrite(model, torch.rand(1, channels, 24, 28).double(), least_gain=-1, seconds=0)
    assert report.sites
    assert list(rewritten.state_dict()) == list(model.state_dict())
    input = torch.rand(2, channels, 12, 20).double()
    with torch.no_grad():
        expected, actual = model(input), rewritten(input)
    assert expected.shape[2:] == (12 * scale, 20 * scale)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_the_example_runs(tmp_path: Path) -> None:
    output = tmp_path / "networks.json"
    command = [sys.executable, "-m", "examples.rewrite_networks", "--networks", "FSRCNN", "--launches", "1"]
    done = subprocess.run(
        [*command, "--seconds", "0", "--output", str(output)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "| FSRCNN, whole" in done.stdout
    (launch,) = json.loads(output.read_text())["networks"]["FSRCNN"]
    assert [site["name"] for site in launch["sites"]] == ["deconvolution"]
