"""A fleet's journal that a fault or a hand has garbled: one sentence, before a cluster is looked for."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.upbench.fleet.test_ledger import Lines
from tests.upbench.mutation import damaged
from tests.upbench.sweep.test_hostile_journal import CASES, ENTRIES
from tests.upbench.synthetic import FINGERPRINT
from upbench.errors import UserError
from upbench.fleet.campaign import runs
from upbench.fleet.ledger import DONE, GIVEN_UP, LOST, Ledger
from upbench.fleet.line_shapes import check_lines
from upbench.records.record import read_run, write_run
from upbench.sweep.journal import JournalError
from upbench.sweep.settings import SweepSettings

LABEL = CASES[0].cell.question.label
SEAT = {"seat": "s1", "node": "a", "info": {"fingerprint": FINGERPRINT}, "kernel": "k", "niceness": 0}
LINES: list[dict[str, Any]] = [
    SEAT,
    {"seat": "s1", "of": LABEL, "end": LOST, "why": "it went away"},
    *({"seat": "s1", "of": LABEL, "entry": entry} for entry in ENTRIES),
    {"seat": "s1", "of": LABEL, "end": DONE},
]


def resumed(lines: list[dict[str, Any]]) -> Ledger:
    check_lines(lines)
    return Ledger(Lines(lines), each_kind=False)


def test_lines_as_they_were_written_are_gone_on_with() -> None:
    ledger = resumed(LINES)
    assert ledger.finished(ledger.seats["s1"]) == [LABEL]
    (run,) = runs(CASES, SweepSettings(), ledger, {"asked": "0"})
    assert [record.case for record in run.records] == CASES


def test_a_question_that_was_given_up_has_its_place_and_its_reason() -> None:
    ledger = resumed([*LINES[:-1], {"seat": "s1", "of": LABEL, "end": GIVEN_UP, "why": "it was too much"}])
    (run,) = runs(CASES, SweepSettings(), ledger, {"asked": "0"})
    assert [record.case for record in run.records] == CASES
    assert {record.outcome for record in run.records} == {"crashed"}
    assert all("the machine was lost meanwhile: it was too much" in str(r.outcome_reason) for r in run.records)


def test_lines_with_anything_wrong_get_a_sentence_or_are_gone_on_with(tmp_path_factory: pytest.TempPathFactory) -> None:
    output = tmp_path_factory.mktemp("runs") / "run.json"

    @settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
    @given(damaged(LINES))
    def garbled(lines: Any) -> None:
        # A line that is no object never comes so far.
        kept = [line for line in lines if isinstance(line, dict)]
        try:
            ledger = resumed(kept)
        except UserError as error:
            assert "\n" not in str(error)
            return
        for seat in ledger.seats.values():
            if ledger.finished(seat) == [LABEL]:
                for run in runs(CASES, SweepSettings(), ledger, {"asked": "0"}):
                    write_run(run, output)
                    assert read_run(output).records

    garbled()


@pytest.mark.parametrize(
    ("number", "key", "junk"),
    [
        (0, "info", {"fingerprint": {}}),
        (0, "niceness", "0"),
        (1, "seat", "s2"),
        (1, "end", "over"),
        (1, "why", 3),
        (2, "entry", {"case": 3}),
        (2, "entry", ENTRIES[0] | {"fields": {"flops": "many"}}),
        (2, "of", None),
    ],
)
def test_what_is_of_another_type_is_found_before_anything_is_measured(number: int, key: str, junk: Any) -> None:
    lines = deepcopy(LINES)
    lines[number][key] = junk
    with pytest.raises(JournalError, match="the journal is damaged: an entry lacks or garbles "):
        resumed(lines)
