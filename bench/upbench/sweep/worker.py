"""What runs inside an isolated process: build one case, and let meters look at it or rivals race it.

Only this module is preloaded into the server that workers are forked from, so importing it must not run an operator:
a process forked after a parallel operator hangs.
"""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from upbench import meters
from upbench.cases import inputs
from upbench.cases.case import Case, Cell
from upbench.machine.cuda_clock import ClockCheck, check_clock
from upbench.machine.limits import Limits, measure_limits
from upbench.processes import allocator
from upbench.processes.control import Control
from upbench.processes.cuda_events import stopwatch_for
from upbench.processes.device_memory import shortage_told
from upbench.processes.isolation import Line
from upbench.processes.stack import call_at_depth
from upbench.processes.stopwatch import Stopwatch
from upbench.runtimes.cuda_switches import switch_as_in, use_switches
from upbench.runtimes.torch_state import TorchState
from upbench.runtimes.workload import build, gradients_as_in, use_device

# Decoded once in the server and shared by every worker; plain numpy, no operator of torch.
inputs.photographs()


def measure(case: Case, meter_names: tuple[str, ...], kept: Path | None = None) -> dict[str, Any]:
    """Build ``case`` and return the fields of the named meters.

    Args:
        case: what to measure.
        meter_names: which of its quantities.
        kept: a folder of this case alone in which its workers leave for each other what its runtime has converted.

    Raises:
        UnsupportedCaseError: the case cannot be run on this machine.
        RefusedCaseError: it computes something else than it promises, or changes torch for the whole process.
    """
    chosen = [meters.get(name) for name in meter_names]
    if any(meter.gives_memory_back for meter in chosen):
        allocator.give_memory_back()
    with shortage_told(case.cell.device), gradients_as_in(case.cell):
        state = _state_for(case.cell)
        workload = build(case, kept)
        state.check_kept()
        fields: dict[str, Any] = {"allocator": allocator.current()}
        for meter in chosen:
            fields |= meter.measure(workload)
            state.check_kept()
    return fields


def _state_for(cell: Cell) -> TorchState:
    """What a case finds, before anything of its own is imported."""
    torch.set_num_threads(cell.threads)
    if cell.on_cuda:
        switch_as_in(cell)
    return TorchState.now(cell.on_cuda)


def examine(line: Line, case: Case, meter_names: tuple[str, ...], kept: Path | None = None) -> None:
    """Answer what :func:`measure` returns."""
    line.send(measure(case, meter_names, kept))


def race(line: Line, case: Case, depth: int, kept: Path | None = None, heap_bytes: int = 0) -> None:
    """Build ``case``, say so, and time blocks of its calls; see :func:`serve_blocks`.

    Args:
        line: to whoever times the rivals.
        case: to be called.
        depth: of the stack from which it is called.
        kept: as for :func:`measure`.
        heap_bytes: of memory to have from the system before the first call. A large output lies elsewhere in each of
            the first ten calls or so, and each time the system has to provide that memory, which costs up to four times
            as long as the call: with conv + bilinear ×4 at 64 channels 5 ms take 23.
    """
    with shortage_told(case.cell.device), gradients_as_in(case.cell):
        allocator.touch(heap_bytes)
        state = _state_for(case.cell)
        workload = build(case, kept)
        stopwatch = stopwatch_for(workload.input.device, case.cell.threads, case.cell.cache)
        call_at_depth(depth, lambda: serve_blocks(line, workload.call, stopwatch, state))


def race_control(line: Line, threads: int, device: str, depth: int) -> None:
    """The same for the control operator."""
    torch.set_num_threads(threads)
    with torch.inference_mode():
        place = use_device(device)
        if place.type == "cuda":
            # The same for all cases, whatever theirs are.
            use_switches(tf32=False, cudnn_benchmark=False)
        control = Control(place)
        control()
        call_at_depth(depth, lambda: serve_blocks(line, control, stopwatch_for(place, threads), TorchState.now()))


def serve_blocks(line: Line, call: Callable[[], object], stopwatch: Stopwatch, state: TorchState) -> None:
    """Answer every request, a number of calls, with three figures of the mean call.

    They are its seconds, those for which it waited for a core besides, and its page faults, which say whether the
    allocator keeps the memory, as pinning it wants.

    Raises:
        RefusedCaseError: torch's state is another than it was.
    """
    # A collection within a block would slow it by chance.
    gc.collect()
    gc.freeze()
    gc.disable()
    line.send("ready")
    for calls in line.requests():
        before = _page_faults()
        seconds = stopwatch.block(call, calls)
        waited_s = getattr(stopwatch, "waited_s", 0.0)
        state.check_kept()
        line.send((seconds, waited_s, (_page_faults() - before) / (calls + 1)))


def _page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def limits(arithmetic: str, threads: int, device: str) -> Limits:
    """Measure what this machine can do at most; see :mod:`upbench.machine.limits`."""
    with torch.inference_mode():
        return measure_limits(arithmetic, threads, device)


def clock(device: str) -> ClockCheck:
    """Hold a CUDA device's events against its cycles; see :mod:`upbench.machine.cuda_clock`."""
    use_device(device)
    return check_clock(device)


def free_bytes(device: str) -> int:
    """Memory of a CUDA device that nobody uses."""
    return int(torch.cuda.mem_get_info(use_device(device))[0])
