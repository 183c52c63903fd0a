"""What a format of model files is to the rest of this room: which runtime makes and reads it, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelFormat:
    """A kind of model files.

    Attributes:
        name: of the option that asks for it; ``check_script.py`` has a function ``run_NAME``.
        title: what a table calls it.
        runtime: by which it is converted and checked.
        files: what that runtime leaves in the folder that it is given to keep models in, and what it is called here.
    """

    name: str
    title: str
    runtime: str
    files: Mapping[str, str]
