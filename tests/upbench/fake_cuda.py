"""The part of ``torch.cuda`` that the harness uses, on a device that is made up: its streams, its clock, its memory.

Faithful where it matters to whoever measures. Work is queued and returns at once, after the host's time to launch it;
it is done when the device's time has come, and what it computes is not there before the host has waited. Events pass in
the order of their stream, and tell nothing until then. Streams run beside each other unless one waits for another.
Memory comes in the caching allocator's segments, by stream and graph, with peaks. A recording launches nothing.

It knows nothing of what is computed: a test says how long a kernel takes, and what it does when it is done.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch

MIB = 2**20
Action = Callable[[], object]


def _nothing() -> None:
    pass


class Stream:
    """Work in order; ``ready_s`` is when the last of it is done."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.ready_s = 0.0

    def wait_stream(self, other: Stream) -> None:
        recording = self.cuda.recording
        if recording is not None and other in recording.streams:
            # What waits for a stream that is recorded is recorded too, and a stream that is waited for is joined.
            recording.streams.setdefault(self, False)
            recording.streams[other] = True
        self.ready_s = max(self.ready_s, other.ready_s)

    def synchronize(self) -> None:
        self.cuda.wait_until(self.ready_s)


class Event:
    """A mark on a stream."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.at_s: float | None = None

    def record(self, stream: Stream | None = None) -> None:
        self.at_s = max((stream or self.cuda.current_stream()).ready_s, self.cuda.host_s)

    def query(self) -> bool:
        return self.at_s is not None and self.cuda.host_s >= self.at_s

    def synchronize(self) -> None:
        assert self.at_s is not None
        self.cuda.wait_until(self.at_s)

    def elapsed_time(self, end: Event) -> float:
        if not (self.query() and end.query()):
            raise RuntimeError("CUDA error: device not ready")
        assert self.at_s is not None
        assert end.at_s is not None
        return (end.at_s - self.at_s) * 1000 * self.cuda.event_rate


class CUDAGraph:
    """What a recording held: seconds and actions, launched as one."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.work: list[tuple[float, Action]] = []
        self.streams: dict[Stream, bool] = {}
        self.failed = False

    def replay(self) -> None:
        for place, (seconds, action) in enumerate(self.work):
            self.cuda.queue(seconds, action, launch_s=self.cuda.launch_s if place == 0 else 0.0)


@dataclass
class Segment:
    """Memory that the allocator has from the device; blocks in it are of one stream, and of one graph or of none."""

    size: int
    stream: Stream
    graph: Callable[[], CUDAGraph | None] | None
    used: int = 0

    @property
    def is_free(self) -> bool:
        return self.used == 0 and (self.graph is None or self.graph() is None)


class Block:
    """What stands for a tensor: memory until nobody holds it."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.value: Any = None


@dataclass
class FakeCuda:
    """The module ``torch.cuda``.

    Args:
        launch_s: of the host, to queue a kernel.
        wait_s: of the host, to find the device idle.
        hz: cycles in a second.
        event_rate: of the events' clock, which a broken one runs fast or slow by.
        total_bytes, others_bytes: of the device, and what other processes have of it.
    """

    launch_s: float = 5e-6
    wait_s: float = 1e-5
    hz: float = 2e9
    event_rate: float = 1.0
    total_bytes: int = 1 << 30
    others_bytes: int = 0
    host_s: float = 0.0
    recording: CUDAGraph | None = None
    segments: list[Segment] = field(default_factory=list)
    cached: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._current = Stream(self)
        self._streams = [self._current]
        self._pending: list[tuple[float, int, Action]] = []
        self._allocated = self._most_allocated = self._most_reserved = 0
        self.shortages = 0

    # Time

    def clock(self) -> float:
        """The host's, as ``time.perf_counter``."""
        return self.host_s

    def work_on_the_host(self, seconds: float) -> None:
        self.wait_until(self.host_s + seconds)

    def queue(self, seconds: float, action: Action = _nothing, launch_s: float | None = None) -> None:
        """Launch a kernel on the current stream."""
        self.host_s += self.launch_s if launch_s is None else launch_s
        if self.recording is not None and self._current in self.recording.streams:
            self.recording.work.append((seconds, action))
            return
        stream = self._current
        stream.ready_s = max(stream.ready_s, self.host_s) + seconds
        self._pending.append((stream.ready_s, len(self._pending), action))

    def kernel_on(self, data: str, warm_s: float, cold_s: float) -> None:
        """One that reads ``data``, from the cache if it is still there."""
        self.queue(warm_s if data in self.cached else cold_s)
        self.cached.add(data)

    def clear_cache(self) -> None:
        """One that writes over everything in it."""
        self.log.append("clear")
        self.queue(5e-5)
        self.cached.clear()

    def wait_until(self, time_s: float) -> None:
        """Let the host wait, and the device do what is done by then."""
        self.host_s = max(self.host_s, time_s)
        done = sorted(each for each in self._pending if each[0] <= self.host_s)
        self._pending = [each for each in self._pending if each[0] > self.host_s]
        for _, _, action in done:
            action()

    def synchronize(self) -> None:
        if self.recording is not None:
            self.recording.failed = True
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        self.log.append("synchronize")
        self.wait_until(max(stream.ready_s for stream in self._streams))
        self.host_s += self.wait_s

    def is_idle(self) -> bool:
        return all(stream.ready_s <= self.host_s for stream in self._streams)

    def _sleep(self, cycles: int) -> None:
        self.queue(cycles / self.hz)

    # Streams, events and graphs

    def Event(self, enable_timing: bool = False) -> Event:  # noqa: N802 -- torch.cuda's names
        assert enable_timing
        return Event(self)

    def Stream(self) -> Stream:  # noqa: N802
        self._streams.append(Stream(self))
        return self._streams[-1]

    def CUDAGraph(self) -> CUDAGraph:  # noqa: N802
        return CUDAGraph(self)

    def current_stream(self) -> Stream:
        return self._current

    def current_device(self) -> int:
        return 0

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self._current = self._current, stream
        try:
            yield
        finally:
            self._current = before

    @contextmanager
    def graph(self, graph: CUDAGraph, stream: Stream) -> Iterator[None]:
        self.synchronize()
        self.empty_cache()
        with self.stream(stream):
            self.recording = graph
            graph.streams = {stream: True}
            try:
                yield
            finally:
                self.recording = None
                if graph.failed:
                    raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
                if not all(graph.streams.values()):
                    raise RuntimeError("CUDA error: capturing stream has unjoined work")

    # Memory

    def allocate(self, nbytes: int) -> Block:
        """A tensor of so many bytes on the current stream."""
        size = -(-nbytes // 512) * 512
        segment = self._segment(size)
        segment.used += size
        self._allocated += size
        self._most_allocated = max(self._most_allocated, self._allocated)
        block = Block(nbytes)
        weakref.finalize(block, self._free, segment, size)
        return block

    def _segment(self, size: int) -> Segment:
        graph = None
        if self.recording is not None and self._current in self.recording.streams:
            graph = weakref.ref(self.recording)
        # As in torch: small blocks share 2 MiB, larger ones 20, and from 10 MiB on each has its own.
        wanted = 2 * MIB if size <= MIB else 20 * MIB if size < 10 * MIB else -(-size // (2 * MIB)) * 2 * MIB
        for segment in self.segments:
            mine = segment.stream is self._current and segment.graph == graph
            if mine and segment.size == wanted and segment.used + size <= segment.size:
                return segment
        if self.memory_reserved() + wanted > self.total_bytes - self.others_bytes:
            self.empty_cache()
        if self.memory_reserved() + wanted > self.total_bytes - self.others_bytes:
            self.shortages += 1
            raise torch.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {size / MIB:.2f} MiB. GPU 0 has a total capacity of "
                f"{self.total_bytes / 2**30:.2f} GiB of which so much is free. See documentation for Memory Management"
            )
        self.segments.append(Segment(wanted, self._current, graph))
        self._most_reserved = max(self._most_reserved, self.memory_reserved())
        return self.segments[-1]

    def _free(self, segment: Segment, size: int) -> None:
        segment.used -= size
        self._allocated -= size

    def empty_cache(self) -> None:
        self.log.append("empty_cache")
        gc.collect()
        self.segments = [segment for segment in self.segments if not segment.is_free]

    def reset_peak_memory_stats(self) -> None:
        self._most_allocated, self._most_reserved = self._allocated, self.memory_reserved()

    def memory_allocated(self) -> int:
        return self._allocated

    def memory_reserved(self) -> int:
        return sum(segment.size for segment in self.segments)

    def max_memory_allocated(self) -> int:
        return self._most_allocated

    def max_memory_reserved(self) -> int:
        return self._most_reserved

    def memory_stats(self) -> dict[str, int]:
        return {
            "allocated_bytes.all.current": self._allocated,
            "reserved_bytes.all.current": self.memory_reserved(),
            "num_ooms": self.shortages,
        }

    def mem_get_info(self) -> tuple[int, int]:
        return self.total_bytes - self.others_bytes - self.memory_reserved(), self.total_bytes

    def get_device_properties(self, device: Any) -> SimpleNamespace:
        return SimpleNamespace(L2_cache_size=50 * MIB, total_memory=self.total_bytes)


class FakeNvml:
    """The module ``pynvml``, of one device that says what a test has it say, one answer after the other.

    Args:
        reasons: bits of NVML's clocks event reasons; the last holds from then on.
        clock_mhz: of the multiprocessors.
    """

    class NVMLError(Exception):
        """As NVML's."""

    NVML_CLOCK_SM = 1
    nvmlClocksEventReasonGpuIdle = 0x1  # noqa: N815 -- NVML's names
    nvmlClocksEventReasonSwPowerCap = 0x4  # noqa: N815
    nvmlClocksEventReasonHwSlowdown = 0x8  # noqa: N815
    nvmlClocksEventReasonSyncBoost = 0x10  # noqa: N815
    nvmlClocksEventReasonSwThermalSlowdown = 0x20  # noqa: N815
    nvmlClocksEventReasonHwThermalSlowdown = 0x40  # noqa: N815
    nvmlClocksEventReasonHwPowerBrakeSlowdown = 0x80  # noqa: N815

    def __init__(self, reasons: list[int], clock_mhz: float = 2000) -> None:
        self.reasons, self.clock_mhz = reasons, clock_mhz
        self.asked = 0
        self.broken = False

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: object) -> int:  # noqa: N802
        if self.broken:
            raise self.NVMLError("GPU is lost")
        self.asked += 1
        return self.reasons[min(self.asked, len(self.reasons)) - 1]

    def nvmlDeviceGetClockInfo(self, handle: object, kind: int) -> float:  # noqa: N802
        assert kind == self.NVML_CLOCK_SM
        return self.clock_mhz
