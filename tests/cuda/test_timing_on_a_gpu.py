"""Times on a GPU, held against clocks that have nothing to do with events: cycles, NVML, torch's own benchmark.

The one place where tests look at times. What they hold against each other are two ways to tell the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils import benchmark

from upbench.machine.cuda_clock import check_clock
from upbench.meters.device_time import device_time
from upbench.meters.unjoined_work import UnjoinedWorkError, unjoined
from upbench.processes.cuda_events import CudaEvents, cuda_events, l2_bytes
from upbench.processes.gpu_watch import NVML, GpuWatch
from upbench.runtimes.cudagraph import recorded

pytestmark = pytest.mark.cuda

WARM_CYCLES = 400_000_000


@pytest.fixture
def warm(device: torch.device) -> CudaEvents:
    """A stopwatch, on a device that has raised its clock."""
    torch.cuda._sleep(WARM_CYCLES)
    torch.cuda.synchronize()
    return cuda_events(device, "warm")


@pytest.fixture
def cold(device: torch.device, warm: CudaEvents) -> CudaEvents:
    return cuda_events(device, "cold")


def convolution(device: torch.device) -> Callable[[], Tensor]:
    """Of some milliseconds on any GPU, which no launch and no cache decides."""
    input = torch.randn(16, 128, 256, 256, device=device)
    kernel = torch.randn(128, 128, 3, 3, device=device)
    return lambda: F.conv2d(input, kernel, padding=1)


def test_events_cycles_and_nvml_tell_the_same_time() -> None:
    found = check_clock("cuda")
    print(
        f"{found.hz / 1e6:.1f} MHz by events and cycles, NVML {(found.told_hz or 0) / 1e6:.0f}, bend {found.bend:.4f}"
    )
    assert found.agrees is not False
    assert found.agrees or find_spec(NVML) is None, "NVML is installed, and told nothing"


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_a_block_of_sleeps_takes_their_cycles(cache: str, warm: CudaEvents, cold: CudaEvents) -> None:
    hz = check_clock("cuda").hz
    taken_s = {"cold": cold, "warm": warm}[cache].block(lambda: torch.cuda._sleep(int(2e-3 * hz)), 5)
    assert taken_s == pytest.approx(2e-3, rel=0.03)


def test_a_long_call_takes_what_torchs_own_benchmark_says(device: torch.device, warm: CudaEvents) -> None:
    """Which synchronises before and after, and reads the host's clock."""
    call = convolution(device)
    with torch.inference_mode():
        own = median(warm.block(call, 10) for _ in range(5))
        other = benchmark.Timer("call()", globals={"call": call}).blocked_autorange(min_run_time=1.0).median
    assert own == pytest.approx(other, rel=0.05)


def test_the_hosts_clock_without_waiting_tells_nothing_and_a_block_has_waited(cold: CudaEvents) -> None:
    hz = check_clock("cuda").hz
    begun = time.perf_counter()
    torch.cuda._sleep(int(0.02 * hz))
    queued_s = time.perf_counter() - begun
    torch.cuda.synchronize()
    assert queued_s < 0.005
    taken_s = cold.block(lambda: torch.cuda._sleep(int(0.02 * hz)), 2)
    begun = time.perf_counter()
    torch.cuda.synchronize()
    assert time.perf_counter() - begun < 0.005
    assert taken_s == pytest.approx(0.02, rel=0.03)


def on_a_side_stream(seconds: float, joined: bool) -> Callable[[], None]:
    cycles, side = int(seconds * check_clock("cuda").hz), torch.cuda.Stream()

    def call() -> None:
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            torch.cuda._sleep(cycles)
        if joined:
            torch.cuda.current_stream().wait_stream(side)

    return call


def test_work_on_another_stream_counts_where_it_is_waited_for(cold: CudaEvents, warm: CudaEvents) -> None:
    call = on_a_side_stream(2e-3, joined=True)
    assert cold.block(call, 3) == pytest.approx(2e-3, rel=0.05)
    unjoined(call, warm)


def test_work_on_another_stream_that_nobody_waits_for_fools_events_and_is_refused(
    cold: CudaEvents, warm: CudaEvents
) -> None:
    call = on_a_side_stream(2e-3, joined=False)
    assert cold.rounds(call, 1, 1)[0] < 1e-3
    with pytest.raises(UnjoinedWorkError, match="they leave work on a stream"):
        unjoined(call, warm)


def test_an_honest_call_leaves_nothing_behind(device: torch.device, warm: CudaEvents) -> None:
    with torch.inference_mode():
        assert unjoined(convolution(device), warm)["unjoined_s"] < 1e-4


def test_clearing_the_cache_slows_what_would_have_found_its_input_there(device: torch.device, cold: CudaEvents) -> None:
    """Against the same timing with a pause of the same length in its place."""
    size = l2_bytes(torch.cuda.get_device_properties(device)) // 4
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    paused = CudaEvents(torch.cuda, lambda: torch.cuda._sleep(100_000))
    with torch.inference_mode():
        there = median(paused.rounds(lambda: target.copy_(source), 60, 1)[10:])
        cleared = median(cold.rounds(lambda: target.copy_(source), 60, 1)[10:])
    print(f"{size / 2**20:.0f} MiB copied in {there * 1e6:.2f} µs, with the cache cleared in {cleared * 1e6:.2f} µs")
    assert cleared > 1.1 * there


def test_a_graph_takes_what_the_device_does_and_not_what_the_host_launches(
    device: torch.device, warm: CudaEvents
) -> None:
    value = torch.ones(1000, device=device)

    def call() -> Tensor:
        made = value
        for _ in range(100):
            made = made + 1
        return made

    with torch.inference_mode():
        told = device_time(call, warm)
        eager, graph = warm.block(call, 50), warm.block(recorded(call, torch.cuda), 50)
    parts = f"queueing {told['queueing_s'] * 1e6:.0f}, device {told['device_s'] * 1e6:.0f}"
    print(f"100 kernels: eager {eager * 1e6:.0f} µs, graph {graph * 1e6:.0f} µs, {parts}")
    assert told["device_s"] < 1.1 * eager
    assert graph < 1.1 * eager
    assert graph < 2 * told["device_s"]


def test_nvml_is_asked_of_the_device_that_torch_means(device: torch.device) -> None:
    pytest.importorskip(NVML, reason="nvidia-ml-py is not installed: pip install 'upsample-bench[cuda]'")
    watch = GpuWatch.of("cuda:0")
    torch.cuda._sleep(WARM_CYCLES)
    for _ in range(3):
        watch.look(always=True)
    torch.cuda.synchronize()
    summary = watch.summary()
    assert summary is not None
    assert 100 < summary["sm_clock_mhz"] < 5000
    assert watch.other_processes() >= 0
