"""Limits as people spell them."""

from __future__ import annotations

import pytest

from upbench.errors import UsageError
from upbench.recommend.figures import digits, text
from upbench.recommend.question import bytes_of, decibels_of, seconds_of


@pytest.mark.parametrize(
    ("spelt", "value"),
    [
        ("200MB", 200e6),
        ("200 MiB", 200 * 2**20),
        ("1.5GB", 1.5e9),
        ("1.5gib", 1.5 * 2**30),
        ("64k", 64e3),
        ("4096", 4096),
        ("2TB", 2e12),
    ],
)
def test_memory_is_of_thousands_or_of_1024(spelt: str, value: float) -> None:
    assert bytes_of(spelt) == value


@pytest.mark.parametrize("spelt", ["", "MB", "-5MB", "0", "1,5GB", "5 apples", "1e6", "nan"])
def test_other_memory_is_refused_with_what_would_be_right(spelt: str) -> None:
    with pytest.raises(UsageError, match="such as 200MB"):
        bytes_of(spelt)


@pytest.mark.parametrize(("spelt", "value"), [("4ms", 4e-3), ("0.5 s", 0.5), ("250us", 250e-6), ("250µs", 250e-6)])
def test_times_have_units(spelt: str, value: float) -> None:
    assert seconds_of(spelt) == pytest.approx(value)


@pytest.mark.parametrize("spelt", ["4", "ms", "0ms", "-1s", "4 min"])
def test_other_times_are_refused(spelt: str) -> None:
    with pytest.raises(UsageError, match="such as 4ms"):
        seconds_of(spelt)


def test_psnr_is_a_number() -> None:
    assert decibels_of(28.0) == 28.0
    with pytest.raises(UsageError, match="number of dB"):
        decibels_of(float("nan"))


@pytest.mark.parametrize(
    ("of", "value", "shown"),
    [
        ("latency", 4.1234e-3, "4.12 ms"),
        ("latency", 0.9996, "1 s"),
        ("latency", 2e-7, "0.2 µs"),
        ("memory", 200e6, "200 MB"),
        ("memory", 0, "0 B"),
        ("flops", 2.718e9, "2.72 GFLOP"),
        ("params", 36928, "36.9 k"),
        ("params", 40, "40"),
        ("psnr", 28.456, "28.46 dB"),
    ],
)
def test_figures_have_a_unit_that_fits(of: str, value: float, shown: str) -> None:
    assert text(of, value) == shown  # type: ignore[arg-type]


def test_figures_are_never_powers_of_ten() -> None:
    assert digits("latency", 123456) == "123000"
