"""Rewrite the upsamplers of public networks at their published widths, and measure what that gains.

``python -m examples.rewrite_networks --output results/rewritten_networks.json``, in an environment with the packages
of ``tox run -e zoo``.

Each launch is a fresh process with one thread and an allocator that keeps freed memory (see
:mod:`upbench.processes.allocator`). In it, the network before and after is timed in turn; a figure is the median over
launches, with their range. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tabulate import tabulate
from torch import Tensor

import upsample
from examples.zoo import ZOO
from upbench.cases import inputs
from upbench.machine.fingerprint import commit_info, machine_info
from upbench.meters.allocated_memory import peak_allocated_bytes
from upbench.processes.allocator import PINNED_ENVIRONMENT
from upbench.records.record import write_whole

NETWORKS: dict[str, tuple[int, int]] = {
    "RRDBNet": (3, 48),
    "EDSR": (3, 96),
    "FSRCNN": (1, 96),
    "SwinIR, nearest+conv": (3, 48),
    "RealCUGAN": (3, 96),
    "UNet": (3, 192),
    "UNet, nearest + concatenation": (3, 192),
    "UNet, bilinear + concatenation": (3, 192),
    "PanopticFPN": (3, 192),
    "DeepLabV3Plus": (3, 192),
    "SegFormer": (3, 192),
    "AutoencoderKL's decoder": (4, 16),
    "AutoencoderTiny's decoder": (4, 32),
}
"""Of the zoo: the channels of each one's input, and its side."""

HEADERS = (
    "where",
    "form",
    "times faster",
    "range over launches",
    "folded",
    "difference",
    "peak allocated, MiB",
)

SUMMARY = ("times faster", "sites", "each, ours", "each, folded", "whole network")

SCHEMA = 2
LUMA = (0.299, 0.587, 0.114)
"""Of RGB, ITU-R BT.601."""

Launches = Sequence[Mapping[str, Any]]
"""Of one network: what each fresh process reported."""


def example(channels: int, side: int) -> Tensor:
    """Return ``(1, channels, side, side)``: a photograph, its luma, or random latents."""
    if channels not in (1, 3):
        return torch.randn(1, channels, side, side)
    image = inputs.photograph_batch(1, side, side)
    return image if channels == 3 else (image * torch.tensor(LUMA)[None, :, None, None]).sum(1, keepdim=True)


def launch(name: str, seconds: float) -> dict[str, Any]:
    """Rewrite one network in this process, and return what came out."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    make = ZOO[name].full
    assert make is not None
    model, input = make().eval(), example(*NETWORKS[name])
    rewritten, report = upsample.rewrite(model, input, seconds=seconds)
    with torch.inference_mode():
        before, after = (peak_allocated_bytes(lambda each=each: each(input)) for each in (model, rewritten))
    return {**asdict(report), "peak_allocated_bytes": [before, after]}


def measure(names: Sequence[str], launches: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Launch every network so many times."""
    made: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(launches):
        for name in names:
            command = [sys.executable, "-m", "examples.rewrite_networks", "--launch", name, "--seconds", str(seconds)]
            done = subprocess.run(
                command, env={**os.environ, **PINNED_ENVIRONMENT}, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise SystemExit(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
            made[name].append(json.loads(done.stdout))
    return made


def rows(made: Mapping[str, Launches]) -> list[list[str]]:
    """Lines of the table: every site, and every network as a whole."""
    lines = []
    for name, launches in made.items():
        for number, site in enumerate(launches[0]["sites"]):
            same = [each["sites"][number] for each in launches]
            forms = sorted({each["after"] or "left alone" for each in same})
            done = [each for each in same if each["after"]]
            where = f"{name}: {site['name']}"
            lines.append([where, " or ".join(forms), *_gains(done), _folded(same), _differences(done), ""])
        memory = launches[0]["peak_allocated_bytes"]
        saved = f"{memory[0] / 2**20:.1f} to {memory[1] / 2**20:.1f}"
        lines.append([f"{name}, whole", "", *_gains(launches), "", _differences(launches), saved])
    return lines


def summary(made: Mapping[str, Launches]) -> list[list[str]]:
    """A line for each network that was certainly faster as a whole in every launch, the most gained first.

    A site's figure is the median over launches; it stands where the site was rewritten in all of them.
    """
    lines = []
    for name, launches in made.items():
        if any(each["gain"] is None or each["gain"][1] <= 1 for each in launches):
            continue
        sites = list(zip(*(each["sites"] for each in launches), strict=True))
        done = [same for same in sites if all(each["after"] for each in same)]
        ours, folded = ", ".join(_gains(same)[0] for same in done), ", ".join(map(_folded, done))
        lines.append([name, f"{len(done)} of {len(sites)}", ours, folded, _gains(launches)[0]])
    return sorted(lines, key=lambda line: float(line[-1]), reverse=True)


def _gains(each: Launches) -> tuple[str, str]:
    gains = sorted(one["gain"][0] for one in each if one["gain"] is not None)
    if not gains:
        return "–", "–"
    return f"{median(gains):.2f}", f"{gains[0]:.2f} to {gains[-1]:.2f}"


def _folded(each: Launches) -> str:
    gains = [one["folded"][0] for one in each if one["folded"] is not None]
    return f"{median(gains):.2f}" if gains else "–"


def _differences(each: Launches) -> str:
    found = [one["difference"] for one in each if one["difference"] is not None]
    return f"{max(found):.1e}" if found else "–"


def main() -> None:
    """Measure and print the table, or be one launch."""
    parser = argparse.ArgumentParser(description="Rewrite the upsamplers of public networks and measure the gain.")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="which of them")
    parser.add_argument("--launches", type=int, default=3, help="fresh processes for each")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each comparison")
    parser.add_argument("--output", type=Path, help="where the records go")
    parser.add_argument("--launch", choices=NETWORKS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.launch:
        print(json.dumps(launch(chosen.launch, chosen.seconds)))
        return
    made = measure(chosen.networks, chosen.launches, chosen.seconds)
    print(tabulate(rows(made), HEADERS, tablefmt="github", disable_numparse=True))
    if chosen.output:
        command = " ".join(["python -m examples.rewrite_networks", *sys.argv[1:]])
        facts = {"command": command, "machine": machine_info(), "commit": commit_info(), "threads": 1}
        write_whole(chosen.output, {"rewritten_networks": SCHEMA, **facts, "networks": made})


if __name__ == "__main__":
    main()
