"""Tensors as they were when something was worked out from them, and whether that may be kept at all."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.autograd import forward_ad


class Seen:
    """One tensor, as it is now."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor, self._state = tensor, _state(tensor)
        # What is converted keeps its object and its count of writes, and gets other memory; while this is held nobody
        # else's has its address.
        self._memory = tensor.untyped_storage() if _has_memory(tensor) else None

    def still(self, tensor: Tensor) -> bool:
        """Whether it is the same tensor, with the same values; what is written through ``.data`` nobody can see."""
        if tensor is not self._tensor or _state(tensor) != self._state:
            return False
        return self._memory is None or self._memory._cdata == tensor.untyped_storage()._cdata


def all_still(seen: tuple[Seen, ...], tensors: Iterable[Tensor]) -> bool:
    """Whether nothing has changed of what was seen."""
    now = list(tensors)
    return len(now) == len(seen) and all(each.still(tensor) for each, tensor in zip(seen, now, strict=True))


def transformed(tensors: Iterable[Tensor]) -> bool:
    """Whether tensors stand for more than their values, as within ``torch.func``: nothing made of them may be kept."""
    if torch.compiler.is_compiling():
        return False
    if forward_ad._current_level >= 0:
        return True
    return any(torch._C._functorch.is_functorch_wrapped_tensor(each) for each in tensors)


def _state(tensor: Tensor) -> tuple[int, torch.dtype, torch.device]:
    return 0 if tensor.is_inference() else tensor._version, tensor.dtype, tensor.device


def _has_memory(tensor: Tensor) -> bool:
    return bool(torch._C._has_storage(tensor))
