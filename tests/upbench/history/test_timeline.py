"""Runs of a commit are one version, versions follow each other by commit time, and no machine meets another."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from upbench.history.archive import ArchivedRun
from upbench.history.timeline import timelines

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def run(
    file: str = "a",
    commit: str = "",
    committed_h: int | None = None,
    measured_h: int = 0,
    hardware: str = "m",
    memory: float | None = None,
    dirty: bool = False,
    source: str = "",
) -> ArchivedRun:
    committed = None if committed_h is None else EPOCH + timedelta(hours=committed_h)
    measured = EPOCH + timedelta(hours=measured_h)
    return ArchivedRun(Path(file), hardware, "Some CPU", memory, commit, dirty, source, committed, measured, {})


RUNS = st.lists(
    st.builds(
        lambda number, *rest: run("", f"{number:040x}" if number < 8 else "", number % 4, *rest),
        st.integers(0, 9),
        st.integers(0, 5),
        st.sampled_from("mno"),
        st.sampled_from([None, 8e9, 8.01e9, 16e9]),
        st.booleans(),
        st.sampled_from(["", "s", "t"]),
    ),
    min_size=1,
    max_size=40,
).map(lambda runs: [ArchivedRun(Path(str(at)), *list(vars(each).values())[1:]) for at, each in enumerate(runs)])


@given(RUNS)
def test_every_run_is_in_one_version_of_its_machine_and_versions_are_in_order(runs: list[ArchivedRun]) -> None:
    lines = timelines(runs)
    placed = [place for line in lines for version in line.versions for place in version.runs]
    assert sorted(placed) == list(range(len(runs)))
    for line in lines:
        own = [runs[place] for version in line.versions for place in version.runs]
        assert len({each.hardware for each in own}) == 1
        memories = [each.memory_bytes for each in own]
        told = [memory for memory in memories if memory is not None]
        assert not told or (len(told) == len(memories) and max(told) < 1.1 * min(told))
        assert [version.at for version in line.versions] == sorted(version.at for version in line.versions)
        for version in line.versions:
            of = [runs[place] for place in version.runs]
            assert len({(each.commit, each.dirty and each.source) for each in of}) == 1 or not version.commit
            assert len(of) == 1 or version.commit


@given(RUNS, st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(runs: list[ArchivedRun], chance: random.Random) -> None:
    def told(runs: list[ArchivedRun]) -> list[object]:
        return [
            (
                line.machine,
                [(version.name, sorted(str(runs[place].file) for place in version.runs)) for version in line.versions],
            )
            for line in timelines(runs)
        ]

    committed = [each for each in runs if each.commit]
    shuffled = committed.copy()
    chance.shuffle(shuffled)
    if committed:
        assert told(shuffled) == told(committed)


def test_runs_of_one_commit_belong_together_whenever_they_were_measured() -> None:
    runs = [
        run("a", "aaaa", 1, measured_h=1),
        run("b", "bbbb", 2, measured_h=2),
        run("c", "aaaa", 1, measured_h=9),
    ]
    (line,) = timelines(runs)
    assert [(version.name, version.runs) for version in line.versions] == [("aaaa", (0, 2)), ("bbbb", (1,))]


def test_commits_are_in_the_order_in_which_they_were_made() -> None:
    runs = [run("a", "aaaa", 5, measured_h=1), run("b", "bbbb", 2, measured_h=9)]
    (line,) = timelines(runs)
    assert [version.name for version in line.versions] == ["bbbb", "aaaa"]


def test_a_tree_that_differs_is_a_version_of_its_own_behind_its_commit() -> None:
    runs = [
        run("a", "a" * 40, 1, dirty=True, source="x"),
        run("b", "a" * 40, 1, measured_h=2),
        run("c", "a" * 40, 1, measured_h=3, dirty=True, source="y"),
        run("d", "b" * 40, 2, measured_h=4),
    ]
    (line,) = timelines(runs)
    assert [(version.name, version.runs) for version in line.versions] == [
        ("aaaaaaaaa", (1,)),
        ("aaaaaaaaa+", (0,)),
        ("aaaaaaaaa+", (2,)),
        ("bbbbbbbbb", (3,)),
    ]


def test_runs_outside_of_a_repository_are_versions_by_their_time() -> None:
    (line,) = timelines([run("a", measured_h=5), run("b", measured_h=3)])
    assert [version.name for version in line.versions] == ["2026-01-01 03:00", "2026-01-01 05:00"]


def test_the_same_processor_with_another_memory_is_another_machine() -> None:
    runs = [run("a", "a", 1, memory=25.2e9), run("b", "b", 2, memory=25.3e9), run("c", "c", 3, memory=50e9)]
    assert [line.text for line in timelines(runs)] == ["Some CPU, 24 GiB", "Some CPU, 47 GiB"]
