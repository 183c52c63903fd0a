"""The one small interface behind which every quantity is measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from upbench.runtimes.workload import Workload

Stage = Literal["examine", "alone"]


class Meter(ABC):
    """One quantity of one workload.

    Class attributes:
        name: how the sweep asks for it.
        stage: ``examine`` meters share one process; an ``alone`` meter needs a process of its own. All give the same
            answer every time, so that one is enough; latency, which does not, is no meter's business.
        first: runs before the others of its stage, because they rely on what it checks.
        gives_memory_back: wants the allocator to return freed memory at once; such a meter runs alone.
    """

    registry: ClassVar[dict[str, Meter]] = {}

    name: ClassVar[str]
    stage: ClassVar[Stage] = "examine"
    first: ClassVar[bool] = False
    gives_memory_back: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Meter.registry[cls.name] = cls()

    @abstractmethod
    def measure(self, workload: Workload) -> dict[str, Any]:
        """Return this meter's fields of the record; called inside ``torch.inference_mode()``."""
