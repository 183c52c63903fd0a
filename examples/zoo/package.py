"""Networks of other packages, imported only where one is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch


def installed(name: str) -> bool:
    """Whether a package can be found; it is not imported."""
    return find_spec(name) is not None


def module(name: str) -> Any:
    """Import a module of another package.

    Raises:
        ImportError: it is not installed.
    """
    if installed("torchvision"):
        _prepare_torchvision()
    return import_module(name)


@cache
def _prepare_torchvision() -> None:
    """Import torchvision, whose operators are compiled for CUDA alone, beside a torch without CUDA.

    Other packages import it where it is installed. It only fails where it describes the shapes of two operators that
    are not there; no network here calls either.
    """
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        for operator in ("nms", "qnms"):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{operator}", schema)
        import_module("torchvision")
