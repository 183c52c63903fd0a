"""How the measuring of a case can end, and what says so from inside the process that measures it."""

from __future__ import annotations

from typing import Literal

OutcomeKind = Literal["ok", "unsupported", "refused", "out_of_memory", "timeout", "crashed", "unstable"]


class UnsupportedCaseError(Exception):
    """Raised inside a worker: this case cannot be run here, for the reason that the message gives."""


class RefusedCaseError(Exception):
    """Raised inside a worker: the upsampler breaks its contract as the message says, so that its time means nothing."""
