"""``upbench run --fleet`` with stations that time nothing; started by tests as a program of its own.

Its one argument is JSON: address, output, diary, pause_s, questions, and optionally labels, each_kind and resume.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from rich.console import Console

from tests.upbench.fleet.stand_in import __file__ as STAND_IN
from tests.upbench.synthetic import case
from upbench.cases.case import Case
from upbench.errors import UserError
from upbench.fleet import dispatch
from upbench.fleet.campaign import Fleet, measure_on_fleet
from upbench.sweep.settings import SweepSettings

NAMES = ("subpixel", "transposed")


def grid(questions: int) -> list[Case]:
    """So many questions of two rivals."""
    return [case(name, 2, channels) for channels in range(1, questions + 1) for name in NAMES]


def main() -> None:
    asked = json.loads(sys.argv[1])
    dispatch.WAIT_S = asked.get("wait_s", dispatch.WAIT_S)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    command = (sys.executable, STAND_IN, asked["diary"], str(asked["pause_s"]))
    fleet = Fleet(asked["address"], asked.get("labels", {}), asked.get("each_kind", False), command)
    output, resume = Path(asked["output"]), asked.get("resume", False)
    try:
        written = measure_on_fleet(
            grid(asked["questions"]), SweepSettings(), output, resume, fleet, Console(stderr=True, width=300)
        )
    except UserError as error:
        print(f"upbench: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps([str(file) for file in written]))


if __name__ == "__main__":
    main()
