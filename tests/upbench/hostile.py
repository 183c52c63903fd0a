"""Records whose every text is what somebody might try on a page: markup, quotes, marks that turn text, and length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from tests.upbench.synthetic import measured, refused, run_of
from tests.upbench.synthetic_quality import plane, quality_run
from upbench.cases.case import Case, Cell
from upbench.records.quality_run import Picture, QualityRun, Untrained
from upbench.records.record import Run

SCRIPT = '<script>window.hurt = 1</script></script><!--<img src=x onerror="window.hurt=1">'
QUOTES = "\"'`;=${window.hurt=1}{{7*7}}{0}{name}&amp;</style></textarea>"
TURNED = "\u202eright to left\u2066\u200f mark"
LONG = "ten thousand " * 769 + "end"
HOSTILE = f"{SCRIPT} {QUOTES} {TURNED}"
FORMULA = '=HYPERLINK("x")'

T = TypeVar("T")


def hostile_run() -> Run:
    """Two cells, in one of which a name is ten thousand characters long; one case was refused for a hostile reason."""
    settings = [
        {"dtype": HOSTILE, "layout": SCRIPT, "device": "../../../etc/hurt", "runtime": QUOTES, "step": TURNED},
        {"dtype": "float32", "layout": LONG, "device": "cpu", "runtime": "eager", "step": "inference"},
    ]
    records = []
    for cell in (Cell(2, 16, 16, 16, 48, 48, **values) for values in settings):
        records += [
            measured(Case(HOSTILE, cell), [1.0e-3, 1.01e-3, 1.0e-3], peak_allocated_bytes=None),
            measured(Case(LONG, cell), [2.0e-3, 2.01e-3, 2.0e-3], peak_allocated_bytes=None),
            measured(Case(FORMULA, cell), [2.0e-3, 5.01e-3, 3.0e-3], peak_allocated_bytes=None),
            refused(Case("refused", cell), outcome=QUOTES, reason=SCRIPT + LONG),
        ]
    # The tables know how wide a value of each dtype is.
    records = [replace(r, case=replace(r.case, cell=replace(r.case.cell, dtype="float32"))) for r in records]
    names = (HOSTILE, LONG, FORMULA, "refused")
    titles = dict(zip(names, (HOSTILE, LONG, FORMULA, TURNED), strict=True))
    run = run_of([])
    facts = {
        **run.facts,
        "command": HOSTILE,
        "version": SCRIPT,
        "cards": {
            name: {"title": titles[name], "kind": "operator", "family": f"{titles[name]} family"} for name in names
        },
        "limits": [{**limits, "flops_by": SCRIPT} for limits in run.facts["limits"]],
    }
    fingerprint = hurt(run.fingerprint) | {"caches": {SCRIPT: QUOTES}, "gpus": [SCRIPT]}
    return replace(
        run,
        records=tuple(records),
        facts=facts,
        machine_info={**run.machine_info, "fingerprint": fingerprint},
        commit_info={"id": SCRIPT, "dirty": True},
        measured_at=SCRIPT,
    )


def hostile_quality() -> QualityRun:
    """The same of what was seen of images, with pictures that are none."""
    run = quality_run(command=HOSTILE, measured_at=SCRIPT)
    contestants = [replace(each, options={QUOTES: SCRIPT}) for each in run.contestants]
    ids = {old.id: new.id for old, new in zip(run.contestants, contestants, strict=True)}
    trainings = [replace(each, contestant=ids[each.contestant]) for each in run.trainings]
    broken = replace(trainings[0], outcome=SCRIPT, reason=LONG, readings={})
    pictures = [replace(each, contestant=ids.get(each.contestant, SCRIPT), image=HOSTILE) for each in run.pictures]
    return replace(
        run,
        contestants=tuple(contestants),
        trainings=(*trainings, broken),
        starts=(Untrained(SCRIPT, 2, {"tone": 0.1}),),
        pictures=(*pictures, Picture("original", 2, HOSTILE, 0, plane()), Picture(SCRIPT, 2, "x", 0, SCRIPT)),
        meters={
            name: replace(card, **hurt({"title": card.title, "about": card.about})) for name, card in run.meters.items()
        },
        cards={name: {"title": f"{HOSTILE} {name}", "family": SCRIPT} for name in run.cards},
    )


def hurt(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with every text made hostile."""
    return {key: f"{HOSTILE} {value}" if isinstance(value, str) else value for key, value in values.items()}
