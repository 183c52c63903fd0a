"""Figures as text: three digits that count, a unit that fits, and the interval behind it."""

from __future__ import annotations

from upbench.recommend import sentences
from upbench.recommend.quantities import Objective
from upbench.records.statistics import Interval
from upbench.wording import Message

UNITS: dict[Objective, tuple[tuple[float, str], ...]] = {
    "latency": ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s")),
    "memory": ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB")),
    "flops": ((1.0, "FLOP"), (1e6, "MFLOP"), (1e9, "GFLOP"), (1e12, "TFLOP")),
    "params": ((1.0, ""), (1e3, "k"), (1e6, "M")),
    "psnr": ((1.0, "dB"),),
}
"""By size; memory counts by thousands, as a limit such as 200MB does."""

DIGITS = 3
PSNR_DIGITS = 4


def text(objective: Objective, value: float) -> str:
    """A figure with its unit, such as ``4.12 ms``."""
    size, unit = _unit(objective, value)
    return f"{digits(objective, value / size)} {unit}".strip()


def with_interval(objective: Objective, interval: Interval) -> Message | str:
    """A figure with its interval, such as ``4.12 ms (3.6 to 4.7)``; without one where the digits shown are exact."""
    figure = text(objective, interval.estimate)
    size, _ = _unit(objective, interval.estimate)
    low, high = (digits(objective, limit / size) for limit in (interval.low, interval.high))
    if low == high:
        return figure
    return sentences.figure_with_interval(figure, low, high)


def digits(objective: Objective, value: float) -> str:
    """Rounded to the digits that count, never as a power of ten."""
    rounded = float(f"{value:.{PSNR_DIGITS if objective == 'psnr' else DIGITS}g}")
    return f"{rounded:.0f}" if rounded == int(rounded) else f"{rounded:g}"


def _unit(objective: Objective, value: float) -> tuple[float, str]:
    """The largest that is not above the value, which rounding may lift to the next."""
    units = UNITS[objective]
    return next((each for each in reversed(units) if abs(value) >= 0.9995 * each[0]), units[0])
