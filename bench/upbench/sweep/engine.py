"""The sweep for whoever asks for one case at a time: the first question is answered by measuring them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from upbench import meters
from upbench.cases.case import Case
from upbench.machine import fingerprint as machine
from upbench.processes.isolation import Isolation
from upbench.progress import Watcher
from upbench.records.record import Record, build_record, run_level_fields
from upbench.sweep import worker
from upbench.sweep.schedule import MemoryLog, Sweep
from upbench.sweep.session import run_facts
from upbench.sweep.settings import SweepSettings


class Engine:
    """Measures cases side by side, as soon as one of them is asked for.

    Args:
        cases: that will be asked for, as far as that is known.
        settings: as for a sweep.
        watcher: told how far it is.
    """

    def __init__(self, cases: Sequence[Case], settings: SweepSettings, watcher: Watcher) -> None:
        self._settings, self._watcher = settings, watcher
        self._waiting = list(cases)
        self._isolation = Isolation(settings.allocator)
        self._records: dict[Case, Record] = {}
        self._facts: dict[str, Any] = {}

    def measure(self, case: Case) -> Record:
        """The record of one case; those that have not been announced are measured without rivals."""
        if case not in self._records:
            cases = self._waiting if case in self._waiting else [case]
            sweep = Sweep(cases, self._settings, self._isolation, MemoryLog(), self._watcher)
            with self._watcher:
                self._records |= dict(zip(cases, sweep.run(), strict=True))
            self._facts = self._facts or run_facts(sweep)
            self._facts["cards"] |= run_facts(sweep)["cards"]
        return self._records[case]

    def check(self, case: Case) -> Record:
        """Check the output and the exact quantities of one case without timing it."""
        names = meters.of_stage("examine")
        outcome = self._isolation.call(worker.measure, case, names, timeout=self._settings.timeout_s)
        return build_record(case, outcome.kind, outcome.reason, outcome.value or {}, [])

    def machine_info(self) -> dict[str, Any]:
        """The machine as it stands in the file."""
        return machine.machine_info()

    def file_facts(self) -> dict[str, Any]:
        """What makes the file ours: schema, protocol, limits, and the cases without a latency."""
        return run_level_fields(self._facts, self._records.values())
