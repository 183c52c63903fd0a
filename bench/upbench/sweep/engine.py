"""The measuring engine for one case at a time, with what it learns of the machine kept between cases."""

from __future__ import annotations

from typing import Any

from upbench import meters
from upbench.cases.case import Case
from upbench.machine import fingerprint as machine
from upbench.processes.isolation import Isolation
from upbench.records.record import Record, build_record, run_level_fields
from upbench.sweep import worker
from upbench.sweep.schedule import MemoryLog, Sweep, SweepSettings
from upbench.sweep.session import PRELOAD, run_facts


class Engine:
    """Measures cases as a sweep of one each; the control and the machine's limits are measured once.

    Args:
        settings: as for a sweep.
    """

    def __init__(self, settings: SweepSettings) -> None:
        self.settings = settings
        self._isolation = Isolation(self.settings.allocator, PRELOAD)
        self._log = MemoryLog()
        self._records: list[Record] = []
        self._limits: list[dict[str, Any]] = []

    def measure(self, case: Case) -> Record:
        """Measure one case to the precision or budget of the settings."""
        sweep = Sweep([case], self.settings, self._isolation, self._log)
        (record,) = sweep.run()
        self._limits = sweep.limits
        self._records.append(record)
        return record

    def check(self, case: Case) -> Record:
        """Check the output and the exact quantities of one case without timing it."""
        names = meters.of_stage("examine")
        outcome = self._isolation.call(worker.measure, case, names, timeout=self.settings.timeout_s)
        return build_record(case, outcome.kind, outcome.reason, outcome.value or {}, [])

    def machine_info(self) -> dict[str, Any]:
        """The machine as it stands in the file."""
        return machine.machine_info()

    def file_facts(self) -> dict[str, Any]:
        """What makes the file ours: schema, protocol, limits, and the cases without a latency."""
        cases = [record.case for record in self._records]
        facts = run_facts(cases, self.settings, self._limits, interleaved=False)
        return run_level_fields(facts, self._records)
