"""A long sweep that is killed again and again: ``python -m tests.upbench.faults.soak --cases 2000 --kills 60``.

It starts ``upbench run … --resume`` over so many cases, kills it after a random time, looks whether anything is lost or
left, and goes on until it has ended; then it compares with what was planned, and prints its figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

from tests.upbench.faults.running import Place, check_kept, kill, place_in, until
from upbench.cases import grid
from upbench.records.record import read_run
from upbench.sweep.plan import planned

NAMES = ("subpixel", "nearest_conv", "bilinear_conv", "transposed")
"""With all their exact forms, so that a cell has many rivals."""

SIDE = 8
SAMPLE_S = 1.0
TOLD_EVERY = 30
SETTLED_S = 60.0
"""After which a process has imported and allocated what it always does."""


def asked_for(count: int) -> tuple[list[str], list[str]]:
    """Options for at least so many cases, in cells of growing width, and the names of those cases."""
    names = grid.with_exact_forms(NAMES)
    sizes = [(SIDE, SIDE + number) for number in range(-(-count // len(names)))]
    ids = [case.id for case in planned(grid.Axes(names, scales=(2,), channels=(4,), sizes=tuple(sizes)))]
    spelt = ",".join(f"{height}x{width}" for height, width in sizes)
    options = ["--upsampler", ",".join(NAMES), "--exact-forms", "--scale", "2", "--channels", "4", "--size", spelt]
    return [*options, "--time-limit", "1"], ids


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument(
        "--longest", type=float, default=30.0, help="Seconds that a process lives before it is killed at any time."
    )
    parser.add_argument("--most-lines", type=int, default=40, help="Of the journal, written before it is killed.")
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    options, ids = asked_for(given.cases)
    with place_in(given.folder) as place:
        print(json.dumps(soak(place, options, ids, given), indent=1))


def soak(place: Place, options: list[str], ids: list[str], given: argparse.Namespace) -> dict[str, object]:
    rng, begun = random.Random(0), time.monotonic()
    done, torn, lines = 0, 0, list[str]()
    memory = list[tuple[float, int]]()
    while True:
        process = place.start("run", *options, "--output", place.output, "--resume")
        if done < given.kills:
            # Every fourth at any time, most likely as it starts; the others in the middle of what they are there for.
            wanted = len(lines) + (1 << 40 if done % 4 == 0 else rng.randint(2, given.most_lines))
            end = time.monotonic() + rng.uniform(1, given.longest)
            while process.poll() is None and len(place.lines()) < wanted and (done % 4 or time.monotonic() < end):
                time.sleep(0.2)
            time.sleep(rng.uniform(0, 0.5))
        else:
            memory = _watched(place, process.pid)
        if done == given.kills or process.poll() is not None:
            break
        with suppress(ProcessLookupError):
            kill(process)
        done += 1
        until(lambda: not place.processes(), 60)
        now = place.lines()
        assert now[: len(lines)] == lines, "the journal has lost a line"
        torn += place.journal.exists() and not place.journal.read_bytes().endswith(b"\n")
        lines = now
        print(f"{time.monotonic() - begun:.0f} s: killed {done} times, {len(lines)} lines", flush=True)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    check_kept(place.output, lines)
    records = read_run(place.output).records
    assert sorted(record.case.id for record in records) == sorted(ids)
    settled = [rss for second, rss in memory if second >= SETTLED_S]
    return {
        "cases": len(records),
        "outcomes": Counter(record.outcome for record in records),
        "kills": done,
        "of them within a line": torn,
        "seconds": round(time.monotonic() - begun),
        "launches": len({launch for record in records for launch in record.quantities["launch_ids"] or []}),
        "last life, s": round(memory[-1][0]),
        "parent's MB after a minute": settled and settled[0] // 10**6,
        "median": settled and round(statistics.median(settled)) // 10**6,
        "in the end": settled and settled[-1] // 10**6,
        "left behind": place.left_behind(),
        "files": sorted(path.name for path in place.outputs.iterdir()),
    }


def _watched(place: Place, pid: int) -> list[tuple[float, int]]:
    """The resident memory of a process, sampled until it ends: seconds and bytes."""
    begun, samples = time.monotonic(), list[tuple[float, int]]()
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            samples.append((time.monotonic() - begun, process.memory_info().rss))
            if len(samples) % TOLD_EVERY == 0:
                print(f"{samples[-1][0]:.0f} s: {samples[-1][1] // 10**6} MB, {len(place.lines())} lines", flush=True)
            time.sleep(SAMPLE_S)
    return samples


if __name__ == "__main__":
    main()
