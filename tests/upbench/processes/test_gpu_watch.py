"""What NVML says of a GPU's clock, and events held against cycles, on a device and a driver that are made up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.upbench.fake_cuda import FakeCuda, FakeNvml
from upbench.machine.cuda_clock import ClockCheck, clock_of
from upbench.machine.gpu_check import GpuLook, told
from upbench.processes import gpu_watch
from upbench.processes.gpu_watch import SLOWDOWNS, GpuSample, GpuWatch, UnwatchedError, watch_of

IDLE, POWER_CAP, THERMAL = 0x1, 0x4, 0x40


def watch(nvml: FakeNvml, times: list[float] | None = None) -> GpuWatch:
    moments = iter(times or [])
    return GpuWatch(nvml, "handle", (lambda: next(moments)) if times else (lambda: 0.0))


def test_reasons_are_told_by_name_and_an_idle_or_a_fixed_clock_is_none() -> None:
    asked = watch(FakeNvml([0, IDLE, 0x2, POWER_CAP | IDLE, POWER_CAP | THERMAL]))
    assert [asked.sample().slowed_by for _ in range(5)] == [
        (),
        (),
        (),
        ("power cap",),
        ("power cap", "thermal, by hardware"),
    ]


def test_a_launch_is_summed_up_by_its_share_of_slowed_samples() -> None:
    asked = watch(FakeNvml([0, 0, THERMAL, POWER_CAP], clock_mhz=1755))
    for _ in range(4):
        asked.look(always=True)
    slowed_by = ["power cap", "thermal, by hardware"]
    assert asked.summary() == {"slowed_share": 0.5, "slowed_by": slowed_by, "sm_clock_mhz": 1755}
    assert watch(FakeNvml([0])).summary() is None


def test_the_driver_is_not_asked_more_often_than_makes_sense() -> None:
    nvml = FakeNvml([0])
    # The clock is read to see whether it is time, and once more when it is.
    asked = watch(nvml, [1.0, 1.0, 1.01, 1.03, 1.03, 1.04])
    for _ in range(4):
        asked.look()
    assert nvml.asked == 2


def test_a_driver_that_stops_to_answer_ends_no_launch() -> None:
    nvml = FakeNvml([POWER_CAP])
    asked = watch(nvml)
    asked.look(always=True)
    nvml.broken = True
    asked.look(always=True)
    summary = asked.summary()
    assert summary is not None
    assert summary["slowed_share"] == 1


def test_older_drivers_know_the_reasons_by_their_former_name() -> None:
    asked = {name.replace("ClocksEvent", "ClocksThrottle"): value for name, value in vars(FakeNvml).items()}
    old: Any = SimpleNamespace(**{name: value for name, value in asked.items() if "__" not in name})
    old.nvmlDeviceGetCurrentClocksThrottleReasons = lambda handle: THERMAL
    old.nvmlDeviceGetClockInfo = lambda handle, kind: 1000
    assert GpuWatch(old, "handle").sample() == GpuSample(1000, ("thermal, by hardware",))


def test_the_reasons_are_those_of_nvidias_package() -> None:
    pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    masks = [gpu_watch._mask(pynvml, name) for name in SLOWDOWNS]
    assert sorted(masks) == [0x4, 0x8, 0x10, 0x20, 0x40, 0x80]


def test_nobody_watches_a_cpu_nor_a_gpu_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watch_of("cpu") is None

    def not_there() -> Any:
        raise UnwatchedError("NVML is not installed")

    monkeypatch.setattr(gpu_watch, "loaded_nvml", not_there)
    assert watch_of("cuda") is None


def test_a_device_is_known_to_nvml_by_its_identity_and_not_by_torchs_number(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Nvml(FakeNvml):
        def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
            asked.append(uuid)
            return "handle"

    monkeypatch.setattr(gpu_watch, "loaded_nvml", lambda: Nvml([0]))
    properties = lambda index: SimpleNamespace(uuid=f"1234-{index}")  # noqa: E731
    monkeypatch.setattr(gpu_watch.torch.cuda, "get_device_properties", properties)
    found = watch_of("cuda:1")
    assert asked == ["GPU-1234-1"]
    assert found is not None
    assert found.samples == []


def test_cycles_by_the_events_seconds_are_the_clock_that_nvml_tells() -> None:
    found = clock_of(FakeCuda(hz=1.755e9), watch(FakeNvml([0], clock_mhz=1755)))
    assert found.hz == pytest.approx(1.755e9)
    assert found.told_hz == 1.755e9
    assert found.bend == pytest.approx(0, abs=1e-9)
    assert found.agrees is True


def test_launching_is_no_part_of_the_clock() -> None:
    assert clock_of(FakeCuda(launch_s=5e-4), None).hz == pytest.approx(2e9)


def test_events_that_run_fast_or_cycles_of_another_clock_are_found_by_nvml() -> None:
    assert clock_of(FakeCuda(event_rate=1.1), watch(FakeNvml([0]))).agrees is False
    assert clock_of(FakeCuda(event_rate=1.1), None).agrees is None


def test_a_clock_that_changes_while_it_is_looked_at_shows_as_a_bend() -> None:
    class Rising(FakeCuda):
        def _sleep(self, cycles: int) -> None:
            self.queue(cycles / self.hz * (1 if cycles < 10_000_000 else 0.8))

    found = clock_of(Rising(), watch(FakeNvml([0])))
    assert abs(found.bend) > 0.03
    assert found.agrees is False


GOOD = ClockCheck(2e9, 2e9, 0.0)


@pytest.mark.parametrize(
    ("look", "verdict", "seen", "advice"),
    [
        (GpuLook("A", GpuSample(2000, ()), "", 0, GOOD), "good", "A: 2000 MHz by events and cycles, not slowed", ""),
        (
            GpuLook("A", GpuSample(900, ("power cap",)), "", 2, GOOD),
            "caution",
            "A: 2000 MHz by events and cycles, slowed by power cap, 2 other processes on it",
            "Let it cool down, or set a clock that it can hold: nvidia-smi --lock-gpu-clocks. End other work on it: a "
            "GPU that is shared makes launches disagree.",
        ),
        (
            GpuLook("A", None, "NVML is not installed", None, ClockCheck(2e9, None, 0.0)),
            "unknown",
            "A: 2000 MHz by events and cycles",
            "Nothing tells whether it is slowed down: NVML is not installed.",
        ),
        (
            GpuLook("A", GpuSample(2000, ()), "", 0, ClockCheck(1e9, 2e9, 0.0)),
            "caution",
            "A: 1000 MHz by events and cycles, not slowed",
            "Trust no latency on it: its events do not tell the time that its cycles and NVML tell.",
        ),
    ],
)
def test_the_doctor_says_what_is_wrong_with_a_gpu(look: GpuLook, verdict: str, seen: str, advice: str) -> None:
    assert told([look]) == (verdict, seen, advice)


def test_of_several_gpus_the_worst_decides() -> None:
    bad = GpuLook("B", GpuSample(900, ("power cap",)), "", 0, GOOD)
    unknown = GpuLook("C", None, "why", None, GOOD)
    good = GpuLook("A", GpuSample(2000, ()), "", 0, GOOD)
    assert told([good, bad, unknown])[0] == told([unknown, bad])[0] == "caution"
    assert told([good, unknown])[0] == "unknown"
