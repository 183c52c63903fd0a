"""What machine this is: the fingerprint that every record carries, so that figures are never compared unawares."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch
from pytest_benchmark.plugin import pytest_benchmark_generate_machine_info
from pytest_benchmark.utils import get_commit_info

import upbench
import upsample
from upbench.processes import cores
from upbench.processes.gpu_watch import UnwatchedError, loaded_nvml

DRIFTING = ("memory_bytes",)
"""What may be a little different on the same machine after it has started anew."""

RUNTIMES = (
    *("onnx", "onnxscript", "onnxruntime", "openvino"),
    *("ncnn", "pnnx", "ai-edge-litert", "litert-torch", "litert-converter"),
)
"""Packages on which latencies in other runtimes depend."""

CPU_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def machine_info() -> dict[str, Any]:
    """pytest-benchmark's description of the machine, without its host name, and our ``fingerprint``."""
    info: dict[str, Any] = pytest_benchmark_generate_machine_info()
    # A record is made to be published, and the name of somebody's computer explains no figure.
    info["node"] = ""
    info["fingerprint"] = fingerprint(cpu_model=info["cpu"].get("brand_raw", platform.processor()))
    return info


def fingerprint(cpu_model: str) -> dict[str, Any]:
    """Return what decides the speed of this machine: hardware, operating system, torch build."""
    return {
        "cpu": cpu_model,
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": len(cores.usable()),
        "caches": caches(),
        "memory_bytes": psutil.virtual_memory().total,
        "os": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "torch": torch.__version__,
        # Without the place of the compiler on the machine of torch's builders, which decides nothing.
        "torch_build": re.sub(r"CXX_COMPILER=[^,]*, ", "", torch.__config__.show().strip()),
        "versions": versions(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


def identity(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a fingerprint by which work that was interrupted knows its machine again."""
    return {key: value for key, value in fingerprint.items() if key not in DRIFTING}


def versions() -> dict[str, str]:
    """Of what else a latency depends on: the runtimes that are installed, and the compiler behind ``torch.compile``."""
    found = {}
    for name in RUNTIMES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    compiler = os.environ.get("CXX", "g++")
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
        found["compiler"] = next(iter(told.splitlines()), "unknown")
    return found | (cuda_versions() if torch.cuda.device_count() else {})


def cuda_versions() -> dict[str, str]:
    """Of what runs on a GPU, where there is one: CUDA, cuDNN, and the driver where NVML tells."""
    found = {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    with suppress(UnwatchedError):
        found["driver"] = str(loaded_nvml().nvmlSystemGetDriverVersion())
    return found


def caches() -> dict[str, str]:
    """Sizes of the first core's caches, such as ``{"L1 Data": "32K", "L2 Unified": "512K"}``; empty without sysfs."""
    found = {}
    for index in sorted(CPU_CACHES.glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        found[f"L{level} {kind}"] = size
    return found


def commit_info() -> dict[str, Any]:
    """The commit of the current directory's repository, as pytest-benchmark records it."""
    return dict(get_commit_info())


def source_digest() -> str:
    """Identify the code that measures: a digest of every source file of the two packages."""
    digest = hashlib.sha256()
    for package in (upbench, upsample):
        folder = Path(package.__path__[0])
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def provenance() -> dict[str, Any]:
    """What a run says of itself: its command line and the versions of what measured it."""
    program = Path(sys.argv[0])
    name = f"python -m {program.parent.name}" if program.name == "__main__.py" else program.name
    return {
        "command": shlex.join([*name.split(), *sys.argv[1:]]),
        "version": version("upsample-bench"),
        "source": source_digest(),
        "pytest_benchmark_version": version("pytest-benchmark"),
    }
