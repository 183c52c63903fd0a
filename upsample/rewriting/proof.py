"""Times and outputs of two ways to compute the same, compared in the process that asks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from math import comb, exp, log
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from upsample.rewriting.report import Gain

Call = Callable[[], object]
Prepare = Callable[[nn.Module, tuple[Tensor, ...]], Call]
"""How a runtime makes something to be called of a module and its inputs."""

LEAST_ROUNDS = 8
"""From which the 99 % interval stays within what was seen."""

FEWEST_ROUNDS, ENOUGH_ROUNDS = 3, 5
"""To see what is far behind, and which of the others to choose, of which no interval is given."""

FAR_BEHIND, OUT_OF_SIGHT = 1.3, 2.0
"""What takes this many times as long as the fastest in the first rounds, or in its first call, is not timed again."""

FIRST_S = 0.1
"""By more than this no call is slower because it is the first."""

MORE_S = 12.0
"""For which rounds are added at most where a round takes seconds."""

MORE_ROUNDS = 4
"""That are added at least: an interval of 99 % lets an outlier at each end go from twelve rounds on."""

LONG_S = 0.02
"""A call of this length warms up what it needs by itself."""

TOLERANCES = {
    torch.complex128: 1e-11,
    torch.complex64: 1e-4,
    torch.float64: 1e-11,
    torch.float32: 1e-4,
    torch.float16: 2e-2,
    torch.bfloat16: 5e-2,
}
"""How far outputs may be apart, as a share of the largest value: float rounding through a whole network."""

ROUNDED_TO_TF32 = (torch.float32, torch.complex64)
"""Of which a GPU may round the factors of products to TF32's ten bits, those of float16: by torch's default it does so
in convolutions. Two ways to compute the same then differ by that rounding, and not by float32's."""


def eager(module: nn.Module, inputs: tuple[Tensor, ...]) -> Call:
    """Call the module as it is."""
    return lambda: module(*inputs)


def channels_last(module: nn.Module, inputs: tuple[Tensor, ...]) -> Call:
    """Call a copy of the module whose weights and inputs lie in that order."""
    copy = deepcopy(module).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    given = tuple(each.contiguous(memory_format=torch.channels_last) if each.dim() == 4 else each for each in inputs)
    return lambda: copy(*given)


def interleaved(
    calls: Mapping[str, Call], seconds: float, least: int = LEAST_ROUNDS, warm: Collection[str] = ()
) -> dict[str, list[float]]:
    """Time calls in rounds of one each, in random order: whatever disturbs the machine hits all of them alike.

    Args:
        calls: by name.
        seconds: for which rounds are begun.
        least: rounds, however long they take.
        warm: those that have just been called.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in calls.items():
        if name not in warm:
            _first(call)
    end = time.perf_counter() + seconds
    while len(next(iter(times.values()))) < least or time.perf_counter() < end:
        for name in random.sample(list(calls), len(calls)):
            times[name].append(_timed(calls[name]))
    return times


def _first(call: Call) -> float:
    """Warm a call up; the seconds that it took at last."""
    seconds = _timed(call)
    return seconds if seconds >= LONG_S else _timed(call)


def _timed(call: Call) -> float:
    _synchronize()
    start = time.perf_counter()
    call()
    _synchronize()
    return time.perf_counter() - start


def compared(
    calls: Mapping[str, Call], seconds: float, wanted: float, warm: Collection[str] = ()
) -> dict[str, list[float]]:
    """Time calls, of which the first two are what was and what is to be; longer where that leaves the answer open.

    A neighbour that disturbs one round in ten leaves the interval of a few rounds wide open. So where the median says
    that more is gained than is ``wanted`` and the interval does not, as many rounds are added twice over, or as many as
    ``MORE_S`` has room for, once: two looks at most, at intervals of 99 % each.
    """
    times = interleaved(calls, seconds, warm=warm)
    before, after = list(calls)[:2]
    median_gain, least, _ = gain(times[before], times[after])
    if least > wanted or median_gain <= wanted:
        return times
    room = max(MORE_ROUNDS, int(MORE_S / sum(map(median, times.values()))))
    more = interleaved(calls, 2 * seconds, min(2 * len(times[before]), room), warm=calls)
    return {name: times[name] + more[name] for name in calls}


def fastest(calls: Mapping[str, Call], seconds: float) -> tuple[str, float]:
    """The name of the fastest call, and its median time in seconds; what is far behind is soon not timed any more."""
    first = {name: _first(call) for name, call in calls.items()}
    best = min(first.values())
    in_sight = {name: call for name, call in calls.items() if first[name] <= max(OUT_OF_SIGHT * best, best + FIRST_S)}
    times = interleaved(in_sight, 0, FEWEST_ROUNDS, warm=in_sight)
    best = min(map(median, times.values()))
    left = {name: call for name, call in in_sight.items() if median(times[name]) <= FAR_BEHIND * best}
    if len(left) > 1:
        more = interleaved(left, seconds, ENOUGH_ROUNDS - FEWEST_ROUNDS, warm=left)
        times = {name: times[name] + more[name] for name in left}
    name = min(left, key=lambda each: median(times[each]))
    return name, median(times[name])


def _synchronize() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def gain(before: Sequence[float], after: Sequence[float]) -> Gain:
    """The median ratio of rounds and its 99 % interval, from order statistics (David & Nagaraja, 2003)."""
    ratios = sorted(log(one / other) for one, other in zip(before, after, strict=True))
    count, outside, rank = len(ratios), 0.0, 0
    while (outside := outside + comb(count, rank) / 2**count) <= 0.005:
        rank += 1
    limits = ratios[max(rank - 1, 0)], ratios[count - max(rank, 1)]
    return exp(median(ratios)), exp(limits[0]), exp(limits[1])


def difference(expected: Sequence[Tensor], actual: Sequence[Tensor]) -> float:
    """The largest difference, as a share of each output's largest value; infinite where shapes or kinds differ."""
    if [each.shape for each in expected] != [each.shape for each in actual]:
        return float("inf")
    differences = [0.0]
    for one, other in zip(expected, actual, strict=True):
        if one.numel():
            one, other = (torch.view_as_real(each) if each.is_complex() else each for each in (one, other))
            one, other = one.double(), other.double()
            differences.append(((one - other).abs().max() / one.abs().max().clamp_min(1e-30)).item())
    return float("inf") if any(value != value for value in differences) else max(differences)


def tolerance(outputs: Sequence[Tensor]) -> float:
    """How large that difference may be, which is up to the least precise of them and, on a GPU, to torch's switches."""
    return max((_tolerance(each) for each in outputs), default=0.0)


def _tolerance(output: Tensor) -> float:
    if output.device.type == "cuda" and output.dtype in ROUNDED_TO_TF32 and in_tf32():
        return TOLERANCES[torch.float16]
    return TOLERANCES.get(output.dtype, 0.0)


def in_tf32() -> bool:
    """Whether torch may round the factors of float32 products to TF32 on a GPU."""
    convolutions: Any = torch.backends.cudnn
    products: Any = torch.backends.cuda.matmul
    try:
        return bool(convolutions.allow_tf32 or products.allow_tf32)
    except RuntimeError:
        # Torch 2.9 has other switches for the same, and does not answer to these once they were used.
        return "tf32" in (convolutions.conv.fp32_precision, products.fp32_precision)
