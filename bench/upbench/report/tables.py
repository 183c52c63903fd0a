"""The tables: every record, and the answers, each as CSV, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from upbench.cases.case import Cell, device_text, scale_text
from upbench.records.record import Record, peak_memory
from upbench.report.evidence import CellResult, Evidence, Setting, Winner, output_bytes
from upbench.wording import Message, alternatives, say

MIB = 2**20
NBSP = "\u00a0"
"""Keeps a figure and its unit on one line."""


@dataclass(frozen=True)
class Tables:
    """The tables as people read them: a message or text in every cell."""

    answers: pd.DataFrame
    results: pd.DataFrame


def write_tables(evidence: Evidence, output: Path) -> Tables:
    """Write ``answers`` and ``results`` as ``.md`` and ``.tex``, and all fields, unrounded, as ``.csv``."""
    tables = Tables(answers=answers_table(evidence), results=results_table(evidence))
    write_table(tables.answers, output, "answers")
    write_table(tables.results, output, "results")
    pd.DataFrame([record.extra_info for record in evidence.records]).to_csv(output / "results.csv", index=False)
    return tables


def write_table(table: pd.DataFrame, output: Path, name: str) -> None:
    """Write a table as Markdown, LaTeX and CSV, in English."""
    table = table.map(str)
    (output / f"{name}.md").write_text(table.to_markdown(index=False) + "\n")
    latex = table.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    (output / f"{name}.tex").write_text(latex.to_latex(hrules=True))
    table.to_csv(output / f"{name}.csv", index=False)


def answers_table(evidence: Evidence) -> pd.DataFrame:
    """One row for each cell: who is fastest and how sure that is, who is leanest, who is cheapest."""
    return pd.DataFrame([_answer(evidence, result) for result in evidence.results])


def results_table(evidence: Evidence) -> pd.DataFrame:
    """One row for each record, rounded for reading; what did not run says why."""
    return pd.DataFrame([_result(evidence, record) for record in evidence.records])


def _answer(evidence: Evidence, result: CellResult) -> dict[str, Message | str]:
    cell, fastest = result.cell, result.fastest
    return {
        "scale": f"×{scale_text(cell.scale)}",
        "channels": channels_text(cell.in_channels, cell.out_channels),
        **what_varies(evidence, cell),
        "fastest": "–" if fastest is None else names_text(evidence, fastest),
        "latency": "–" if fastest is None else f"{fastest.value * 1e3:.3g}{NBSP}ms",
        "how sure": say("no latency can be trusted") if fastest is None else sureness(fastest, evidence.title),
        "leanest": _exact(evidence, result.leanest, MIB, "MiB"),
        "cheapest": _exact(evidence, result.cheapest, 1e9, "GFLOP"),
    }


def what_varies(evidence: Evidence, cell: Cell, apart: Sequence[str] = ()) -> dict[str, str]:
    """The columns that tell the run's settings from each other, but for those named ``apart``."""
    columns = ("size", "batch", "dtype", "layout", "threads", "device", "runtime", "step")
    settings = [_columns(setting) for setting in evidence.settings]
    varying = [name for name in columns if len({each[name] for each in settings}) > 1 and name not in apart]
    return {name: _columns(cell)[name] for name in varying}


def _columns(of: Cell | Setting) -> dict[str, str]:
    names = ("batch", "dtype", "layout", "threads", "device", "runtime", "step")
    return {
        "size": f"{of.height}×{of.width}",
        **{name: str(getattr(of, name)) for name in names},
        "device": device_text(of.device, of.switches),
    }


def names_text(evidence: Evidence, winner: Winner) -> Message:
    """The winner, or those that cannot be told apart."""
    return alternatives([evidence.title(name) for name in winner.names])


def sureness(winner: Winner, title: Callable[[str], Message | str]) -> Message:
    """How far the winner is ahead of the next one, with the 95 % interval, or that nobody surely is."""
    if not winner.clear:
        return say("no significant winner")
    if winner.runner_up is None or winner.lead is None:
        return say("the only one")
    low, estimate, high = (f"{value:.2f}" for value in (winner.lead.low, winner.lead.estimate, winner.lead.high))
    name = title(winner.runner_up)
    return say("next takes {estimate}× ({low} to {high}): {name}", estimate=estimate, low=low, high=high, name=name)


def channels_text(in_channels: int, out_channels: int) -> str:
    """Such as ``64→3``."""
    return f"{in_channels}→{out_channels}"


def _exact(evidence: Evidence, winner: Winner | None, unit: float, unit_name: str) -> Message | str:
    if winner is None:
        return "–"
    value = f"{winner.value / unit:.3g}{NBSP}{unit_name}"
    return say("{names}, {value}", names=names_text(evidence, winner), value=value)


def _result(evidence: Evidence, record: Record) -> dict[str, Message | str]:
    cell, quantities = record.case.cell, record.quantities
    return {
        "upsampler": evidence.title(record.case.upsampler),
        "scale": f"×{scale_text(cell.scale)}",
        "channels": str(cell.channels),
        "in→out": channels_text(cell.in_channels, cell.out_channels),
        **what_varies(evidence, cell),
        "latency, ms": _latency(record),
        "95 % interval, ms": _interval(record),
        "times the fastest": _times_the_fastest(evidence, record),
        "launches": "–" if quantities["launches"] is None else str(quantities["launches"]),
        "machine busy": "–" if quantities["disturbed_share"] is None else f"{quantities['disturbed_share']:.0%}",
        **_beyond_eager_inference(evidence, record),
        **_of_a_gpu(evidence, record),
        "peak allocated, MiB": _scaled(peak_memory(record), MIB),
        "live tensors, MiB": _scaled(quantities["peak_tensor_bytes"], MIB),
        "resident, MiB": _scaled(quantities["peak_rss_bytes"], MIB),
        "output, MiB": _scaled(output_bytes(cell), MIB),
        "GMAC": _scaled(quantities["macs"], 1e9),
        "GFLOP": _scaled(quantities["flops"], 1e9),
        "params": "–" if quantities["params"] is None else f"{quantities['params']:,}",
        "share of limit": "–" if quantities["roofline_share"] is None else f"{quantities['roofline_share']:.0%}",
        "outcome": record.outcome if record.outcome == "ok" else f"{record.outcome}: {record.outcome_reason}",
    }


def _latency(record: Record) -> str:
    return "–" if record.quantities["latency_s"] is None else f"{record.quantities['latency_s'] * 1e3:.3g}"


def _interval(record: Record) -> Message | str:
    if record.latency is None:
        return "–"
    return say("{low} to {high}", low=f"{record.latency.low * 1e3:.3g}", high=f"{record.latency.high * 1e3:.3g}")


def _times_the_fastest(evidence: Evidence, record: Record) -> Message | str:
    """How many times as long as the fastest rival of the cell it takes, with the 95 % interval."""
    best = evidence.fastest_rival(record)
    if best is None or record.latency is None:
        return "–"
    if best is record:
        return "1"
    found = evidence.compare(record, best)
    if found is None:
        return "–"
    estimate, low, high = (f"{value:.3g}" for value in (found.ratio.estimate, found.ratio.low, found.ratio.high))
    return say("{estimate} ({low} to {high})", estimate=estimate, low=low, high=high)


def _beyond_eager_inference(evidence: Evidence, record: Record) -> dict[str, str]:
    """The columns that a run needs for its other runtimes and for training."""
    columns, quantities = {}, record.quantities
    if any(setting.runtime != Cell.runtime for setting in evidence.settings):
        columns["conversion, s"] = _scaled(quantities["conversion_s"], 1)
    if any(setting.step != Cell.step for setting in evidence.settings):
        columns["gradients, MiB"] = _scaled(quantities["gradient_bytes"], MIB)
        columns["Adam's state, MiB"] = _scaled(quantities["optimizer_bytes"], MIB)
    return columns


def _of_a_gpu(evidence: Evidence, record: Record) -> dict[str, str]:
    """The columns that a run on a GPU needs: whose time the latency is, and what held the GPU back."""
    if not any(each.case.cell.on_cuda for each in evidence.records):
        return {}
    quantities = record.quantities
    slowed = quantities.get("slowed_share")
    return {
        "device's part, ms": _scaled(quantities.get("device_s"), 1e-3),
        "queueing, ms": _scaled(quantities.get("queueing_s"), 1e-3),
        "slowed": "–" if slowed is None else f"{slowed:.0%}",
        "peak reserved, MiB": _scaled(quantities["peak_cuda_reserved_bytes"], MIB),
    }


def _scaled(value: float | None, unit: float) -> str:
    return "–" if value is None else f"{value / unit:.3g}"
