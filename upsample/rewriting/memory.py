"""How many bytes of tensors a call has alive at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from upsample.rewriting.structure import tensors


class _Alive(TorchDispatchMode):
    """Counts the storages that operators make, until nobody has them any more."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}
        self._given: set[int] = set()
        self.peak: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self._given |= {each.untyped_storage()._cdata for each in tensors([list(args), kwargs])} - self._storages.keys()
        output = func(*args, **(kwargs or {}))
        for each in tensors(output):
            storage = each.untyped_storage()
            if storage._cdata not in self._given:
                self._storages[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self._storages = {key: each for key, each in self._storages.items() if not each[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._storages.values()))
        return output


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the most bytes of tensors that a call has alive at once, besides what it is given.

    What operators use inside, such as reordered copies of a convolution, is not seen.
    """
    with torch.no_grad(), _Alive() as alive:
        call()
    return int(alive.peak)
