"""Whether what is imported as ``upsample`` is the library: a project may have something of that name as well."""

from __future__ import annotations

from upbench.errors import UsageError


def check_not_shadowed() -> None:
    """Import the library.

    Raises:
        UsageError: something else of that name stands before it on the path.
    """
    import upsample

    if not hasattr(upsample, "cards"):
        place = upsample.__file__ or next(iter(upsample.__path__))
        raise UsageError(
            f"{place} hides the library 'upsample', which is measured here: run this in another folder, "
            "and keep that one out of PYTHONPATH."
        )
