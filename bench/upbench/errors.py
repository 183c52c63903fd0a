"""Errors that are a person's to mend: one sentence each, and the exit code with which a command ends on them."""

from __future__ import annotations


class UserError(Exception):
    """The thing that was asked about failed."""

    exit_code = 1


class UsageError(UserError):
    """The question itself was wrong."""

    exit_code = 2
