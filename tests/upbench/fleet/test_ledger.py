"""What a fleet's journal says: nothing of two machines is mixed, and nothing counts that no machine has finished."""

from __future__ import annotations

from typing import Any

import pytest

from tests.upbench.synthetic import FINGERPRINT
from upbench.fleet.ledger import DONE, GIVEN_UP, LOST, Ledger
from upbench.sweep.schedule import MemoryLog


class Lines(MemoryLog):
    """A journal in memory."""

    def extend(self, entries: Any) -> None:
        for entry in entries:
            self.append(entry)


def facts(**fingerprint: Any) -> dict[str, Any]:
    return {"info": {"fingerprint": FINGERPRINT | fingerprint}, "kernel": "k", "niceness": 0}


@pytest.fixture
def journal() -> Lines:
    return Lines()


def test_what_two_machines_measured_of_a_question_is_kept_apart(journal: Lines) -> None:
    ledger = Ledger(journal, each_kind=False)
    a, b = (ledger.seat(node, facts()) for node in ("a", "b"))
    ledger.write(
        [{"seat": a.key, "of": "q", "entry": {"case": "1"}}, {"seat": a.key, "of": "q", "end": LOST, "why": "-"}]
    )
    assert not ledger.ended("q", ledger.pool(a))
    assert (list(ledger.begun(a)), list(ledger.begun(b))) == (["q"], [])
    ledger.write([{"seat": b.key, "of": "q", "entry": {"case": "2"}}, {"seat": b.key, "of": "q", "end": DONE}])
    assert ledger.finished(a) == []
    assert ledger.finished(b) == ["q"]
    assert ledger.known(b, ["q"]) == [{"case": "2"}]
    assert ledger.count_ended("") == 1


def test_a_journal_read_back_says_the_same(journal: Lines) -> None:
    before = Ledger(journal, each_kind=False)
    seat = before.seat("a", facts())
    before.write(
        [
            {"seat": seat.key, "of": "q", "entry": {"case": "1"}},
            {"seat": seat.key, "of": "q", "end": GIVEN_UP, "why": "it was too much"},
        ]
    )
    after = Ledger(Lines(journal.entries), each_kind=False)
    assert after.seats == before.seats
    assert after.given_up(seat) == {"q": "it was too much"}
    # The same node is the same seat again, and is not written down twice.
    lines = len(journal.entries)
    assert before.seat("a", facts()) == seat
    assert len(journal.entries) == lines


def test_limits_of_a_machine_are_known_to_all_its_questions_and_to_no_other_machine(journal: Lines) -> None:
    ledger = Ledger(journal, each_kind=False)
    a, b = (ledger.seat(node, facts()) for node in ("a", "b"))
    limits = {"machine": "limits", "of": ["float32", 1, "cpu"], "outcome": "ok", "fields": {}}
    ledger.write([{"seat": a.key, "of": "q", "entry": limits}])
    assert ledger.known(a, ["another"]) == [limits]
    assert ledger.known(b, ["another"]) == []


def test_a_little_memory_more_or_less_is_the_same_kind_of_machine_and_much_is_not(journal: Lines) -> None:
    ledger = Ledger(journal, each_kind=True)
    sizes = (FINGERPRINT["memory_bytes"], FINGERPRINT["memory_bytes"] + 4096, 2 * FINGERPRINT["memory_bytes"])  # type: ignore[operator]
    kinds = [ledger.seat(str(size), facts(memory_bytes=size)).kind for size in sizes]
    assert kinds[0] == kinds[1] != kinds[2]


def test_each_kind_of_machine_ends_its_own_questions(journal: Lines) -> None:
    ledger = Ledger(journal, each_kind=True)
    a, b = ledger.seat("a", facts()), ledger.seat("b", facts(cpu="Another"))
    ledger.write([{"seat": a.key, "of": "q", "end": DONE}])
    assert ledger.ended("q", ledger.pool(a))
    assert not ledger.ended("q", ledger.pool(b))
