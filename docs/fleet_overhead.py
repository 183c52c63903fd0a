"""What a fleet costs beside the measuring: how long a machine stands idle between two questions, and how much is kept.

    python docs/fleet_overhead.py --nodes 4 --questions 200 --pause 0.05

It starts so many Ray nodes on this machine, each with a station that measures nothing, and prints a table in Markdown.
Scheduling, streams and journal are as in a sweep. As all nodes share this machine with the driver, and none has
anything to do but to ask for more, the figures are worse than on machines of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from upbench.cases.case import Case, Cell
from upbench.fleet.cluster import Cluster
from upbench.fleet.dispatch import Dispatch
from upbench.fleet.ledger import Ledger
from upbench.fleet.station import Answers, Station, serve
from upbench.progress import Silent
from upbench.sweep.journal import Journal
from upbench.sweep.settings import SweepSettings

STORE_BYTES = 80 << 20

ENTRY_BYTES = 4000
"""Of one line, about as much as a launch of five rivals has."""


class Idle(Station):
    """Answers without measuring, and writes down when it was done and when it was asked again."""

    def __init__(self, diary: Path, entries: int, pause_s: float) -> None:
        super().__init__()
        self._diary, self._entries, self._pause_s = diary, entries, pause_s
        self._done_at: float | None = None

    def measure(self, request: Mapping[str, Any]) -> Answers:
        asked_at = time.monotonic()
        if self._done_at is not None:
            with self._diary.open("a") as file:
                file.write(json.dumps({"asked": asked_at, "done": self._done_at}) + "\n")
        for number in range(self._entries):
            time.sleep(self._pause_s)
            yield {"entry": {"case": str(number), "filled": "x" * ENTRY_BYTES}}
        self._done_at = time.monotonic()


def idle_times(nodes: int, questions: int, entries: int, pause_s: float) -> tuple[list[float], float]:
    """Seconds between a question's end and the next one's beginning, and answers that the driver took in a second."""
    from ray.cluster_utils import Cluster as Raylets

    cases = [Case("subpixel", Cell(2, number, number, number, 48, 48)) for number in range(1, questions + 1)]
    with tempfile.TemporaryDirectory(prefix="r-", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        Path(folder, "ray").mkdir()
        head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        raylets = Raylets(initialize_head=True, head_node_args=head)
        try:
            for number in range(nodes):
                raylets.add_node(
                    num_cpus=1, resources={"upbench": 1}, node_name=f"n{number}", object_store_memory=STORE_BYTES
                )
            diary, output = Path(folder, "diary"), Path(folder, "out.json")
            command = (sys.executable, __file__, "--station", str(diary), f"--entries={entries}", f"--pause={pause_s}")
            with Journal.create(output, {}) as journal, Cluster(str(raylets.address), {}, command) as cluster:
                Dispatch(cases, SweepSettings(), Ledger(journal, False), cluster, Silent()).run()
            lines = [json.loads(line) for line in diary.read_text().splitlines()]
            seconds = max(line["asked"] for line in lines) - min(line["done"] for line in lines)
            return [line["asked"] - line["done"] for line in lines], len(lines) * (entries + 1) / seconds
        finally:
            raylets.shutdown()


def main(arguments: Sequence[str]) -> None:
    """Print a row of the table, or be a station."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--entries", type=int, default=20, help="lines that a question answers")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds before each line, as if it were measured")
    parser.add_argument("--station", type=Path)
    asked = parser.parse_args(arguments)
    if asked.station:
        serve(Idle(asked.station, asked.entries, asked.pause))
        return
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    warnings.simplefilter("ignore")
    found, rate = idle_times(asked.nodes, asked.questions, asked.entries, asked.pause)
    milliseconds = sorted(1e3 * each for each in found)
    high = milliseconds[int(0.95 * len(milliseconds))]
    figures = (statistics.median(milliseconds), statistics.mean(milliseconds), high, milliseconds[-1])
    titles = ("nodes", "questions", "lines each", "pause before a line", "answers a second")
    print("| " + " | ".join([*titles, "idle: median", "mean", "95 of 100 below", "most"]) + " |")
    print("|" + "---:|" * 9)
    cells = [asked.nodes, asked.questions, asked.entries, f"{1e3 * asked.pause:g} ms", f"{rate:.0f}"]
    print("| " + " | ".join(map(str, [*cells, *(f"{each:.1f} ms" for each in figures)])) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
