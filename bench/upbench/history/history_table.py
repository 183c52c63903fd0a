"""A history as people read it: a row for each change in the order of commits, and what surrounds them in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from upbench.history.survey import Happening, History, TrackHistory, percent
from upbench.history.timeline import Timeline
from upbench.history.tracks import CONTROL, OUTCOME, TIMES_CONTROL
from upbench.wording import one_line

MOST_CASES = 5
"""With a row of their own where one quantity of several changed at the same commit."""

MOST_NAMED = 3
"""Files that are named of those that are no runs, and cases of many that do not run any more."""

HEADINGS = ("commit", "lies in", "case", "quantity", "before", "after", "change", "95 % interval", "what else changed")

SCALES = {"s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")), "B": ((2**20, "MiB"), (2**10, "KiB"), (1.0, "B")),
          "FLOP": ((1e9, "GFLOP"), (1e6, "MFLOP"), (1.0, "FLOP"))}  # fmt: skip


@dataclass(frozen=True)
class MachineTable:
    """What happened on one machine.

    Attributes:
        heading: which machine, and how much it measured.
        rows: under :data:`HEADINGS`.
        notes: sentences on cases that do not run any more, on series that drift, and on what could not be seen.
    """

    heading: str
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def machine_tables(history: History) -> list[MachineTable]:
    """A table for each machine."""
    found = []
    for line in history.timelines:
        own = [each for each in history.series if each.track.timeline.machine == line.machine]
        changes = [(each, change) for each in own for change in each.changes]
        changes.sort(key=lambda item: (_key(*item), item[0].track.case))
        rows: list[tuple[str, ...]] = []
        for _, alike in groupby(changes, key=lambda item: _key(*item)):
            rows += _rows(line, own, list(alike))
        notes = (*_failing(line, own), *_drifts(own), *_unseen(line, own, history.fewest_runs))
        found.append(MachineTable(_heading(line, own), tuple(rows), notes))
    return found


def surroundings(history: History) -> list[str]:
    """What is to be known of the whole: files left out, and how sure it is."""
    lines = []
    if skipped := history.archive.skipped:
        named = "; ".join(f"{one_line(str(file))}: {reason}" for file, reason in skipped[:MOST_NAMED])
        more = f"; and {len(skipped) - MOST_NAMED} more" if len(skipped) > MOST_NAMED else ""
        lines.append(f"Left out: {_count(len(skipped), 'file')} ({named}{more}).")
    if history.places:
        lines.append(
            f"Latencies: changes of at least {100 * history.wanted.least:g} %, at 5 % shared between all "
            f"{history.places} places at which a series can change. Exact quantities: every difference."
        )
    return lines


def _key(each: TrackHistory, change: Happening) -> tuple[int, str, bool]:
    return change.version, each.track.quantity, change.value_after > change.value_before


def _rows(
    line: Timeline, own: Sequence[TrackHistory], alike: Sequence[tuple[TrackHistory, Happening]]
) -> list[tuple[str, ...]]:
    if len(alike) <= MOST_CASES:
        return [_row(line, each, change) for each, change in alike]
    quantity, changes = alike[0][0].track.quantity, [change for _, change in alike]
    ratios = sorted(change.ratio.estimate for change in changes if change.ratio)
    common = [text for text in changes[0].beside if all(text in change.beside for change in changes)]
    count = _cases(own) if quantity == OUTCOME else sum(each.track.quantity == quantity for each in own)
    without_ratio = changes[0].text if quantity == OUTCOME else "–"
    before, latest = max(change.before for change in changes), min(change.latest for change in changes)
    return [
        (
            line.versions[changes[0].version].name,
            _range(line, before, latest) if before < latest else "–",
            f"{len(alike)} of {count} cases",
            _quantity(alike[0][0]),
            "",
            "",
            f"{percent(ratios[0])} to {percent(ratios[-1])}" if ratios else without_ratio,
            "",
            "; ".join(common) or "–",
        )
    ]


def _row(line: Timeline, each: TrackHistory, change: Happening) -> tuple[str, ...]:
    ratio = change.ratio
    return (
        line.versions[change.version].name,
        _range(line, change.before, change.latest),
        each.track.case,
        _quantity(each),
        *_sides(each, change),
        change.text,
        f"{percent(ratio.low)} to {percent(ratio.high)}" if ratio and change.p_value is not None else "exact",
        "; ".join(change.beside) or "–",
    )


def _sides(each: TrackHistory, change: Happening) -> tuple[str, str]:
    """What was before, and what is after."""
    if change.ended is None:
        return _value(change.value_before, each.track.unit), _value(change.value_after, each.track.unit)
    return ("ok", change.ended.partition(":")[0]) if change.ended else ("no latency", "ok")


def _range(line: Timeline, before: int, latest: int) -> str:
    """As git takes it: what is in the latter and not in the former."""
    return f"{line.versions[before].name}..{line.versions[latest].name}"


def _quantity(each: TrackHistory) -> str:
    if each.track.quantity == CONTROL:
        return "the machine's control"
    return "latency" if each.track.unit == TIMES_CONTROL else each.track.quantity


def _value(value: float, unit: str) -> str:
    if unit == TIMES_CONTROL:
        return f"{value:.4g}×"
    for size, name in SCALES.get(unit, ()):
        if abs(value) >= size:
            return f"{value / size:.4g} {name}"
    return f"{value:,.10g}"


def _heading(line: Timeline, own: Sequence[TrackHistory]) -> str:
    first, last = line.versions[0], line.versions[-1]
    return (
        f"{line.text} ({line.machine}): {_count(line.runs, 'run')} of {_count(len(line.versions), 'version')}, "
        f"{first.name} ({first.at:%Y-%m-%d}) to {last.name} ({last.at:%Y-%m-%d}), {_count(_cases(own), 'case')}."
    )


def _cases(own: Sequence[TrackHistory]) -> int:
    return len({each.track.case for each in own if each.track.quantity != CONTROL})


def _failing(line: Timeline, own: Sequence[TrackHistory]) -> Iterator[str]:
    last = [(each.track.case, each.changes[-1]) for each in own if each.changes and each.changes[-1].ended]
    last.sort(key=lambda item: (item[1].version, item[0]))
    for version, alike in groupby(last, key=lambda item: item[1].version):
        since, cases = line.versions[version].name, list(alike)
        if len(cases) <= MOST_CASES:
            yield from (f"{case} no longer runs since {since} ({change.ended})." for case, change in cases)
        else:
            named = ", ".join(case for case, _ in cases[:MOST_NAMED])
            yield (
                f"{len(cases)} cases no longer run since {since}: {named} and {len(cases) - MOST_NAMED} more "
                f"({cases[0][1].ended})."
            )


def _drifts(own: Sequence[TrackHistory]) -> Iterator[str]:
    drifting = [(each, each.drift) for each in own if each.drift]
    for each, drift in sorted(drifting, key=lambda item: -abs(item[1].estimate - 1))[:MOST_CASES]:
        yield (
            f"{each.track.case}: {_quantity(each)} drifts by {percent(drift.estimate)} from the first version to the "
            f"last, beside its changes ({percent(drift.low)} to {percent(drift.high)})."
        )
    if len(drifting) > MOST_CASES:
        yield f"{len(drifting) - MOST_CASES} more series drift by less."


def _unseen(line: Timeline, own: Sequence[TrackHistory], fewest: int) -> Iterator[str]:
    """Why there may be changes that cannot be found."""
    if len(line.versions) == 1:
        yield "There is no other version to compare it with."
        return
    runs = max((len(each.track.values) for each in own if not each.track.is_exact), default=fewest)
    if runs < fewest:
        yield (
            f"No case has enough runs for a latency to have changed for certain: {runs} at most, of {fewest} that it "
            "takes with so many cases."
        )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
