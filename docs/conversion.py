"""Which upsampler runs in which runtime, and how near its definition: the page conversion.md.

Each is converted, called and compared with its definition in a process of its own, so that a converter that crashes or
hangs spoils no other cell. ``tox run -e native`` writes the page; what the runtimes need is installed there.
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
from upbench.sweep import worker
from upbench.sweep.plan import planned
from upbench.sweep.session import preload_for
from upbench.whole_file import write_text_whole

RUNTIMES = ("eager", "compiled", "onnx", "openvino", "ncnn", "litert")
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


def said(kind: str, reason: str) -> str:
    """The reason without what the table says already."""
    for runtime in RUNTIMES:
        reason = reason.removeprefix(f"{runtimes.get(runtime).title} cannot take it: ")
    return reason if kind in ("unsupported", "refused") else f"{kind}: {reason}"


def table(verdicts: Verdicts) -> str:
    """One line for each upsampler and one column for each runtime."""
    titles = [runtimes.get(name).title for name in RUNTIMES]
    lines = [["Upsampler", *titles], ["---", *["---:"] * len(titles)]]
    lines += [[f"`{name}`", *(own[runtime].cell for runtime in RUNTIMES)] for name, own in verdicts.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def reasons(verdicts: Verdicts) -> str:
    """For each runtime what it did not take, and why, in its own words; those with the same words share an item."""
    parts = []
    for runtime in RUNTIMES:
        alike: dict[str, list[str]] = {}
        for name, own in verdicts.items():
            if own[runtime].error is None:
                alike.setdefault(own[runtime].reason, []).append(f"`{name}`")
        if alike:
            items = [f"- {', '.join(names)}: {as_code(reason)}" for reason, names in alike.items()]
            parts.append("\n".join([f"### {runtimes.get(runtime).title}", "", *map(wrapped, items)]))
    return "\n\n".join(parts)


def as_code(words: str) -> str:
    """Words that may hold anything, on one line."""
    return f"``{shorten(words, MOST_WORDS, placeholder=' …').replace('`', chr(39))}``"


def wrapped(text: str) -> str:
    """Fold a paragraph or an item."""
    return fill(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def counted(verdicts: Verdicts) -> str:
    """How many run in each runtime, in a sentence."""
    each = [
        f"{sum(own[name].error is not None for own in verdicts.values())} in {runtimes.get(name).title}"
        for name in RUNTIMES
    ]
    wrong = sum(verdict.wrong for own in verdicts.values() for verdict in own.values())
    return f"Of {len(verdicts)} there run {', '.join(each)}. Wrong: {wrong or 'none'}."


def versions() -> str:
    """Of torch, and of what converts and runs."""
    found = {"torch": torch.__version__.partition("+")[0], **fingerprint.versions()}
    return ", ".join(f"{name} {number}" for name, number in found.items() if name != "compiler")


def page(verdicts: Verdicts) -> str:
    """The whole page."""
    size, of = "×".join(map(str, SIZE)), " and ".join(f"`{name}`" for name in FORMS_OF)
    about = f"""Every upsampler of the catalogue, and the exact forms of {of},
        in every runtime: ×{SCALE}, {CHANNELS} channels (whole networks: an image), {size} pixels, float32, one thread.
        A figure is the largest difference of the output from the textbook definition in float64, as a share of the
        largest value; more than {TOLERANCE[torch.float32]:.0e} is wrong. What a runtime or its converter refuses is
        listed below in its own words, and so is a form that does not exist for its upsampler."""
    return f"""# What runs in which runtime

{fill(" ".join(about.split()), WIDTH, break_long_words=False, break_on_hyphens=False)}

{fill(counted(verdicts), WIDTH, break_long_words=False, break_on_hyphens=False)}

{table(verdicts)}

{fill(f"Versions: {versions()}.", WIDTH, break_long_words=False, break_on_hyphens=False)}

## What is refused, and why

{reasons(verdicts)}

## Run it again

```sh
tox run -e native
```

[The runtimes and their settings](runtimes.md) · [models as files](exporting.md)
"""


def main() -> None:
    """Try everything and write the page; exit code 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description="Try every upsampler in every runtime, and write the page.")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"), help="the page to write")
    parser.add_argument("--journal", type=Path, help="where an interrupted run goes on, and others look")
    given = parser.parse_args()
    verdicts = tried(planned(axes()), given.journal)
    write_text_whole(given.output, page(verdicts))
    if any(verdict.wrong for own in verdicts.values() for verdict in own.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
