"""How calls are timed on a GPU, on one that is made up: what is missing or on another stream shows as a wrong time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.upbench.fake_cuda import FakeCuda
from upbench.meters.device_time import device_time
from upbench.meters.unjoined_work import CALLS, UnjoinedWorkError, unjoined
from upbench.processes.cuda_events import CudaEvents

MS = 1e-3


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


def cold(cuda: FakeCuda) -> CudaEvents:
    return CudaEvents(cuda, cuda.clear_cache, cuda.clock)


def warm(cuda: FakeCuda) -> CudaEvents:
    return CudaEvents(cuda, None, cuda.clock)


def test_events_tell_the_devices_time_where_the_hosts_clock_would_tell_that_of_queueing(cuda: FakeCuda) -> None:
    def call() -> None:
        cuda.queue(2 * MS)

    assert cold(cuda).block(call, 3) == pytest.approx(2 * MS, rel=0.01)
    assert warm(cuda).block(call, 3) == pytest.approx(2 * MS, rel=0.01)
    begun = cuda.clock()
    call()
    assert cuda.clock() - begun < 0.01 * MS


def test_nothing_is_queued_any_more_when_a_block_is_over(cuda: FakeCuda) -> None:
    done: list[int] = []
    for stopwatch in (cold(cuda), warm(cuda)):
        stopwatch.block(lambda: cuda.queue(2 * MS, lambda: done.append(1)), 3)
        assert cuda.is_idle()
    # Each with one untimed call.
    assert len(done) == 8


def test_an_event_tells_nothing_before_the_host_has_waited(cuda: FakeCuda) -> None:
    """So that a stopwatch without that would fail here, and not tell something."""
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    start.record()
    cuda.queue(2 * MS)
    end.record()
    with pytest.raises(RuntimeError, match="not ready"):
        start.elapsed_time(end)
    cuda.synchronize()
    assert start.elapsed_time(end) == pytest.approx(2, rel=0.01)


def by_the_hosts_clock(cuda: FakeCuda, call: Callable[[], None]) -> float:
    begun = cuda.clock()
    call()
    return cuda.clock() - begun


def by_events_of_another_stream(cuda: FakeCuda, call: Callable[[], None]) -> float:
    other, (start, end) = cuda.Stream(), (cuda.Event(enable_timing=True) for _ in range(2))
    start.record(other)
    call()
    end.record(other)
    cuda.synchronize()
    return start.elapsed_time(end) / 1000


def by_waiting_for_another_stream(cuda: FakeCuda, call: Callable[[], None]) -> float:
    begun = cuda.clock()
    call()
    cuda.Stream().synchronize()
    return cuda.clock() - begun


def by_the_hosts_clock_after_another_call(cuda: FakeCuda, call: Callable[[], None]) -> float:
    call()
    begun = cuda.clock()
    call()
    cuda.synchronize()
    return cuda.clock() - begun


@pytest.mark.parametrize(
    "wrong",
    [
        by_the_hosts_clock,
        by_events_of_another_stream,
        by_waiting_for_another_stream,
        by_the_hosts_clock_after_another_call,
    ],
)
def test_whoever_waits_for_the_wrong_thing_is_told_a_wrong_time_by_the_device_made_up(
    cuda: FakeCuda, wrong: Callable[..., float]
) -> None:
    assert wrong(cuda, lambda: cuda.queue(2 * MS)) != pytest.approx(2 * MS, rel=0.2)


def test_a_block_begins_with_an_untimed_call(cuda: FakeCuda) -> None:
    seconds = iter([50 * MS, 2 * MS, 4 * MS, 6 * MS])
    assert cold(cuda).block(lambda: cuda.queue(next(seconds)), 3) == pytest.approx(4 * MS, rel=0.01)


def test_each_call_begins_with_a_cleared_cache_or_with_what_the_one_before_has_left(cuda: FakeCuda) -> None:
    def call() -> None:
        cuda.kernel_on("the input", warm_s=0.1 * MS, cold_s=0.3 * MS)

    assert cold(cuda).block(call, 4) == pytest.approx(0.3 * MS)
    assert cuda.log.count("clear") == 4
    assert warm(cuda).block(call, 4) == pytest.approx(0.1 * MS)
    assert cuda.log.count("clear") == 4


def test_the_clearing_is_not_timed_and_the_host_waits_once(cuda: FakeCuda) -> None:
    assert cold(cuda).rounds(lambda: cuda.queue(0.01 * MS), 5, 1) == pytest.approx([0.01 * MS] * 5)
    assert cuda.log == ["clear"] * 5 + ["synchronize"]


def small_kernels(cuda: FakeCuda) -> Callable[[], None]:
    """Twenty of a microsecond each, which take the host five microseconds each to launch."""

    def call() -> None:
        for _ in range(20):
            cuda.queue(1e-6)

    return call


def test_a_call_that_the_host_cannot_launch_in_time_takes_as_long_as_the_host(cuda: FakeCuda) -> None:
    assert warm(cuda).block(small_kernels(cuda), 50) == pytest.approx(1e-4, rel=0.02)


def test_the_devices_part_and_the_hosts_are_told_apart(cuda: FakeCuda) -> None:
    found = device_time(small_kernels(cuda), warm(cuda))
    assert found["queueing_s"] == pytest.approx(1e-4)
    assert found["device_s"] == pytest.approx(2e-5)
    found = device_time(lambda: cuda.queue(2 * MS), warm(cuda))
    assert (found["queueing_s"], found["device_s"]) == pytest.approx((5e-6, 2 * MS))


def test_no_more_calls_are_queued_than_the_device_can_be_kept_from(cuda: FakeCuda) -> None:
    def call() -> None:
        for _ in range(300):
            cuda.queue(1e-6)

    # Of 1.5 ms each, so that ten would be queued when the device begins.
    assert device_time(call, warm(cuda))["device_s"] == pytest.approx(3e-4)


def on_a_side_stream(cuda: FakeCuda, seconds: float, joined: bool) -> Callable[[], None]:
    side = cuda.Stream()

    def call() -> None:
        side.wait_stream(cuda.current_stream())
        cuda.queue(0.1 * MS)
        with cuda.stream(side):
            cuda.queue(seconds)
        if joined:
            cuda.current_stream().wait_stream(side)

    return call


def test_work_on_another_stream_that_is_waited_for_is_in_the_time(cuda: FakeCuda) -> None:
    call = on_a_side_stream(cuda, 3 * MS, joined=True)
    assert cold(cuda).block(call, 3) == pytest.approx(3 * MS, rel=0.02)
    assert unjoined(call, warm(cuda))["unjoined_s"] < 2e-5


def test_work_on_another_stream_that_nobody_waits_for_fools_the_events_and_is_refused(cuda: FakeCuda) -> None:
    call = on_a_side_stream(cuda, 3 * MS, joined=False)
    assert cold(cuda).block(call, 1) < 1 * MS
    with pytest.raises(UnjoinedWorkError, match=r"works for 2\d ms after 10 calls are over"):
        unjoined(call, warm(cuda))
    short = on_a_side_stream(cuda, 0.15 * MS, joined=False)
    with pytest.raises(UnjoinedWorkError):
        unjoined(short, warm(cuda))


def test_what_is_timed_is_the_stream_that_is_current(cuda: FakeCuda) -> None:
    with cuda.stream(cuda.Stream()):
        for stopwatch in (cold(cuda), warm(cuda)):
            assert stopwatch.block(lambda: cuda.queue(2 * MS), 3) == pytest.approx(2 * MS, rel=0.01)
            assert cuda.is_idle()


def test_a_host_that_is_held_up_now_and_then_makes_no_call_suspect(cuda: FakeCuda) -> None:
    tries = iter(range(CALLS * 5 + 1))

    class Busy(CudaEvents):
        def _events(self) -> tuple[Any, Any]:
            if next(tries) % 5:
                cuda.wait_s = 5 * MS
            else:
                cuda.wait_s = 1e-5
            return super()._events()

    found = unjoined(lambda: cuda.queue(0.1 * MS), Busy(cuda, None, cuda.clock))
    assert found["unjoined_s"] < 2e-5
