"""A station that times nothing: a real sweep over a machine that has its answers ready, with a pause before each.

Everything else is real: it runs as the process that a fleet starts on a node. What it begins and measures it writes
down in a file, line by line, with the time, so that a test can see what was done twice and how long it stood idle.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.upbench.sweep.test_schedule import FakeMachine
from upbench.cases.case import Case
from upbench.fleet.station import Answers, Station, serve
from upbench.sweep import schedule
from upbench.sweep.schedule import MemoryLog, Sweep
from upbench.sweep.settings import SweepSettings

CPU, SOURCE, SLOWER, FATAL = (f"UPBENCH_TEST_{name}" for name in ("CPU", "SOURCE", "SLOWER", "FATAL"))
"""What a node may pretend: another processor, other code, a slower control, a question that ends its station."""


class StandIn(Station):
    """Pauses before each entry, and tells a file what it does.

    Args:
        diary: the file.
        pause_s: before each entry.
    """

    def __init__(self, diary: Path, pause_s: float) -> None:
        super().__init__()
        self.diary, self.pause_s = diary, pause_s

    def facts(self, request: Mapping[str, Any]) -> Answers:
        for answer in super().facts(request):
            facts = answer["facts"]
            facts["source"] = os.environ.get(SOURCE, facts["source"])
            facts["info"]["fingerprint"]["cpu"] = os.environ.get(CPU, "Test CPU")
            yield answer

    def measure(self, request: Mapping[str, Any]) -> Answers:
        cases = [Case.from_dict(each) for each in request["cases"]]
        label = cases[0].cell.question.label
        self.write("begin", label)
        if os.environ.get(FATAL) == label:
            os._exit(9)
        machine = FakeMachine()
        schedule.launch = self._slowed(machine.launch)
        sweep = Sweep(cases, SweepSettings(**request["settings"]), machine, MemoryLog(request["entries"]))  # type: ignore[arg-type]
        for entry in sweep.steps():
            time.sleep(self.pause_s)
            yield {"entry": entry}
        self.write("end", label)

    def _slowed(self, launch: Any) -> Any:
        factor = float(os.environ.get(SLOWER, 1))

        def slowed(*arguments: Any) -> dict[str, Any]:
            entry: dict[str, Any] = launch(*arguments)
            return entry | {"control_s": [factor * each for each in entry["control_s"]]}

        return slowed

    def write(self, what: str, label: str) -> None:
        line = {"what": what, "of": label, "pid": os.getpid(), "at": time.time()}
        with self.diary.open("a") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    serve(StandIn(Path(sys.argv[1]), float(sys.argv[2])))
