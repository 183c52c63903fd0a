"""Peak bytes of live tensors: what the code asks for, blind to scratch inside operators."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from upbench.meters.meter import Meter
from upbench.runtimes.workload import Workload


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of every storage from the operator that makes it until its last tensor is gone.

    Storages that exist before the mode is entered, inputs and weights, are not counted when an operator returns a
    view of them.

    Args:
        existing: tensors whose storages are not to be counted.
    """

    def __init__(self, existing: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        self.live_bytes = 0
        self.peak_bytes = 0
        self._known: dict[int, weakref.ReferenceType[torch.UntypedStorage]] = {}
        for tensor in existing:
            self._remember(tensor.untyped_storage(), 0)

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                storage = leaf.untyped_storage()
                if storage._cdata not in self._known:
                    self._remember(storage, storage.nbytes())
        return result

    def _remember(self, storage: torch.UntypedStorage, nbytes: int) -> None:
        key = storage._cdata

        def forget(_: object) -> None:
            del self._known[key]
            self.live_bytes -= nbytes

        self._known[key] = weakref.ref(storage, forget)
        self.live_bytes += nbytes
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)


class TensorMemory(Meter):
    """``peak_tensor_bytes`` of one call above inputs and weights; output and gradients included.

    None but in eager, where every operator's result can be seen.
    """

    name = "tensor_memory"

    def measure(self, workload: Workload) -> dict[str, Any]:
        if workload.case.cell.runtime != "eager":
            return {"peak_tensor_bytes": None}
        existing = [*workload.inputs, *workload.module.parameters(), *workload.module.buffers()]
        with LiveTensors(existing) as tensors:
            workload.call()
        return {"peak_tensor_bytes": tensors.peak_bytes}
