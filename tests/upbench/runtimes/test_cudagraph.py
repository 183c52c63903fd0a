"""CUDA graphs, recorded on a device that is made up."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.upbench.fake_cuda import Block, FakeCuda
from upbench.cases.case import Cell
from upbench.processes.cuda_events import CudaEvents
from upbench.runtimes.cudagraph import recorded
from upbench.runtimes.runtime import ConversionError, get


def doubling(cuda: FakeCuda, input: Block) -> Any:
    """Twice the input, in two kernels of 1 µs, once the device has come to them."""

    def call() -> Block:
        between, output = cuda.allocate(1000), cuda.allocate(1000)
        cuda.queue(1e-6, lambda: setattr(between, "value", input.value))
        cuda.queue(1e-6, lambda: setattr(output, "value", 2 * between.value))
        return output

    return call


def test_a_replay_computes_what_the_call_would_from_what_its_input_holds_now() -> None:
    cuda = FakeCuda()
    input = cuda.allocate(1000)
    input.value = 3
    replay: Any = recorded(doubling(cuda, input), cuda)
    # What was recorded has computed nothing yet.
    cuda.synchronize()
    output = replay()
    assert output.value is None
    cuda.synchronize()
    assert output.value == 6
    input.value = 5
    assert replay() is output
    cuda.synchronize()
    assert output.value == 10


def test_a_replay_takes_one_launch() -> None:
    cuda = FakeCuda()

    def call() -> Any:
        for _ in range(20):
            cuda.queue(1e-6)

    stopwatch = CudaEvents(cuda, None, cuda.clock)
    assert stopwatch.block(call, 20) == pytest.approx(1e-4, rel=0.05)
    assert stopwatch.block(recorded(call, cuda), 20) == pytest.approx(2e-5, rel=0.05)


def test_the_recording_waits_for_what_the_current_stream_does_and_the_other_way_round() -> None:
    cuda = FakeCuda()
    done: list[str] = []
    cuda.queue(1e-3, lambda: done.append("before"))
    recorded(lambda: cuda.queue(1e-6, lambda: done.append("warm")), cuda)  # type: ignore[arg-type,return-value]
    cuda.queue(1e-6, lambda: done.append("after"))
    cuda.synchronize()
    assert done == ["before", "warm", "warm", "warm", "after"]


def test_a_call_that_asks_the_device_is_refused_in_the_words_of_that_and_not_of_what_follows() -> None:
    cuda = FakeCuda()

    def call() -> Any:
        cuda.queue(1e-6)
        cuda.synchronize()

    with pytest.raises(RuntimeError, match="operation not permitted when stream is capturing"):
        recorded(call, cuda)


def test_a_call_that_leaves_work_on_another_stream_cannot_be_recorded() -> None:
    cuda = FakeCuda()
    side = cuda.Stream()

    def call(joined: bool) -> Any:
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            cuda.queue(1e-3)
        if joined:
            cuda.current_stream().wait_stream(side)

    with pytest.raises(RuntimeError, match="unjoined work"):
        recorded(lambda: call(False), cuda)
    replay = recorded(lambda: call(True), cuda)
    assert CudaEvents(cuda, None, cuda.clock).block(replay, 3) == pytest.approx(1e-3, rel=0.02)


@pytest.mark.parametrize(
    ("runtime", "called"), [("cudagraph", "upbench.runtimes.cudagraph.recorded"), ("compiled", "torch.compile")]
)
def test_a_shortage_of_memory_is_not_taken_for_what_a_runtime_cannot_do(
    monkeypatch: pytest.MonkeyPatch, runtime: str, called: str
) -> None:
    def short(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(called, short if runtime == "cudagraph" else lambda *_, **__: short)
    with pytest.raises(torch.OutOfMemoryError):
        get(runtime).prepare(torch.nn.Identity(), (torch.ones(1, 1, 2, 2),))


def test_what_cuda_cannot_record_is_unsupported_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "CUDA error: operation not permitted when stream is capturing\nCUDA kernel errors might be reported later"
    monkeypatch.setattr("upbench.runtimes.cudagraph.recorded", lambda *_: raising(RuntimeError(words)))
    with pytest.raises(ConversionError) as caught:
        get("cudagraph").prepare(torch.nn.Identity(), (torch.ones(1, 1, 2, 2),))
    said = "CUDA graph cannot take it: CUDA error: operation not permitted when stream is capturing"
    assert str(caught.value) == said


def raising(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ({}, "CUDA graph is run on CUDA devices only; got cpu"),
        ({"device": "cuda", "step": "training"}, "CUDA graph is run for inference only"),
        ({"device": "cuda:1", "layout": "channels_last"}, None),
    ],
)
def test_what_it_does_not_run_at_all(cell: dict[str, str], reason: str | None) -> None:
    assert get("cudagraph").refusal(Cell(2, 4, 4, 4, 8, 8, **cell)) == reason  # type: ignore[arg-type]
