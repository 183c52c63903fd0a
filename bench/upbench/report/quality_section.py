"""What a quality run says, as the page shows it: its contestants, how each learnt, what they start as, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import mean
from typing import Any

import pandas as pd

from upbench.records.quality_run import Contestant, QualityRun, Training, Untrained, decibels
from upbench.records.quality_statistics import in_league, mean_of, paired_difference
from upbench.report.headings import heading
from upbench.report.picture_panels import PanelGroup, panel_groups
from upbench.wording import LANGUAGES, Message, in_words, say, visible

ANCHOR = "subpixel"
"""The upsampler that the others are compared with."""


FIRST_ASKED = ("psnr", "ssim", "high_frequency", "spectral_peaks", "gain_spread")


@dataclass(frozen=True)
class QualitySection:
    """One quality run on the page.

    Attributes:
        contestants: a row for each, sorted as the run has them.
        marks: what each row is filtered by: league, placement and scale, as text.
        starts: a row for each upsampler before training.
        meters: what each meter measures, in a sentence.
        failures: contestants without readings, and why.
        photographs: that were learnt from or judged by, each with its licence.
        groups: pictures.
        facts: of the run, in a sentence.
        data: what the scripts draw curves from.
    """

    contestants: pd.DataFrame
    marks: Sequence[dict[str, str]]
    starts: pd.DataFrame
    meters: Sequence[tuple[Message | str, Message]]
    failures: Sequence[Message]
    photographs: Sequence[Message]
    groups: Sequence[PanelGroup]
    facts: Message
    data: dict[str, Any]


def quality_sections(runs: Sequence[QualityRun]) -> list[QualitySection]:
    """One section for each run."""
    return [_section(run, number) for number, run in enumerate(runs)]


def _section(run: QualityRun, number: int) -> QualitySection:
    looked_at = [each for each in run.contestants if _trainings(run, each)]
    in_order = dict.fromkeys((*_of_networks(run), *run.meters))
    return QualitySection(
        contestants=_titled(run, pd.DataFrame([_row(run, each) for each in looked_at])),
        marks=[_marks(each) for each in looked_at],
        starts=_titled(run, pd.DataFrame([_start(run, start) for start in run.starts if start.outcome == "ok"])),
        meters=[(meter_title(run, name), _about(run, name)) for name in in_order],
        failures=[
            say("{name}: {outcome}, {reason}", name=each.contestant, outcome=each.outcome, reason=each.reason or "–")
            for each in run.trainings
            if each.outcome != "ok"
        ]
        + [
            say("{name}: {outcome}, {reason}", name=each.upsampler, outcome=each.outcome, reason=each.reason or "–")
            for each in run.starts
            if each.outcome != "ok"
        ],
        photographs=[_credit(photograph) for photograph in run.photographs],
        groups=panel_groups(run),
        facts=say(
            "Measured {date} UTC: {command}",
            date=str(run.facts.get("measured_at", "?"))[:16].replace("T", " "),
            command=str(run.facts.get("command", "?")),
        ),
        data={"number": number, **_curves(run, looked_at)},
    )  # fmt: skip


def meter_title(run: QualityRun, name: str) -> Message | str:
    """What a meter is called, with its unit, in the reader's language where the catalogue has it."""
    card = run.meters[name]
    return say("{title}, {unit}", title=_known(card.title), unit=card.unit) if card.unit else _known(card.title)


def _about(run: QualityRun, name: str) -> Message:
    card = run.meters[name]
    better = {"higher": say("Higher is better."), "lower": say("Lower is better.")}
    return say("{about} {better}", about=_known(card.about), better=better[card.better])


def _known(text: str) -> Message | str:
    """A meter's own words, which the catalogue has if they are this version's; a brace would be taken for a place."""
    return text if "{" in text or "}" in text else Message(text)


def _marks(contestant: Contestant) -> dict[str, str]:
    """By what contestants are filtered."""
    return {
        "league": visible(contestant.league),
        "placement": visible(contestant.placement),
        "scale": f"×{contestant.scale}",
    }


def _trainings(run: QualityRun, contestant: Contestant) -> list[Training]:
    return [each for each in run.trainings if each.contestant == contestant.id and each.outcome == "ok"]


def _of_networks(run: QualityRun) -> list[str]:
    """The meters of images and networks: those that people ask for first, and the others in the run's order."""
    read = {name for training in run.trainings for name in training.readings}
    return [name for name in dict.fromkeys((*FIRST_ASKED, *run.meters)) if name in read and name in run.meters]


def _row(run: QualityRun, contestant: Contestant) -> dict[str, Message | str]:
    row: dict[str, Message | str] = {
        "upsampler": run.title(contestant),
        "league": _league(contestant.league),
        "placement": _placement(contestant.placement),
        "scale": f"×{contestant.scale}",
    }
    meters = _of_networks(run)
    if "psnr" in meters:
        row["psnr"] = _shown(run, "psnr", mean_of(run, contestant.id, "psnr"))
        row["PSNR against sub-pixel, dB"] = _difference(run, contestant)
    row |= {name: _shown(run, name, mean_of(run, contestant.id, name)) for name in meters if name != "psnr"}
    row["params"] = f"{contestant.params:,}" if contestant.params else "–"
    row["FLOPs/px"] = f"{contestant.flops_per_pixel:,}" if contestant.flops_per_pixel else "–"
    row["seeds"] = str(len(_trainings(run, contestant)))
    return row


def _difference(run: QualityRun, contestant: Contestant) -> Message | str:
    """To the network with one-stage sub-pixel convolution of the same league and scale, with its 95 % interval."""
    anchor = in_league(run, ANCHOR, contestant.scale, contestant.league)
    if anchor is None or anchor.id == contestant.id:
        return "–"
    found = paired_difference(run, contestant.id, anchor.id, "psnr")
    if found is None:
        return "–"
    low, estimate, high = (f"{value:+.2f}" for value in (found.low, found.estimate, found.high))
    return say("{estimate} ({low} to {high})", estimate=estimate, low=low, high=high)


def _titled(run: QualityRun, table: pd.DataFrame) -> pd.DataFrame:
    """The table with the meters' titles above their columns; two meters may have the same."""
    columns = [meter_title(run, column) if column in run.meters else heading(column) for column in table.columns]
    return table.set_axis(pd.Index(columns, dtype=object), axis=1)


def _start(run: QualityRun, start: Untrained) -> dict[str, Message | str]:
    of_starts = [name for name in run.meters if any(name in each.readings for each in run.starts)]
    title = str(run.cards.get(start.upsampler, {}).get("title", start.upsampler))
    return {
        "upsampler": title,
        "scale": f"×{start.scale}",
        **{name: _shown(run, name, start.readings.get(name)) for name in of_starts},
    }


def _curves(run: QualityRun, contestants: Sequence[Contestant]) -> dict[str, Any]:
    """The mean over seeds and images at every step, by meter; steps at which nothing was read are left out."""
    meters = _of_networks(run)
    return {
        "meters": [
            {
                "name": name,
                "better": run.meters[name].better,
                "title": {language: visible(in_words(meter_title(run, name), language)) for language in LANGUAGES},
            }
            for name in meters
        ],
        "labels": {
            visible(str(label)): {language: in_words(label, language) for language in LANGUAGES}
            for each in contestants
            for label in (_league(each.league), _placement(each.placement))
        },
        "contestants": [
            {
                "title": visible(run.title(each)),
                "marks": _marks(each),
                "curves": {name: _curve(run, each, name) for name in meters},
            }
            for each in contestants
        ],
    }


def _curve(run: QualityRun, contestant: Contestant, meter: str) -> list[tuple[int, float]]:
    steps = max((training.steps for training in _trainings(run, contestant)), key=len)
    found = []
    for index, step in enumerate(steps):
        read = [t.readings[meter][index] for t in _trainings(run, contestant) if len(t.readings.get(meter, ())) > index]
        given = [value for row in read for value in row]
        if run.meters[meter].ratio_of_energies:
            given = [decibels(value) for value in given]
        values = [value for value in given if value is not None and isfinite(value)]
        if values:
            found.append((step, round(mean(values), 5)))
    return found


def _credit(photograph: Mapping[str, Any]) -> Message:
    """Which photograph, where it comes from and under which licence, and what it was for."""
    known = {key: str(photograph.get(key) or "–") for key in ("name", "package", "licence")}
    use = say("judged by") if photograph.get("held_out") else say("learnt from")
    return say("{name} ({package}; {licence}): {use}", use=use, **known)


def _shown(run: QualityRun, meter: str, value: float | None) -> str:
    return figure(decibels(value) if run.meters[meter].ratio_of_energies else value)


def figure(value: float | None) -> str:
    """A reading as a table shows it."""
    if value is None:
        return "–"
    if not isfinite(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3g}"


def _league(name: str) -> Message | str:
    known = (say("as practised"), say("equal parameters"), say("equal FLOPs"), say("without training"))
    return next((each for each in known if each.text == name), name)


def _placement(name: str) -> Message | str:
    known = (say("inside"), say("last"), say("first"), say("alone"))
    return next((each for each in known if each.text == name), name)
