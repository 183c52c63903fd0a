"""What a GPU says of its clock while it is measured, by way of NVML: how fast it runs, and what holds it back.

A GPU that is too hot, or draws more than it may, lowers its clock by itself, and every latency with it. NVIDIA's
package ``nvidia-ml-py`` asks the driver, from any process and without a context on the device; without it nothing is
known, and a record says nothing. Written from NVML's documentation; see docs/cuda.md for what has run on hardware.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

import torch

NVML = "pynvml"
"""The module of the package ``nvidia-ml-py``."""

SLOWDOWNS = {
    "SwPowerCap": "power cap",
    "HwSlowdown": "hardware slowdown",
    "SyncBoost": "sync boost",
    "SwThermalSlowdown": "thermal, by software",
    "HwThermalSlowdown": "thermal, by hardware",
    "HwPowerBrakeSlowdown": "power brake",
}
"""NVML's reasons for a clock below the highest one, by the end of their names, and what a record calls them. A clock
that is low because the GPU is idle, or because somebody has set it, is none: the first ends with the work, the second
holds for all rivals alike."""

APART_S = 0.02
"""Between samples at least: a question takes the driver a fraction of a millisecond."""


class UnwatchedError(Exception):
    """The GPU cannot be asked; one sentence says why."""


@dataclass(frozen=True)
class GpuSample:
    """One answer: the clock of its multiprocessors in MHz, and what holds it back."""

    sm_clock_mhz: float | None
    slowed_by: tuple[str, ...]


class GpuWatch:
    """Asks one GPU for its clock, not more often than makes sense, and sums up what it said.

    Args:
        nvml: the module ``pynvml``, initialised, or what stands for it in tests.
        handle: NVML's, of the device.
        clock: the monotonic one, in seconds.
    """

    def __init__(self, nvml: Any, handle: Any, clock: Any = time.monotonic) -> None:
        self._nvml, self._handle, self._clock = nvml, handle, clock
        self._masks = {_mask(nvml, name): title for name, title in SLOWDOWNS.items()}
        self._asked_s = float("-inf")
        self.samples: list[GpuSample] = []

    @classmethod
    def of(cls, device: str) -> Self:
        """Watch ``cuda`` or ``cuda:N``, as torch numbers them.

        Raises:
            UnwatchedError: NVML is not installed, or does not know the device.
        """
        nvml = loaded_nvml()
        try:
            # By its identity: NVML sees all devices, torch those that CUDA_VISIBLE_DEVICES leaves it.
            uuid = str(torch.cuda.get_device_properties(torch.device(device).index or 0).uuid)
            handle = nvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}")
            watch = cls(nvml, handle)
            watch.sample()
        except (nvml.NVMLError, AttributeError, RuntimeError, AssertionError) as error:
            raise UnwatchedError(f"NVML does not tell of {device}: {error}") from error
        watch.samples.clear()
        return watch

    def look(self, always: bool = False) -> None:
        """Take a sample, unless the last one is recent or the driver has none."""
        if not always and self._clock() - self._asked_s < APART_S:
            return
        self._asked_s = self._clock()
        try:
            self.samples.append(self.sample())
        except self._nvml.NVMLError:
            # A device that has stopped to answer is the measuring's business.
            return

    def sample(self) -> GpuSample:
        """What it says now."""
        # Older drivers and packages know the reasons by their former name.
        ask = getattr(self._nvml, "nvmlDeviceGetCurrentClocksEventReasons", None)
        reasons = (ask or self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons)(self._handle)
        try:
            clock_mhz = float(self._nvml.nvmlDeviceGetClockInfo(self._handle, self._nvml.NVML_CLOCK_SM))
        except self._nvml.NVMLError:
            clock_mhz = None
        return GpuSample(clock_mhz, tuple(title for mask, title in self._masks.items() if reasons & mask))

    def other_processes(self) -> int | None:
        """How many processes but this one compute on it; None where the driver does not tell."""
        try:
            found = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        except self._nvml.NVMLError:
            return None
        # Within a container NVML may know this one by another number.
        return max(0, len(found) - 1)

    def summary(self) -> dict[str, Any] | None:
        """For the journal: the share of samples that were slowed, by what, and the median clock; None without any."""
        if not self.samples:
            return None
        clocks = [each.sm_clock_mhz for each in self.samples if each.sm_clock_mhz is not None]
        return {
            "slowed_share": sum(bool(each.slowed_by) for each in self.samples) / len(self.samples),
            "slowed_by": sorted({reason for each in self.samples for reason in each.slowed_by}),
            "sm_clock_mhz": median(clocks) if clocks else None,
        }


def loaded_nvml() -> Any:
    """The module ``pynvml``, initialised.

    Raises:
        UnwatchedError: it is not installed, or there is no driver.
    """
    try:
        import pynvml
    except ImportError as error:
        raise UnwatchedError("NVML is not installed: pip install 'upsample-bench[cuda]'") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise UnwatchedError(f"NVML does not start: {error}") from error
    return pynvml


def watch_of(device: str) -> GpuWatch | None:
    """Who watches a device: nobody where it is no GPU, or cannot be asked."""
    if not device.startswith("cuda"):
        return None
    try:
        return GpuWatch.of(device)
    except UnwatchedError:
        return None


def _mask(nvml: Any, name: str) -> int:
    return int(getattr(nvml, f"nvmlClocksEventReason{name}", None) or getattr(nvml, f"nvmlClocksThrottleReason{name}"))
