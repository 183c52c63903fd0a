"""The best form in each runtime, from the runs of all runtimes, and that what the README says of it is true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from tabulate import tabulate

from upbench.records.record import read_run

ROOT = Path(__file__).parent.parent
RUNS = [
    f"{run}.json"
    for of_end in ("exact_forms", "exact_forms_64to64")
    for run in (of_end, f"{of_end}_native", f"browser_{of_end}")
]
TITLES = {
    "eager": "eager", "compiled": "compiled", "onnx": "ONNX Runtime", "openvino": "OpenVINO", "ncnn": "ncnn",
    "litert": "LiteRT", "web-wasm": "browser",
}  # fmt: skip
Question = tuple[str, int, int, int]
"""Of which upsampler, from how many channels to how many, at which scale."""


@cache
def shares() -> dict[Question, dict[str, dict[str, tuple[float, bool]]]]:
    """For each question and runtime what each form takes of the usual time, and whether its launches agree."""
    found: dict[Question, dict[str, dict[str, tuple[float, bool]]]] = {}
    for file in (ROOT / "results" / run for run in RUNS):
        # What eager took the second time, as a neighbour of other runtimes, replaces the first.
        own = [r for r in read_run(file).records if r.case.cell.layout == "contiguous" and r.quantities["latency_s"]]
        usual = {(r.case.cell, r.case.upsampler): r.quantities["latency_s"] for r in own}
        for r in own:
            name, _, form = r.case.upsampler.partition(".")
            cell = r.case.cell
            question = (name, cell.channels, cell.out_channels, cell.scale)
            if form:
                share = r.quantities["latency_s"] / usual[cell, name]
                found.setdefault(question, {}).setdefault(cell.runtime, {})[form] = (share, r.outcome == "ok")
    return found


def of_form(form: str, out_channels: int, *runtimes: str) -> Iterator[float]:
    """What a form of nearest + convolution from 64 channels takes of the usual time."""
    for (name, channels, to, _), ways in shares().items():
        if (name, channels, to) == ("nearest_conv", 64, out_channels):
            yield from (ways[runtime][form][0] for runtime in runtimes if form in ways[runtime])


def forms_table() -> str:
    """The fastest form in each runtime, and what it takes of the usual one's time there."""

    def cell(ways: Mapping[str, Mapping[str, tuple[float, bool]]], runtime: str) -> str:
        if runtime not in ways:
            return "–"
        form, (share, agrees) = min(ways[runtime].items(), key=lambda way: way[1][0])
        return f"{form} {share:.2f}{'' if agrees else '?'}" if share < 1 else "usual"

    lines = [
        [f"{name}, {channels}→{to}, ×{scale}", *(cell(ways, runtime) for runtime in TITLES)]
        for (name, channels, to, scale), ways in sorted(shares().items())
    ]
    return str(tabulate(lines, ["", *TITLES.values()], "github", disable_numparse=True))


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_what_flips_the_best_form_is_what_the_runs_of_all_runtimes_showed(readme: str) -> None:
    assert all(set(ways) <= set(TITLES) and len(ways) >= 6 for ways in shares().values())
    said = (ROOT / readme).read_text().replace(" 至 ", " to ")
    for figures in (
        [*of_form("transposed", 3, "onnx", "ncnn")],
        [*of_form("transposed", 3, "litert")],
        [*of_form("mixed_shuffled", 3, *TITLES)],
        [*of_form("mixed_shuffled", 64, *TITLES)],
    ):
        assert f"{min(figures):.2f} to {max(figures):.2f}" in said
