"""Which upsampler runs in which runtime, and how near its definition: the page conversion.md.

Each is converted, called and compared with its definition in a process of its own, so that a converter that crashes or
hangs spoils no other cell. ``tox run -e native`` writes the page; what the runtimes need is installed there. What runs
in a browser is read from a record of ``upbench serve``, as only a browser can tell.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import fill, shorten

import torch

import upsample
from upbench import runtimes
from upbench.cases.case import Case
from upbench.cases.grid import Axes
from upbench.machine import fingerprint
from upbench.meters.agreement import TOLERANCE
from upbench.processes.isolation import Isolation
from upbench.records.record import Run, read_run
from upbench.sweep import worker
from upbench.sweep.plan import planned
from upbench.sweep.preloading import preload_for
from upbench.whole_file import write_text_whole

RUNTIMES = ("eager", "compiled", "onnx", "openvino", "ncnn", "litert")
BROWSER = "web-wasm"
TITLES = {name: runtimes.get(name).title for name in RUNTIMES} | {BROWSER: "ONNX Runtime Web"}
RECORD = Path(__file__).parents[1] / "results" / "browser_catalogue.json"
FORMS_OF = ("nearest_conv", "bilinear_conv")
SCALE, CHANNELS, SIZE = 2, 16, (12, 20)
CELL_S = 300.0
WIDTH = 120
MOST_WORDS = 300


@dataclass(frozen=True)
class Verdict:
    """What came of an upsampler in a runtime: its error, or why there is none.

    Attributes:
        error: the largest difference from the definition, as a share of the largest value.
        reason: why it was refused; of what is wrong, how far.
        wrong: whether it ran and gave another output.
    """

    error: float | None = None
    reason: str = ""
    wrong: bool = False

    @property
    def cell(self) -> str:
        """As the table has it."""
        if self.error is not None:
            return f"{self.error:.0e}"
        return "**wrong**" if self.wrong else "refused"


Verdicts = Mapping[str, Mapping[str, Verdict]]
"""By upsampler, then by runtime."""


def axes() -> Axes:
    """Every upsampler, and the exact forms of two of them, in every runtime."""
    names = [*upsample.names(), *(form for name in FORMS_OF for form in upsample.exact_names(name))]
    return Axes(tuple(names), (SCALE,), (CHANNELS,), sizes=(SIZE,), runtimes=RUNTIMES)


def tried(cases: Sequence[Case], journal: Path | None = None) -> Verdicts:
    """Try each that a journal does not have from these very versions, and say so on the way."""
    isolation, used, known = Isolation(preload=preload_for(cases)), versions(), {}
    if journal is not None and journal.exists():
        lines = map(json.loads, journal.read_text().splitlines())
        known = {line["case"]: Verdict(**line["verdict"]) for line in lines if line["versions"] == used}
    for case in cases:
        if case.id in known:
            continue
        outcome = isolation.call(worker.measure, case, ("agreement",), timeout=CELL_S)
        if outcome.kind == "ok":
            verdict = Verdict(outcome.value["definition_error"])
        else:
            verdict = Verdict(None, said(outcome.kind, outcome.reason or ""), outcome.kind == "refused")
        known[case.id] = verdict
        print(f"{case.upsampler} in {case.cell.runtime}: {verdict.cell} {verdict.reason}", file=sys.stderr, flush=True)
        if journal is not None:
            with journal.open("a") as file:
                line = {"case": case.id, "versions": used, "verdict": asdict(verdict)}
                file.write(json.dumps(line) + "\n")
    found: dict[str, dict[str, Verdict]] = {}
    for case in cases:
        found.setdefault(case.upsampler, {})[case.cell.runtime] = known[case.id]
    return found


def in_browser(run: Run, names: Sequence[str]) -> Mapping[str, Verdict]:
    """What a page found out, by upsampler.

    Raises:
        ValueError: it has not tried one of them, or at another point of the grid.
    """
    found = {}
    for record in run.records:
        cell = record.case.cell
        place = cell.runtime, cell.threads, cell.scale, cell.channels, (cell.height, cell.width)
        if place == (BROWSER, 1, SCALE, CHANNELS, SIZE):
            if record.measured:
                found[record.case.upsampler] = Verdict(record.quantities["definition_error"])
            else:
                reason = said(record.outcome, record.outcome_reason or "")
                found[record.case.upsampler] = Verdict(None, reason, record.outcome == "refused")
    if absent := [name for name in names if name not in found]:
        raise ValueError(f"the browser's record lacks {', '.join(absent)}: measure the whole catalogue there first.")
    return found


def said(kind: str, reason: str) -> str:
    """The reason without what the table says already."""
    for title in TITLES.values():
        reason = reason.removeprefix(f"{title} cannot take it: ")
    return reason if kind in ("unsupported", "refused") else f"{kind}: {reason}"


def table(verdicts: Verdicts) -> str:
    """One line for each upsampler and one column for each runtime."""
    lines = [["Upsampler", *TITLES.values()], ["---", *["---:"] * len(TITLES)]]
    lines += [[f"`{name}`", *(own[runtime].cell for runtime in TITLES)] for name, own in verdicts.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def reasons(verdicts: Verdicts) -> str:
    """For each runtime what it did not take, and why, in its own words; those with the same words share an item."""
    parts = []
    for runtime, title in TITLES.items():
        alike: dict[str, list[str]] = {}
        for name, own in verdicts.items():
            if own[runtime].error is None:
                alike.setdefault(own[runtime].reason, []).append(f"`{name}`")
        if alike:
            items = [f"- {', '.join(names)}: {as_code(reason)}" for reason, names in alike.items()]
            parts.append("\n".join([f"### {title}", "", *map(wrapped, items)]))
    return "\n\n".join(parts)


def as_code(words: str) -> str:
    """Words that may hold anything, on one line."""
    return f"``{shorten(words, MOST_WORDS, placeholder=' …').replace('`', chr(39))}``"


def wrapped(text: str) -> str:
    """Fold a paragraph or an item."""
    return fill(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def counted(verdicts: Verdicts) -> str:
    """How many run in each runtime, in a sentence."""
    running = {name: sum(own[name].error is not None for own in verdicts.values()) for name in TITLES}
    each = [f"{running[name]} in {title}" for name, title in TITLES.items()]
    wrong = sum(verdict.wrong for own in verdicts.values() for verdict in own.values())
    return f"Of {len(verdicts)} there run {', '.join(each)}. Wrong: {wrong or 'none'}."


def versions() -> str:
    """Of torch, and of what converts and runs."""
    found = {"torch": torch.__version__.partition("+")[0], **fingerprint.versions()}
    return ", ".join(f"{name} {number}" for name, number in found.items() if name != "compiler")


def of_browser(run: Run) -> str:
    """The browser and its runtime, with their versions."""
    return ", ".join(f"{name} {number}" for name, number in run.fingerprint["versions"].items())


def page(verdicts: Verdicts, browser: str) -> str:
    """The whole page.

    Args:
        verdicts: of all runtimes.
        browser: which, and of what version ONNX Runtime Web.
    """
    size, of = "×".join(map(str, SIZE)), " and ".join(f"`{name}`" for name in FORMS_OF)
    about = f"""Every upsampler of the catalogue, and the exact forms of {of},
        in every runtime: ×{SCALE}, {CHANNELS} channels (whole networks: an image), {size} pixels, float32, one thread.
        A figure is the largest difference of the output from the textbook definition in float64, as a share of the
        largest value; more than {TOLERANCE[torch.float32]:.0e} is wrong. What a runtime or its converter refuses is
        listed below in its own words, and so is a form that does not exist for its upsampler. ONNX Runtime Web ran its
        WebAssembly in a browser's page (see below); nothing here has run on a GPU or a phone."""
    return f"""# What runs in which runtime

{fill(" ".join(about.split()), WIDTH, break_long_words=False, break_on_hyphens=False)}

{fill(counted(verdicts), WIDTH, break_long_words=False, break_on_hyphens=False)}

{table(verdicts)}

{fill(f"Versions: {versions()}; {browser}.", WIDTH, break_long_words=False, break_on_hyphens=False)}

## What is refused, and why

{reasons(verdicts)}

## Run it again

```sh
tox run -e native
```

The browser's column is read from `results/browser_catalogue.json`, whose page is made by the command that it has in it,
and measured and sent back as [the page on browsers](browser.md) says.

[The runtimes and their settings](runtimes.md) · [models as files](exporting.md)
"""


def main() -> None:
    """Try everything and write the page; exit code 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description="Try every upsampler in every runtime, and write the page.")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"), help="the page to write")
    parser.add_argument("--journal", type=Path, help="where an interrupted run goes on, and others look")
    parser.add_argument("--browser", type=Path, default=RECORD, help="a record of the same grid point from a page")
    given = parser.parse_args()
    wanted, seen = axes(), read_run(given.browser)
    browser = in_browser(seen, wanted.upsamplers)
    verdicts = {name: {**own, BROWSER: browser[name]} for name, own in tried(planned(wanted), given.journal).items()}
    write_text_whole(given.output, page(verdicts, of_browser(seen)))
    if any(verdict.wrong for own in verdicts.values() for verdict in own.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
