"""Export public networks at their published widths to ONNX, rewrite the files, and measure what that gains.

``python -m examples.rewrite_onnx_files --output results/rewritten_onnx_files.json``, in an environment with the
packages of ``tox run -e zoo``.

Each network and runtime is a fresh process with one thread. In it ``upbench rewrite`` does what it does for anybody:
the files before and after are compared, and run in turn. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from tabulate import tabulate

from examples.rewrite_networks import NETWORKS, example
from examples.zoo import ZOO
from upbench.machine.fingerprint import commit_info, machine_info
from upbench.onnx_files.file_rewriter import FileSettings, rewrite_file
from upbench.onnx_files.rewriting_record import document
from upbench.processes.allocator import PINNED_ENVIRONMENT
from upbench.records.record import write_whole
from upbench.runtimes.onnx import exported

RUNTIMES = ("onnx", "openvino")
HEADERS = ("network", "runtime", "sites rewritten", "each, times faster", "whole file (99 % interval)", "difference")
SCHEMA = 1

Records = Sequence[Mapping[str, Any]]
"""What ``upbench rewrite --json`` says, one for each network and runtime, with the network's name."""


def rewritten(name: str, runtime: str, seconds: float) -> dict[str, Any]:
    """Export one network and rewrite its file for one runtime, in this process."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    make = ZOO[name].full
    assert make is not None
    given = example(*NETWORKS[name])
    # Within the folder, so that a record names files and not where they lay.
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        source, output, inputs = map(Path, ("network.onnx", "rewritten.onnx", "inputs.npz"))
        file = exported(make().eval(), (given,))
        source.write_bytes(file)
        np.savez(inputs, **{onnx.load_from_string(file).graph.input[0].name: given.numpy()})
        settings = FileSettings((runtime,), threads=1, seconds=seconds)
        made = rewrite_file(source, output, settings, inputs)
        return {"network": name, **document(made, source, output, settings)}


def measure(names: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """Rewrite every network's file for every runtime, a fresh process each."""
    made = []
    for name in names:
        for runtime in RUNTIMES:
            command = [sys.executable, "-m", "examples.rewrite_onnx_files", "--seconds", str(seconds)]
            done = subprocess.run(
                [*command, "--one", name, runtime],
                env={**os.environ, **PINNED_ENVIRONMENT},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise SystemExit(f"{name} failed in {runtime}: {done.stderr.strip().splitlines()[-1]}")
            made.append(json.loads(done.stdout.splitlines()[-1]))
    return made


def rows(made: Records) -> list[list[str]]:
    """A line for each file and runtime."""
    lines = []
    for each in made:
        (runtime,) = each["runtimes"] or [None]
        done = [site for site in each["sites"] if site["after"]]
        gains = ", ".join(f"{site['gain'][0]:.2f}" for site in done) or "–"
        whole = "{:.2f} ({:.2f} to {:.2f})".format(*runtime["gain"]) if runtime and runtime["gain"] else "–"
        difference = f"{runtime['difference']:.1e}" if runtime else "–"
        sites = f"{len(done)} of {len(each['sites'])}"
        name = each["network"] if each["written"] else f"{each['network']} (left as it is)"
        lines.append([name, each["settings"]["runtimes"][0], sites, gains, whole, difference])
    return lines


def main() -> None:
    """Measure and print the table, or be one process."""
    parser = argparse.ArgumentParser(description="Rewrite the files of public networks and measure the gain.")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="which of them")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each comparison")
    parser.add_argument("--output", type=Path, help="where the records go")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(rewritten(*chosen.one, chosen.seconds)))
        return
    made = measure(chosen.networks, chosen.seconds)
    print(tabulate(rows(made), HEADERS, tablefmt="github", disable_numparse=True))
    if chosen.output:
        command = " ".join(["python -m examples.rewrite_onnx_files", *sys.argv[1:]])
        facts = {"command": command, "machine": machine_info(), "commit": commit_info(), "threads": 1}
        write_whole(chosen.output, {"rewritten_onnx_files": SCHEMA, **facts, "files": made})


if __name__ == "__main__":
    main()
