"""Peaks of memory on a GPU, and what is said where there is none left, on a device that is made up."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch

from tests.upbench.fake_cuda import MIB, Block, FakeCuda
from upbench.meters.cuda_memory import peak_cuda_memory
from upbench.processes.device_memory import shortage_told
from upbench.runtimes.cudagraph import recorded


def call_of(cuda: FakeCuda, between: int, output: int) -> Callable[[], Block]:
    """Takes so much for what is between, gives it back, and returns an output; the first call keeps workspace."""
    workspace: list[Block] = []

    def call() -> Block:
        if not workspace:
            workspace.append(cuda.allocate(32 * MIB))
        scratch = cuda.allocate(between)
        made = cuda.allocate(output)
        cuda.queue(1e-3)
        del scratch
        return made

    return call


def test_peaks_are_of_one_call_above_the_start_without_what_libraries_keep() -> None:
    cuda = FakeCuda()
    input = cuda.allocate(24 * MIB)
    found = peak_cuda_memory(call_of(cuda, 64 * MIB, 128 * MIB), cuda)
    assert found["peak_cuda_allocated_bytes"] == 192 * MIB
    assert found["peak_cuda_reserved_bytes"] == 192 * MIB
    assert input.nbytes == 24 * MIB


def test_what_is_reserved_is_what_the_device_has_to_give_for_a_small_tensor_too() -> None:
    cuda = FakeCuda()
    found = peak_cuda_memory(lambda: cuda.allocate(1000), cuda)
    assert found == {"peak_cuda_allocated_bytes": 1024, "peak_cuda_reserved_bytes": 2 * MIB}


def test_the_peak_of_a_graph_is_that_of_making_it_as_a_replay_takes_nothing() -> None:
    cuda = FakeCuda()
    call = call_of(cuda, 64 * MIB, 128 * MIB)
    eager = peak_cuda_memory(call, cuda)
    replay = recorded(call, cuda)  # type: ignore[arg-type]
    assert peak_cuda_memory(replay, cuda)["peak_cuda_allocated_bytes"] == 0
    of_graph = peak_cuda_memory(lambda: recorded(call, cuda), cuda)  # type: ignore[arg-type]
    assert of_graph == eager
    # What they have measured is given back.
    del replay
    cuda.empty_cache()
    assert cuda.memory_allocated() == 32 * MIB


def test_a_shortage_is_one_sentence_with_the_allocators_figures_and_nothing_is_left_behind() -> None:
    cuda = FakeCuda(total_bytes=1 << 30, others_bytes=256 * MIB)
    input = cuda.allocate(100 * MIB)
    call = call_of(cuda, 200 * MIB, 600 * MIB)
    with pytest.raises(MemoryError) as caught, shortage_told("cuda:0", cuda):
        call()
    said = (
        r"cuda:0: asked for 600\.00 MiB more; of 1\.0 GiB tensors hold 0\.\d, the allocator's cache 0\.\d, and 0\.\d "
        "are free"
    )
    assert re.fullmatch(said, str(caught.value))
    del caught
    assert cuda.memory_allocated() == 132 * MIB
    assert peak_cuda_memory(lambda: cuda.allocate(300 * MIB), cuda)["peak_cuda_allocated_bytes"] == 300 * MIB
    assert input.nbytes == 100 * MIB


def test_a_shortage_of_a_library_or_the_driver_is_one_too() -> None:
    for words in ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory\nCUDA kernel errors might be"):
        with (
            pytest.raises(MemoryError, match=f"cuda: {words.splitlines()[0]}; of 1.0 GiB"),
            shortage_told("cuda", FakeCuda()),
        ):
            raise RuntimeError(words)


def test_a_device_that_tells_nothing_any_more_has_the_reason_alone() -> None:
    class Gone(FakeCuda):
        def memory_stats(self) -> dict[str, int]:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(MemoryError) as caught, shortage_told("cuda", Gone()):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")
    assert str(caught.value) == "cuda: asked for 2.00 GiB more"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_is_no_shortage_is_left_as_it_is(device: str) -> None:
    with pytest.raises(ValueError, match="else"), shortage_told(device, FakeCuda()):
        raise ValueError("something else")


def test_a_shortage_on_the_cpu_is_left_to_who_knows_it() -> None:
    with pytest.raises(torch.OutOfMemoryError), shortage_told("cpu", FakeCuda()):
        raise torch.OutOfMemoryError("CUDA out of memory")
